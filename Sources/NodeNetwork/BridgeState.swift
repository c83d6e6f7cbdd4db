// SPDX-License-Identifier: Apache-2.0
import NetworkTypes

/// What the node's bridges have learned about the hosts behind their ports.
public struct BridgeState: Sendable, Hashable {
    /// By bridge and address: the hardware address that the node uses for it.
    public internal(set) var neighbors: [LinkedAddress: UInt64] = [:]
    /// By bridge and hardware address: the port.
    public internal(set) var ports: [LinkedHardware: UInt32] = [:]

    public struct LinkedAddress: Sendable, Hashable {
        public var bridge: UInt32
        public var address: IPAddress
    }
    public struct LinkedHardware: Sendable, Hashable {
        public var bridge: UInt32
        public var hardware: UInt64
    }

    mutating func forget(_ link: UInt32) {
        neighbors = neighbors.filter { $0.key.bridge != link }
        ports = ports.filter { $0.key.bridge != link && $0.value != link }
    }
}

/// The bridge port through which a pod's packets come in.
public struct BridgePort: Sendable, Hashable {
    public var port: PodInterface
    /// The bridge device, which later hooks see as the input device.
    public var bridge: PodInterface
    public init(port: PodInterface, bridge: PodInterface) {
        self.port = port
        self.bridge = bridge
    }
}

extension NetworkState {
    static let bridgeKind = "bridge"

    /// The bridge to which the device belongs as a port.
    func bridge(of link: Link) -> Link? {
        guard let bridge = links[link.master], bridge.kind == Self.bridgeKind else { return nil }
        return bridge
    }

    /// The device as a bridge port that a pod can be behind.
    func bridgePort(_ index: UInt32) -> BridgePort? {
        guard let link = links[index], Self.podKinds.contains(link.kind), let bridge = bridge(of: link) else {
            return nil
        }
        return BridgePort(
            port: PodInterface(index: index, name: link.name),
            bridge: PodInterface(index: bridge.index, name: bridge.name))
    }

    /// Ports whose other end reveals nothing: it cannot be queried, or keeps its addresses elsewhere.
    var silentPorts: [UInt32] {
        links.keys.filter { bridgePort($0) != nil && peers[$0]?.addresses.isEmpty ?? true }
    }

    /// What the bridges have learned about the host behind a silent port. A pod could mislead them, so this counts only
    /// if nothing else is known.
    func learned(_ port: UInt32) -> LinkPeer {
        guard peers[port]?.addresses.isEmpty ?? true, let bridge = links[port]?.master else { return LinkPeer() }
        let hardware = Set(bridges.ports.lazy.filter { $0.value == port }.map(\.key.hardware))
        let addresses = bridges.neighbors.lazy
            .filter { $0.key.bridge == bridge && hardware.contains($0.value) && !$0.key.address.isLinkLocal }
            .map(\.key.address)
        return LinkPeer(addresses: Set(addresses), hardware: hardware.count == 1 ? hardware.first! : 0)
    }

    /// The ports that lead to each address, by the other ends or otherwise by the bridges.
    var claimedPorts: [IPAddress: [BridgePort]] {
        var claims: [IPAddress: [BridgePort]] = [:]
        for index in links.keys {
            guard let port = bridgePort(index) else { continue }
            let known = peers[index]?.addresses ?? []
            for address in known.isEmpty ? learned(index).addresses : known {
                claims[address, default: []].append(port)
            }
        }
        return claims
    }

    mutating func observeBridges(_ message: NetworkMessage) -> Effect {
        let before = bridges
        switch message {
        case .neighbor(let neighbor):
            // Other neighbors are not needed, and each of them would cause a notification.
            guard links[neighbor.link]?.kind == Self.bridgeKind else { return .unchanged }
            bridges.neighbors[.init(bridge: neighbor.link, address: neighbor.address)] = neighbor.hardware
        case .neighborRemoved(let neighbor):
            bridges.neighbors[.init(bridge: neighbor.link, address: neighbor.address)] = nil
        case .forwarding(let entry):
            bridges.ports[.init(bridge: entry.bridge, hardware: entry.hardware)] = entry.port
        case .forwardingRemoved(let entry):
            let key = BridgeState.LinkedHardware(bridge: entry.bridge, hardware: entry.hardware)
            // The address may have moved to another port before this notification.
            if bridges.ports[key] == entry.port { bridges.ports[key] = nil }
        default: break
        }
        return bridges == before ? .unchanged : .changed
    }
}
