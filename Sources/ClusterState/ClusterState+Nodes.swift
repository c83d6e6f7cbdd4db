// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes

/// What policy needs of a Node.
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
        if isMoved, name == nodeName { changes.ownNode = true }
    }

    mutating func removeNode(_ name: String) {
        guard let old = nodes.removeValue(forKey: name) else { return }
        releaseLabels(old.labels)
        changes.nodes = true
        if name == nodeName { changes.ownNode = true }
    }

    /// Takes in which addresses the node's own interfaces have.
    package mutating func set(localAddresses: [IPAddress]) {
        guard localAddresses != self.localAddresses else { return }
        self.localAddresses = localAddresses
        changes.ownNode = true
        changes.nodes = true
    }

    /// The addresses of all nodes whose labels match; sorted, without duplicates. The own node has those of its
    /// interfaces too: a rule about it would be no rule if the pods' gateway were left out. As long as no object tells
    /// its labels, only the empty selector matches it.
    package func nodeAddresses(matching selector: IndexedSelector) -> [IPAddress] {
        var result: Set<IPAddress> = []
        if nodes[nodeName] == nil, selector.requirements.isEmpty { result.formUnion(localAddresses) }
        for (name, node) in nodes where selector.matches(labelSets[node.labels]) {
            result.formUnion(node.addresses)
            if name == nodeName { result.formUnion(localAddresses) }
        }
        return result.sorted()
    }
}
