// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import PolicyModel

/// How many objects the state holds.
public struct ClusterCounts: Sendable, Hashable {
    public var pods = 0
    public var podGroups = 0
    public var namespaces = 0
    public var nodes = 0
    public var policies = 0
    public init() {}
}

extension ClusterState {
    public var counts: ClusterCounts {
        var counts = ClusterCounts()
        counts.pods = podNumbers.count
        counts.podGroups = groupNumbers.count
        counts.namespaces = namespaceNumbers.count
        counts.nodes = nodes.count
        counts.policies = policyNumbers.count
        return counts
    }

    /// A pod's addresses, sorted: none once it is Succeeded or Failed. Nil: no such pod.
    public func addresses(ofPod name: EndpointName) -> [IPAddress]? {
        guard let namespace = namespaceNumbers[name.namespace],
            let number = podNumbers[ScopedName(namespace: namespace, name: name.name)]
        else { return nil }
        return pods[Int(number)].isFinished ? [] : pods[Int(number)].addresses
    }

    /// The pod that owns an address.
    public func pod(owning address: IPAddress) -> EndpointName? { owners[address].map { endpointName(ofPod: $0) } }

    /// A Node object's addresses, in its order. Nil: no such node.
    public func addresses(ofNode name: String) -> [IPAddress]? { nodes[name]?.addresses }

    /// The node whose object has an address. Nil: no object of a node has it.
    public func node(withAddress address: IPAddress) -> String? {
        nodes.first { $0.value.addresses.contains(address) }?.key
    }

    /// Names of all Node objects, in order.
    public var nodeNames: [String] { nodes.keys.sorted() }

    /// All policies, in order.
    public var policyReferences: [PolicyReference] { policyNumbers.keys.sorted() }
}
