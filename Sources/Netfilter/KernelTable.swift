// SPDX-License-Identifier: Apache-2.0
import Glibc
import GracePeriod
import KernelErrors

/// Packets and bytes that a counter has counted.
package struct CounterValue: Hashable, Sendable {
    package var packets: UInt64 = 0
    package var bytes: UInt64 = 0
}

/// A table in the kernel: everything but the sets' members, in a form that can be compared with a plan.
package struct KernelTable {
    package struct Object {
        var fingerprint: String
        var kind: UInt32
        package var userData: UserData
        package var counter = CounterValue()
    }
    package struct Chain {
        var fingerprint: String
        /// Whether a hook calls it.
        var isBase: Bool
        package var rules: [[UInt8]] = []
    }
    /// Flags of the table itself; with `dormant`, no hook calls it. Bulkhead's tables have none.
    var flags: UInt32 = 0
    package var objects: [String: Object] = [:]
    /// Name and fingerprint.
    package var sets: [String: String] = [:]
    package var chains: [String: Chain] = [:]
}

extension TableIdentity {
    /// Removes the table, if there is one, and if no other process removes it meanwhile.
    package func remove(_ socket: NetfilterSocket) throws(KernelError) {
        do throws(KernelError) {
            try removeExisting(socket)
        } catch .system(_, ENOENT, _) {
            return
        }
    }

    /// Packets under way need the objects of their rules to the end: first no more packets may enter, and then those
    /// inside leave.
    private func removeExisting(_ socket: NetfilterSocket) throws(KernelError) {
        let reader = TableReader(self, socket)
        guard try reader.exists() else { return }
        // If the table cannot be read, it is removed as a whole.
        let chains = (try? reader.read())?.chains ?? [:]
        var hooked = Transaction()
        hooked.removedBaseChains = Set(chains.filter(\.value.isBase).keys)
        hooked.removedChains = hooked.removedBaseChains.sorted()
        if !hooked.isEmpty {
            try socket.commit(hooked, to: self)
            PacketsUnderWay.wait()
        }
        var batch = Batch(self, sequence: socket.reserve(2))
        batch.removeTable()
        batch.finish()
        _ = try socket.commit(batch)
    }
}

/// Texts and bytes that are equal if the kernel would do the same; counters' values do not count.
enum Fingerprint {
    static func set(keyType: UInt32, keyBytes: UInt32, flags: UInt32, timeout: UInt64, userData: [UInt8]) -> String {
        "\(keyType) \(keyBytes) \(flags) \(timeout) \(userData)"
    }
    static func chain(hook: String?, userData: [UInt8]) -> String { "\(hook ?? "none") \(userData)" }
    static func limit(rate: UInt64, unit: UInt64, burst: UInt32) -> String { "limit \(rate)/\(unit) \(burst)" }
}
