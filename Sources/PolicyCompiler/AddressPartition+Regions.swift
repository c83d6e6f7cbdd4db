// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import PolicyModel

/// Questions about the whole partition, for answers over a cluster.
extension AddressPartition {
    /// The partition of all addresses that one change, the first, describes.
    package init(_ change: ResolvedChange) {
        self.init(numbering: .init())
        var step = PartitionStep()
        add(change, &step)
        update(change, &step)
        finish(&step)
    }

    /// The class of an address.
    package func addressClass(of address: IPAddress) -> UInt32 {
        if let host = hosts[address] { return units[Int(host.unit)].addressClass }
        return addressClass(ofNode: nodes.longest(address))
    }

    /// The class of the addresses whose longest node this is and that belong to no group.
    package func addressClass(ofNode node: UInt32) -> UInt32 {
        unitNumbers[UnitKey(group: Self.noGroup, node: node)].map { units[Int($0)].addressClass } ?? 0
    }

    /// Whether a class holds addresses of the own node.
    package func isOwnNode(_ addressClass: UInt32) -> Bool { isOwn(classes[Int(addressClass)].peerSets) }

    /// The set of the own node's addresses.
    package var ownNodeSet: PeerSetID? { ownNodeSets.min() }
}
