// SPDX-License-Identifier: Apache-2.0
import NetworkTypes

extension PodPlaces {
    /// More link-local addresses than an interface has.
    private static let linkLocalLimit = 8

    /// Updates the hardware and link-local addresses at the far ends of bound ports, unless they belong to someone
    /// else. A pod that takes another's address keeps its previous one.
    mutating func updateFarEnds(_ network: NetworkState) {
        for index in owners.keys.sorted() {
            guard let port = network.bridgePort(index) else { continue }
            let peer = network.peers[index] ?? LinkPeer()
            let hardware = peer.hardware != 0 ? peer.hardware : network.learned(index).hardware
            let others = Others(of: index, on: port.bridge.index, owners, network)
            if hardware != 0, !others.hardware.contains(hardware) { owners[index]!.hardware = hardware }
            var own = peer.linkLocal.subtracting(others.addresses).sorted().prefix(Self.linkLocalLimit)
            // The address derived from the hardware address is known even if the far end reveals nothing.
            let known = owners[index]!.hardware
            if known != 0 { own.append(.linkLocal(of: known)) }
            owners[index]!.linkLocal = Set(own)
        }
    }

    /// What a port may not have: it belongs to another pod on the bridge, or to the node.
    private struct Others {
        var hardware: Set<UInt64> = []
        var addresses: Set<IPAddress> = []

        init(of index: UInt32, on bridge: UInt32, _ owners: [UInt32: Owner], _ network: NetworkState) {
            for (other, owner) in owners where other != index && network.links[other]?.master == bridge {
                hardware.insert(owner.hardware)
                addresses.formUnion(owner.linkLocal)
            }
            for link in network.links.values where link.index == bridge || link.master == bridge {
                hardware.insert(link.hardware)
            }
            for own in network.addresses where own.address.isLinkLocal { addresses.insert(own.address) }
            addresses.insert(Self.metadata)
        }

        /// Where clouds serve instance metadata: it never belongs to a pod.
        private static let metadata = IPAddress(v4: 0xa9fe_a9fe)
    }
}

extension NetworkState {
    /// The node's own addresses at the bridges of these ports: no port may send from them.
    public func bridgeEnds(of ports: some Sequence<UInt32>) -> (hardware: Set<UInt64>, addresses: Set<IPAddress>) {
        let bridges = Set(ports.compactMap { links[$0]?.master })
        let hardware = bridges.compactMap { links[$0]?.hardware }.filter { $0 != 0 }
        let addresses = addresses.lazy.filter { bridges.contains($0.link) }.map(\.address)
        return (Set(hardware), Set(addresses))
    }

    /// The bridges with these indices, and all of their ports.
    public func bridges(of indices: some Sequence<UInt32>) -> [(bridge: Link, ports: Set<UInt32>)] {
        Set(indices).sorted().compactMap { index in
            links[index].map { bridge in
                (bridge, Set(links.values.lazy.filter { $0.master == index }.map(\.index)))
            }
        }
    }

    /// Every port of every bridge.
    public var allBridgePorts: Set<UInt32> {
        Set(links.values.lazy.filter { self.bridge(of: $0) != nil }.map(\.index))
    }
}
