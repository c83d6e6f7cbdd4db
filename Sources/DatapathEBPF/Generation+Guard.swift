// SPDX-License-Identifier: Apache-2.0
import BulkheadABI
import CLibBPF
import CompiledPolicy
import Datapath
import Glibc
import NetworkTypes

/// The map's key: `struct address` of bpf/parse.h.
private struct NodeAddress {
    var high: UInt64
    var low: UInt64

    init(_ address: IPAddress) {
        (high, low) = address.family == .ipv4 ? (0, UInt64(address.v4)) : (address.high, address.low)
    }
}

extension Generation {
    // MARK: Who listens

    var isListenedTo: Bool { memory.load(Self.headerWord(\.is_listened)) != 0 }

    /// Another number than before each time, so that no flow counts as reported to those who did not listen then.
    func setListening(_ isOn: Bool) {
        let last = memory.load(Self.headerWord(\.is_listened))
        memory.update(Self.headerWord(\.is_listened), isOn ? max(last &+ 1, 1) : 0)
    }

    /// The words that say how many new flows are reported: the time between two, and how far they may be ahead of it.
    private static let flowWords = [headerWord(\.flow_interval_ns), headerWord(\.flow_window_ns)]

    func setFlows(_ limit: FlowLimit?) {
        // The program reads units of 1024 ns.
        let interval = limit.map { (1_000_000_000 / $0.perSecond + 1023) / 1024 * 1024 } ?? 0
        let window = UInt64(interval) * UInt64(max(limit?.burst ?? 1, 1) - 1)
        // The window first: what reads the new interval reads the new window.
        memory.update(Self.flowWords[1], UInt32(min(window, 1 << 31)))
        memory.update(Self.flowWords[0], interval)
    }

    // MARK: The node's proxy

    /// By which marks packets on their way to and from the proxy are known. First what any of them says, then what more
    /// those from the proxy may do.
    var steeringMarks: SteeringMarks {
        get {
            let (all, from) = (
                memory.load(Self.headerWord(\.proxy_marks)), memory.load(Self.headerWord(\.from_proxy_mark))
            )
            return SteeringMarks(toProxy: all & ~from, fromProxy: from)
        }
        set {
            memory.update(Self.headerWord(\.proxy_marks), newValue.mask)
            memory.update(Self.headerWord(\.from_proxy_mark), newValue.fromProxy)
        }
    }

    // MARK: The node's own addresses

    /// Which classes are the node's own addresses, and the class that judges own addresses outside of these.
    func writeOwnClasses(_ policy: borrowing CompiledPolicy) {
        memory.update(Self.headerWord(\.own_class), policy.ownNodeClass.rawValue)
        memory.update(Self.headerWord(\.own_classes), AddressClassID.ownNodeLimit)
    }

    // MARK: Tunnels

    /// Whether tunnel packets to the node itself are dropped.
    var guardsTunnels: Bool {
        memory.load(Self.headerWord(\.tunnel_ports)) != 0 || memory.load(Self.headerWord(\.tunnel_protocols)) != 0
    }

    /// Ports and protocols of tunnels, and other nodes: first what is dropped, then for which destinations.
    func setTunnels(_ tunnels: TunnelGuard) throws(DatapathError) {
        guard tunnels.udpPorts.count <= Int(BH_TUNNEL_PORTS) else {
            throw .limit(what: "UDP ports of tunnels", limit: Int(BH_TUNNEL_PORTS))
        }
        guard tunnels.protocols.count <= Int(BH_TUNNEL_PROTOCOLS) else {
            throw .limit(what: "IP protocols of tunnels", limit: Int(BH_TUNNEL_PROTOCOLS))
        }
        try setTunnelNodes(tunnels.nodes)
        let ports = Self.filled(tunnels.udpPorts, Int(BH_TUNNEL_PORTS))
        for at in stride(from: 0, to: ports.count, by: 2) {
            memory.update(
                Self.headerWord(\.tunnel_ports) + UInt32(at / 2), UInt32(ports[at + 1]) << 16 | UInt32(ports[at]))
        }
        let protocols = Self.filled(tunnels.protocols, Int(BH_TUNNEL_PROTOCOLS))
        for at in stride(from: 0, to: protocols.count, by: 4) {
            let word = (0..<4).reduce(UInt32(0)) { $0 | UInt32(protocols[at + $1]) << UInt32(8 * $1) }
            memory.update(Self.headerWord(\.tunnel_protocols) + UInt32(at / 4), word)
        }
    }

