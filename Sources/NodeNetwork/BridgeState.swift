// SPDX-License-Identifier: Apache-2.0
import NetworkTypes

/// What is known of who is behind the ports of the node's bridges.
public struct BridgeState: Sendable, Hashable {
    /// By port: the addresses that the other end of the pair has in its own namespace.
    public internal(set) var peerAddresses: [UInt32: Set<IPAddress>] = [:]
    /// By bridge and address: the hardware address that the node uses for it.
    public internal(set) var neighbours: [LinkedAddress: UInt64] = [:]
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
        peerAddresses[link] = nil
        neighbours = neighbours.filter { $0.key.bridge != link }
        ports = ports.filter { $0.key.bridge != link && $0.value != link }
    }
}

/// The bridge port by which a pod's packets come in.
public struct BridgePort: Sendable, Hashable {
    public var port: PodInterface
    /// The bridge device: what later hooks take to be the device by which the packet came.
    public var bridge: PodInterface
    public init(port: PodInterface, bridge: PodInterface) {
        self.port = port
        self.bridge = bridge
    }
}

extension NetworkState {
    /// The bridge port behind which the pod with this address is.
    ///
    /// The other end of the port's pair has the address in its own namespace: no packet that a pod sends changes that.
    /// Where the other ends cannot be asked (a sandbox's tunnel), the neighbour's hardware address and the bridge's
    /// forwarding table tell the port, which a pod could mislead; so a port whose addresses are known is never found
    /// that way. Nil where none, or more than one, is behind.
    public func bridgePort(ofPod address: IPAddress) -> BridgePort? {
        bridgePort(ofPod: address, claims: bridges.peerAddresses.filter { $0.value.contains(address) }.map(\.key))
    }

    /// The port of every address that is behind one: ``bridgePort(ofPod:)`` for all at once.
    public var bridgePorts: [IPAddress: BridgePort] {
        var claims: [IPAddress: [UInt32]] = [:]
        for (port, addresses) in bridges.peerAddresses {
            for address in addresses { claims[address, default: []].append(port) }
        }
        for key in bridges.neighbours.keys { claims[key.address, default: []] += [] }
        var found: [IPAddress: BridgePort] = [:]
        for (address, ports) in claims { found[address] = bridgePort(ofPod: address, claims: ports) }
        return found
    }

    private func bridgePort(ofPod address: IPAddress, claims: [UInt32]) -> BridgePort? {
        let claims = claims.compactMap { bridgePort($0) }
        if !claims.isEmpty { return claims.count == 1 ? claims[0] : nil }
        // Bridges are few, so this does not look at every neighbour.
        let bridgeLinks = Set(bridges.ports.keys.map(\.bridge))
        let learned = bridgeLinks.compactMap { bridge -> BridgePort? in
            guard let hardware = bridges.neighbours[.init(bridge: bridge, address: address)],
                let port = bridges.ports[.init(bridge: bridge, hardware: hardware)],
                bridges.peerAddresses[port, default: []].isEmpty
            else { return nil }
            return bridgePort(port)
        }
        return learned.count == 1 ? learned[0] : nil
    }

    /// The device as a bridge port behind which a pod can be.
    private func bridgePort(_ index: UInt32) -> BridgePort? {
        guard let link = links[index], link.isUp, Self.podKinds.contains(link.kind),
            let bridge = links[link.master], bridge.kind == Self.bridgeKind
        else { return nil }
        return BridgePort(
            port: PodInterface(index: index, name: link.name),
            bridge: PodInterface(index: bridge.index, name: bridge.name))
    }

    private static let bridgeKind = "bridge"

    /// By number of the namespace: the ports whose other ends are there, by their other ends' indices.
    var portsByPeer: [Int32: [UInt32: UInt32]] {
        var ports: [Int32: [UInt32: UInt32]] = [:]
        for link in links.values where links[link.master]?.kind == Self.bridgeKind {
            guard let namespace = link.peerNamespace, link.peerIndex != 0 else { continue }
            ports[namespace, default: [:]][link.peerIndex] = link.index
        }
        return ports
    }

    mutating func applyToBridges(_ message: NetworkMessage) -> Effect {
        let before = bridges
        switch message {
        case .peerAddress(let namespace, let address): note(address, in: namespace)
        case .neighbour(let neighbour):
            // Others are not needed, and each of them would be told of.
            guard links[neighbour.link]?.kind == Self.bridgeKind else { return .unchanged }
            bridges.neighbours[.init(bridge: neighbour.link, address: neighbour.address)] = neighbour.hardware
        case .neighbourRemoved(let neighbour):
            bridges.neighbours[.init(bridge: neighbour.link, address: neighbour.address)] = nil
        case .forwarding(let entry):
            bridges.ports[.init(bridge: entry.bridge, hardware: entry.hardware)] = entry.port
        case .forwardingRemoved(let entry):
            let key = BridgeState.LinkedHardware(bridge: entry.bridge, hardware: entry.hardware)
            // The address may have moved to another port before this was told.
            if bridges.ports[key] == entry.port { bridges.ports[key] = nil }
        default: break
        }
        return bridges == before ? .unchanged : .changed
    }

    private mutating func note(_ address: LinkAddress, in namespace: Int32) {
        guard !Self.linkLocal.contains(address.address) else { return }
        for link in links.values where link.peerNamespace == namespace && link.peerIndex == address.link {
            bridges.peerAddresses[link.index, default: []].insert(address.address)
        }
    }
}
