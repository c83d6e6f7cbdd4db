// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import PolicyModel

/// How many objects the state has.
public struct ClusterCounts: Sendable, Hashable {
    public var pods = 0
    /// Unknown pods are one more group.
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

    /// The addresses that a pod claims, sorted: none once it is Succeeded or Failed. Nil if there is no such pod. The
    /// name is that of answers, also for an unknown pod.
    public func addresses(ofPod name: EndpointName) -> [IPAddress]? {
        guard let number = number(ofPod: name) ?? number(ofUnknownShownAs: name) else { return nil }
        return pods[Int(number)].isFinished ? [] : pods[Int(number)].addresses
    }

    /// A Node object's addresses, in its order. Nil if there is no such node.
    public func addresses(ofNode name: String) -> [IPAddress]? { nodes[name]?.addresses }

    /// The node whose object has an address. Nil if there is none.
    public func node(withAddress address: IPAddress) -> String? {
        nodes.first { $0.value.addresses.contains(address) }?.key
    }

    /// Names of all Node objects, in order.
    public var nodeNames: [String] { nodes.keys.sorted() }

    /// All policies, in order.
    public var policyReferences: [PolicyReference] { policyNumbers.keys.sorted() }
}

extension ClusterState {
    /// A policy by its name; nil if there is none.
    package func policy(_ reference: PolicyReference) -> PolicyRecord? {
        policyNumbers[reference].flatMap { policies[Int($0)] }
    }
}
