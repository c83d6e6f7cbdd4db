// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes

/// The parts of a Node that policy needs.
struct NodeRecord: Sendable {
    var addresses: [IPAddress]
    /// A number of ``ClusterState/labelSets``.
    var labels: UInt32
}

extension ClusterState {
    mutating func set(_ node: Node) {
        let name = node.metadata.name
        let labels = retainLabels(node.metadata.labels)
        let old = nodes.updateValue(NodeRecord(addresses: node.addresses, labels: labels), forKey: name)
        if let old { releaseLabels(old.labels) }
        let isMoved = old?.addresses != node.addresses
        if isMoved || old?.labels != labels { changes.nodes = true }
        if isMoved { nodesRevision += 1 }
        if isMoved, name == nodeName { changes.ownNode = true }
    }

    /// Addresses of all nodes except this one.
    package var otherNodeAddresses: Set<IPAddress> {
        nodes.reduce(into: []) { if $1.key != nodeName { $0.formUnion($1.value.addresses) } }
    }

    mutating func removeNode(_ name: String) {
        guard let old = nodes.removeValue(forKey: name) else { return }
        releaseLabels(old.labels)
        nodesRevision += 1
        changes.nodes = true
        if name == nodeName { changes.ownNode = true }
    }

    /// The addresses of all nodes whose labels match; sorted, without duplicates. The own node has everything that it
    /// delivers to itself: a rule about it would be useless without the pods' gateway. Until an object gives its
    /// labels, only the empty selector matches it.
    package func nodeAddresses(matching selector: IndexedSelector) -> [CIDR] {
        var result: Set<CIDR> = []
        if nodes[nodeName] == nil, selector.requirements.isEmpty { result.formUnion(local.prefixes) }
        for (name, node) in nodes where selector.matches(labelSets[node.labels]) {
            result.formUnion(node.addresses.map(CIDR.init(host:)))
            if name == nodeName { result.formUnion(local.prefixes) }
        }
        return result.sorted()
    }
}
