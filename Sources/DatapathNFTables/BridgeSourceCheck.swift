// SPDX-License-Identifier: Apache-2.0
import Datapath
import Netfilter
import NetworkTypes

/// The check of source addresses by bridge port, for either datapath: one table `bridge bulkhead` in the network
/// namespace of the thread that calls ``set(_:)``. It goes on checking when this value, or the process, is gone;
/// ``uninstall()`` removes it, and ``repair()`` puts it right.
public struct BridgeSourceCheck: ~Copyable {
    private var socket: NetfilterSocket?
    private var ports: [UInt32: Set<IPAddress>] = [:]
    /// Whether the table is known to be there and ours.
    private var isMade = false
    /// The table without its members as the kernel had it when we made it; nil: somebody may have come between.
    private var made: KernelTable?
    /// The ruleset's generation when the table was last known to be as we left it.
    private var generation: UInt32?

    /// Nothing is opened yet.
    public init() {}

    /// Brings the kernel to it: by each of these ports, frames come in from these addresses only. Other ports are not
    /// looked at. All or nothing; a table of an earlier run is replaced in the same step.
    ///
    /// - Parameter ports: addresses of the pods behind a port, by the port's interface index.
    public mutating func set(_ ports: [UInt32: Set<IPAddress>]) throws(DatapathError) {
        guard !isMade || ports != self.ports else { return }
        let socket = try open()
        if ports.isEmpty, !isMade {
            try KernelTable.remove(socket, family: Batch.bridgeFamily)
            return
        }
        let table = BridgeTable(ports: ports)
        if isMade {
            var step = Transaction()
            step.emptiedSets = table.podSets.map(\.shape)
            step.addedMembers = table.podSets.filter { !$0.members.isEmpty }
            do {
                generation = nil
                try commit(step, socket)
                self.ports = ports
                return
            } catch {
                // Somebody else changed the table: it is made anew.
                isMade = false
            }
        }
        made = nil
        generation = nil
        do {
            let before = try TableReader.generation(socket)
            try commit(Transaction(replacing: table.contents), socket)
            let table = try TableReader.read(socket, family: Batch.bridgeFamily)
            if try TableReader.generation(socket) == before &+ 1 { made = table?.uncounted }
        } catch .system(let operation, let code, _) where Self.lackCodes.contains(code) {
            throw .unsupported(
                what: "nftables for bridges, to \(operation) (errno \(code))",
                remedy: "a kernel with NF_TABLES_BRIDGE; until then pods behind a bridge can send from any address")
        }
        self.ports = ports
        isMade = true
    }

    /// Puts right what somebody else has changed in the table, or removed. Takes microseconds where nobody has touched
    /// the ruleset of this network namespace.
    ///
    /// - Returns: whether something had to be put right.
    public mutating func repair() throws(DatapathError) -> Bool {
        guard isMade, let socket else { return false }
        let now = try TableReader.generation(socket)
        guard now != generation else { return false }
        let isKnown = made != nil
        if isKnown, try isAsLeft(socket) {
            generation = now
            return false
        }
        isMade = false
        try set(ports)
        return isKnown
    }

    private func isAsLeft(_ socket: NetfilterSocket) throws(DatapathError) -> Bool {
        guard try TableReader.read(socket, family: Batch.bridgeFamily)?.uncounted == made else { return false }
        for set in BridgeTable(ports: ports).contents.sets.values {
            let members = try TableReader.members(of: set.shape, socket, family: Batch.bridgeFamily)
            if members != set.members { return false }
        }
        return true
    }

    /// Frames that were dropped; 0 where there is no table.
    public func dropped() throws(DatapathError) -> UInt64 {
        guard isMade, let socket else { return 0 }
        let objects = try TableReader.objects(socket, family: Batch.bridgeFamily)
        return objects.first { $0.0 == TableName.spoofed }?.1.counter.packets ?? 0
    }

    /// Removes the table from the network namespace of the calling thread.
    ///
    /// - Returns: what was removed, by name; empty where nothing was there.
    @discardableResult public static func uninstall() throws(DatapathError) -> [String] {
        let installed = try installed()
        try KernelTable.remove(NetfilterSocket(), family: Batch.bridgeFamily)
        return installed
    }

    /// What is in the kernel: the table's name, or nothing.
    public static func installed() throws(DatapathError) -> [String] {
        let isThere = try TableReader.exists(NetfilterSocket(), family: Batch.bridgeFamily)
        return isThere ? ["nftables table bridge \(TableName.table)"] : []
    }

    private mutating func open() throws(DatapathError) -> NetfilterSocket {
        if let socket { return socket }
        let opened = try NetfilterSocket()
        socket = opened
        return opened
    }

    private func commit(_ step: Transaction, _ socket: NetfilterSocket) throws(DatapathError) {
        let sequence = socket.reserve(Batch.sequenceNumbers)
        try socket.commit(Batch(step, sequence: sequence, family: Batch.bridgeFamily))
    }

    /// ENOENT, EAFNOSUPPORT and EOPNOTSUPP: an expression or a family that the kernel lacks.
    private static let lackCodes: [Int32] = [2, 97, 95]
}
