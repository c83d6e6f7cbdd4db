// SPDX-License-Identifier: Apache-2.0
import Datapath
import NetworkTypes

/// The check of source addresses by bridge port, for either datapath: one table `bridge bulkhead` in the network
/// namespace of the thread that calls ``set(_:)``. It goes on checking when this value, or the process, is gone;
/// ``uninstall()`` removes it.
public struct BridgeSourceCheck: ~Copyable {
    private var socket: NetfilterSocket?
    private var ports: [UInt32: Set<IPAddress>] = [:]
    /// Whether the table is known to be there and ours.
    private var isMade = false

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
            try Self.remove(socket)
            return
        }
        let table = BridgeTable(ports: ports)
        if isMade {
            var step = Transaction()
            step.emptiedSets = table.podSets.map(\.shape)
            step.addedMembers = table.podSets.filter { !$0.members.isEmpty }
            do {
                try commit(step, socket)
                self.ports = ports
                return
            } catch {
                // Somebody else changed the table: it is made anew.
                isMade = false
            }
        }
        do {
            try commit(Transaction(replacing: table.contents), socket)
        } catch .system(let operation, let code, _) where Self.lackCodes.contains(code) {
            throw .unsupported(
                what: "nftables for bridges, to \(operation) (errno \(code))",
                remedy: "a kernel with NF_TABLES_BRIDGE; until then pods behind a bridge can send from any address")
        }
        self.ports = ports
        isMade = true
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
        try remove(NetfilterSocket())
        return installed
    }

    /// What is in the kernel: the table's name, or nothing.
    public static func installed() throws(DatapathError) -> [String] {
        let isThere = try TableReader.exists(NetfilterSocket(), family: Batch.bridgeFamily)
        return isThere ? ["nftables table bridge \(TableName.table)"] : []
    }

    private static func remove(_ socket: NetfilterSocket) throws(DatapathError) {
        guard try TableReader.exists(socket, family: Batch.bridgeFamily) else { return }
        var batch = Batch(sequence: socket.reserve(2), family: Batch.bridgeFamily)
        batch.removeTable()
        batch.finish()
        try socket.commit(batch)
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
