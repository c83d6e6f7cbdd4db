// SPDX-License-Identifier: Apache-2.0
import KernelErrors
import Netfilter
import NetworkTypes

/// The guard of bridge ports, for either datapath: one table `bridge bulkhead` in the network namespace of the thread
/// that calls ``set(_:)``. The table keeps checking when this value or the process is gone; ``uninstall()`` removes it,
/// and ``repair()`` repairs it.
public struct BridgeSourceCheck: ~Copyable {
    private var socket: NetfilterSocket?
    private var table = KeptTable(BridgeTable.identity)

    /// Nothing is opened yet.
    public init() {}

    /// Programs the kernel: what may enter through these ports, and through all others. All or nothing; a table of an
    /// earlier run is replaced in the same step.
    public mutating func set(_ ports: BridgePorts) throws(KernelError) {
        let socket = try open()
        if table.contents == nil, ports.pods.isEmpty { return try table.remove(socket) }
        do throws(KernelError) {
            try table.set(BridgeTable(ports: ports).contents, socket)
        } catch {
            throw Self.explained(error)
        }
    }

    /// The error with what a kernel lacks.
    private static func explained(_ error: KernelError) -> KernelError {
        guard let lack = error.lack else { return error }
        return .unsupported(
            what: "nftables for bridges, to \(lack.operation) (errno \(lack.code))",
            remedy: "a kernel with NF_TABLES_BRIDGE; until then pods behind a bridge can send from any address")
    }

    /// Repairs what others have changed in the table, or removed. Takes microseconds if no process has changed the
    /// ruleset of this network namespace.
    ///
    /// - Returns: whether something was repaired.
    public mutating func repair() throws(KernelError) -> Bool {
        guard let socket else { return false }
        do throws(KernelError) {
            return try table.repair(socket)
        } catch {
            throw Self.explained(error)
        }
    }

    /// What an earlier run had bound: addresses and hardware addresses by port. Empty if there is no such table.
    public static func adopted() throws(KernelError) -> [UInt32: BridgePorts.Pod] {
        let reader = TableReader(BridgeTable.identity, try NetfilterSocket())
        guard let found = try reader.read() else { return [:] }
        var pods: [UInt32: BridgePorts.Pod] = [:]
        for set in BridgeTable(ports: BridgePorts()).bindings where found.sets[set.name] == set.fingerprint {
            guard case .elements(let elements) = try reader.members(of: set) else { continue }
            for key in elements.lazy.map(\.key) where key.count > 4 {
                let port = key.prefix(4).withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) }
                let value = key.dropFirst(4)
                if let address = set.fields[1] == .hardwareSource ? nil : IPAddress(networkBytes: value) {
                    pods[port, default: .init(addresses: [])].addresses.insert(address)
                } else {
                    pods[port, default: .init(addresses: [])].hardware = value.prefix(6).reduce(0) {
                        $0 << 8 | UInt64($1)
                    }
                }
            }
        }
        return pods.filter { !$0.value.addresses.isEmpty }
    }

    /// Dropped frames; 0 if there is no table.
    public func dropped() throws(KernelError) -> UInt64 {
        guard table.contents != nil, let socket else { return 0 }
        let objects = try TableReader(BridgeTable.identity, socket).objects()
        return objects.first { $0.0 == BridgeTable.Name.spoofed }?.1.counter.packets ?? 0
    }

    /// Removes the table from the network namespace of the calling thread.
    ///
    /// - Returns: what was removed, by name; empty if there was nothing.
    @discardableResult public static func uninstall() throws(KernelError) -> [String] {
        let installed = try installed()
        try BridgeTable.identity.remove(NetfilterSocket())
        return installed
    }

    /// What is in the kernel: the table's name, or nothing.
    public static func installed() throws(KernelError) -> [String] {
        let isThere = try TableReader(BridgeTable.identity, NetfilterSocket()).exists()
        return isThere ? ["nftables table \(BridgeTable.identity)"] : []
    }

    private mutating func open() throws(KernelError) -> NetfilterSocket {
        if let socket { return socket }
        let opened = try NetfilterSocket()
        socket = opened
        return opened
    }
}
