// SPDX-License-Identifier: Apache-2.0
import Datapath
import Netfilter

/// The table as the kernel has it: everything but the sets' members, in a form that can be compared with a plan.
struct KernelTable: Equatable {
    struct Object: Hashable {
        var fingerprint: String
        var kind: UInt32
        var userData: UserData
        var counter = RuleCounter()
    }
    struct Chain: Hashable {
        var fingerprint: String
        var rules: [[UInt8]] = []
    }
    /// Of the table itself; `dormant`, with which no hook calls it, is one of them. Ours has none.
    var flags: UInt32 = 0
    var objects: [String: Object] = [:]
    /// Name and fingerprint.
    var sets: [String: String] = [:]
    var chains: [String: Chain] = [:]

    /// The same with all counters at zero.
    var uncounted: KernelTable {
        var table = self
        for name in table.objects.keys { table.objects[name]?.counter = RuleCounter() }
        return table
    }
}

extension KernelTable {
    /// Removes our table of a family, where there is one. Packets under way need what their rules ask for to the end:
    /// no more come in first, and those that are there leave.
    static func remove(_ socket: NetfilterSocket, family: UInt16 = Batch.family) throws(DatapathError) {
        guard try TableReader.exists(socket, family: family) else { return }
        // A table that cannot be read goes as a whole.
        let chains = (try? TableReader.read(socket, family: family))?.chains ?? [:]
        var hooked = Transaction()
        hooked.removedChains = TableName.baseChains.filter { chains[$0] != nil }
        if !hooked.isEmpty {
            try socket.commit(Batch(hooked, sequence: socket.reserve(Batch.sequenceNumbers), family: family))
            PacketsUnderWay.wait()
        }
        var batch = Batch(sequence: socket.reserve(2), family: family)
        batch.removeTable()
        batch.finish()
        try socket.commit(batch)
    }
}

/// Texts and bytes that are equal when the kernel would do the same; counters' values are no part of them.
enum Fingerprint {
    static func set(keyType: UInt32, keyBytes: UInt32, flags: UInt32, timeout: UInt64, userData: [UInt8]) -> String {
        "\(keyType) \(keyBytes) \(flags) \(timeout) \(userData)"
    }
    static func chain(hook: String?, userData: [UInt8]) -> String { "\(hook ?? "none") \(userData)" }
    static func limit(rate: UInt64, unit: UInt64, burst: UInt32) -> String { "limit \(rate)/\(unit) \(burst)" }
}
