// SPDX-License-Identifier: Apache-2.0
import NetworkTypes

extension NetworkState {
    /// Interfaces behind which a pod, or another container, of this node is as the network alone shows it, with the
    /// addresses that lead there: routes to one address each by a device of its own, or what the other end of a bridge
    /// port has. Only pairs count whose other end is in another namespace, as pods' ends are; a tunnel could lead
    /// anywhere. The node's own addresses are none of a pod.
    public var podAddresses: [PodInterface: Set<IPAddress>] {
        let own = ownAddresses
        var found: [PodInterface: Set<IPAddress>] = [:]
        func note(_ address: IPAddress, at interface: PodInterface) {
            guard links[interface.index]?.peerNamespace != nil, !own.contains(address),
                !address.isLinkLocal
            else { return }
            found[interface, default: []].insert(address)
        }
        for destination in routes.keys where destination.isHost {
            if let interface = interface(ofPod: destination.network) { note(destination.network, at: interface) }
        }
        for (address, ports) in claimedPorts where ports.count == 1 { note(address, at: ports[0].port) }
        return found
    }

    /// Of some interfaces by name, those at whose other ends pods can be.
    public func podInterfaces(among names: [String]) -> [String] {
        let known = Set(links.values.lazy.filter { Self.podKinds.contains($0.kind) }.map(\.name))
        return names.filter { known.contains($0) }
    }
}