    /// Sorted, with the last one repeated; zeros for none. Zero is never a tunnel's.
    private static func filled<Number: FixedWidthInteger>(_ numbers: Set<Number>, _ count: Int) -> [Number] {
        let sorted = numbers.filter { $0 != 0 }.sorted()
        return sorted + Array(repeating: sorted.last ?? 0, count: count - sorted.count)
    }

    private func setTunnelNodes(_ nodes: Set<IPAddress>) throws(DatapathError) {
        tunnelTargets = nodes
        _ = try writeTunnelNodes(nodes)
    }

    /// Repairs changes by others in the map of other nodes' addresses. Returns the number of changes.
    func repairTunnelNodes() throws(DatapathError) -> Int {
        guard let tunnelTargets else { return 0 }
        return try writeTunnelNodes(tunnelTargets)
    }

    /// Returns how many addresses were added or removed.
    private func writeTunnelNodes(_ nodes: Set<IPAddress>) throws(DatapathError) -> Int {
        guard nodes.count <= Int(BH_TUNNEL_NODES) else {
            throw .limit(what: "addresses of nodes", limit: Int(BH_TUNNEL_NODES))
        }
        let present = tunnelKeys()
        let wanted = Set(
            nodes.map { node in
                let key = NodeAddress(node)
                return [key.high, key.low]
            })
        let (added, removed) = (wanted.subtracting(present), present.subtracting(wanted))
        for new in added {
            var (key, one) = (new, UInt32(1))
            guard bpf_map_update_elem(tunnelNodes.raw, &key, &one, 0) == 0 else {
                throw .system(operation: "adding a node's address", code: errno, detail: "")
            }
        }
        for old in removed {
            var key = old
            guard bpf_map_delete_elem(tunnelNodes.raw, &key) == 0 || errno == ENOENT else {
                throw .system(operation: "removing a node's address", code: errno, detail: "")
            }
        }
        return added.count + removed.count
    }

    /// Both halves of each address in the map.
    private func tunnelKeys() -> Set<[UInt64]> {
        var keys: Set<[UInt64]> = []
        var next: [UInt64] = [0, 0]
        guard bpf_map_get_next_key(tunnelNodes.raw, nil, &next) == 0 else { return keys }
        repeat {
            keys.insert(next)
            let current = next
            guard bpf_map_get_next_key(tunnelNodes.raw, current, &next) == 0 else { break }
        } while keys.count <= Int(BH_TUNNEL_NODES)
        return keys
    }

    /// Takes over the guard of another set, the proxy's marks, and whether clients listen.
    func copyGuard(from old: Generation) throws(DatapathError) {
        tunnelTargets = old.tunnelTargets
        for key in old.tunnelKeys() {
            var (key, one) = (key, UInt32(1))
            guard bpf_map_update_elem(tunnelNodes.raw, &key, &one, 0) == 0 else {
                throw .system(operation: "adding a node's address", code: errno, detail: "")
            }
        }
        let first = Self.headerWord(\.tunnel_ports)
        let words = UInt32(BH_TUNNEL_PORTS) / 2 + UInt32(BH_TUNNEL_PROTOCOLS) / 4
        for word in first..<first + words { memory.update(word, old.memory.load(word)) }
        steeringMarks = old.steeringMarks
        let listened = Self.headerWord(\.is_listened)
        memory.update(listened, old.memory.load(listened))
    }

    /// New flows are reported here from now on, and no longer there: while both judge, each is reported once.
    func takeFlows(from old: Generation) {
        let interval = old.memory.load(Self.flowWords[0])
        memory.update(Self.flowWords[1], old.memory.load(Self.flowWords[1]))
        old.memory.update(Self.flowWords[0], 0)
        memory.update(Self.flowWords[0], interval)
    }
}
