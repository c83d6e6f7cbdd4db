// SPDX-License-Identifier: Apache-2.0
import NetworkTypes

extension NetworkState {
    /// Interfaces that lead to a pod or another container of this node, as far as the network alone shows, with the
    /// addresses that lead there: routes to single addresses through a device of their own, or the addresses at the
    /// other end of a bridge port. Only pairs whose other end is in another namespace count, as pods' ends are; a
    /// tunnel could lead anywhere. The node's own addresses never belong to a pod.
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

    /// Those of the named interfaces whose other ends may belong to pods.
    public func podInterfaces(among names: [String]) -> [String] {
        let known = Set(links.values.lazy.filter { Self.podKinds.contains($0.kind) }.map(\.name))
        return names.filter { known.contains($0) }
    }
}
