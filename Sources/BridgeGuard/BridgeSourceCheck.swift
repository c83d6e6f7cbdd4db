// SPDX-License-Identifier: Apache-2.0
import KernelErrors
import Netfilter
import NetworkTypes

/// The guard of bridge ports, for either datapath: one table `bridge bulkhead` in the network namespace of the thread
/// that calls ``set(_:)``. The table keeps checking when this value or the process is gone; ``uninstall()`` removes it,
/// and ``repair()`` repairs it.
public struct BridgeSourceCheck: ~Copyable {
    private var socket: NetfilterSocket?
    /// What the kernel was given last; nil: it must be given everything.
    private var contents: TableContents?
    /// The ruleset's generation when the table was last known to be unchanged.
    private var generation: UInt32?

    /// Nothing is opened yet.
    public init() {}

    /// Programs the kernel: what may enter through these ports, and through all others. All or nothing; a table of an
    /// earlier run is replaced in the same step.
    public mutating func set(_ ports: BridgePorts) throws(KernelError) {
        if contents == nil, ports.pods.isEmpty {
            try BridgeTable.identity.remove(open())
            return
        }
        try set(BridgeTable(ports: ports).contents)
    }

    private mutating func set(_ wanted: TableContents) throws(KernelError) {
        let socket = try open()
        if let contents {
            let step = Transaction(from: contents, to: wanted)
            if step.isEmpty { return }
            generation = nil
            do {
                try socket.commit(step, to: BridgeTable.identity)
                self.contents = wanted
                return
            } catch {
                // Another program changed the table: it is written from scratch.
                self.contents = nil
            }
        }
        generation = nil
        do throws(KernelError) {
            try socket.commit(Transaction(replacing: wanted), to: BridgeTable.identity)
        } catch {
            guard let lack = error.lack else { throw error }
            throw .unsupported(
                what: "nftables for bridges, to \(lack.operation) (errno \(lack.code))",
                remedy: "a kernel with NF_TABLES_BRIDGE; until then pods behind a bridge can send from any address")
        }
        contents = wanted
    }

    /// Repairs what others have changed in the table, or removed. Takes microseconds if no process has changed the
    /// ruleset of this network namespace.
    ///
    /// - Returns: whether something was repaired.
    public mutating func repair() throws(KernelError) -> Bool {
        guard let contents, let socket else { return false }
        let now = try TableReader.generation(socket)
        guard now != generation else { return false }
        let kernel = try TableReader(BridgeTable.identity, socket).read()
        let difference = try Transaction.difference(from: kernel, to: contents, socket)
        if difference.isEmpty {
            generation = now
            return false
        }
        self.contents = nil
        try set(contents)
        return true
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
        guard contents != nil, let socket else { return 0 }
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
