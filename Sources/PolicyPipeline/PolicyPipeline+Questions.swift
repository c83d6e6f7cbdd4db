// SPDX-License-Identifier: Apache-2.0
import ClusterState
import CompiledPolicy
import KubernetesObjects
import NetworkTypes
import PolicyCompiler
import PolicyModel
import PolicyResolver

/// Sizes of all stages, for status and metrics.
public struct PipelineStatistics: Sendable, Hashable {
    public var cluster = ClusterCounts()
    public var localEndpoints = 0
    public var peerSets = 0
    public var addressClasses = 0
    public var addressEntries = 0
    public var portClasses = 0
    public var rules = 0
    public var programs = 0
    public var programsOverLimit = 0
    public var cells = 0
    public var endpointsOverLimit = 0
}

extension PolicyPipeline {
    /// All local endpoints with the policies that isolate them, ordered by name.
    public var localEndpoints: [LocalEndpointSummary] { resolver.localEndpoints }

    /// Every policy with the local endpoints that it selects, ordered by name; empty if it selects none here.
    public var policySelections: [PolicyReference: [EndpointName]] {
        var result = resolver.policySelections
        for reference in state.policyReferences where result[reference] == nil { result[reference] = [] }
        return result
    }

    /// A pod's addresses anywhere in the cluster; none once it has finished. Nil if there is no such pod or pushed
    /// endpoint.
    public func addresses(ofPod name: EndpointName) -> [IPAddress]? {
        state.addresses(ofPod: name) ?? resolver.addresses(ofPushed: name)
    }

    /// The pod, anywhere in the cluster, that owns an address.
    public func pod(owning address: IPAddress) -> EndpointName? { state.pod(owning: address) }

    /// The pod of this node with a UID, or the mirror of the static pod that is attached with it, if its object is
    /// known.
    public func localPod(withUID uid: String) -> EndpointName? { state.localPod(withUID: uid) }

    /// A Node object's addresses. Nil if there is no such node.
    public func addresses(ofNode name: String) -> [IPAddress]? { state.addresses(ofNode: name) }

    /// A pod anywhere in the cluster, as policy sees it. Nil if there is no such pod.
    public func object(ofPod name: EndpointName) -> Pod? { state.object(ofPod: name) }

    /// Whether a pod is known and of this node.
    public func isLocal(_ name: EndpointName) -> Bool { state.isLocal(name) }

    /// Everything that verdicts about pods need, as objects: the pods, their namespaces, all nodes; without policies.
    public func objects(about pods: [EndpointName]) -> [KubernetesObject] {
        Set(pods).sorted().compactMap { state.object(ofPod: $0) }.map { .pod($0) }
            + Set(pods.map(\.namespace)).sorted().compactMap { state.object(ofNamespace: $0) }.map { .namespace($0) }
            + state.nodeObjects.map { .node($0) }
    }

    /// Pods that a wrong name was probably meant for, most likely first.
    public func pods(like name: EndpointName) -> [EndpointName] { state.pods(like: name) }

    /// The node whose object has an address. Nil if there is none.
    public func node(withAddress address: IPAddress) -> String? { state.node(withAddress: address) }

    /// The number of endpoints for pods that only an interface shows.
    public var unknownEndpointCount: Int { state.unknownEndpointCount }

    /// Names of all Node objects, in order.
    public var nodeNames: [String] { state.nodeNames }

    /// Local endpoints for which the tables have no room and that they do not protect; sorted.
    public var endpointsOverLimit: [EndpointName] { compiled.endpointsOverLimit }

    /// Addresses of the cluster's other nodes.
    public var otherNodeAddresses: Set<IPAddress> { state.otherNodeAddresses }

    /// Changes with ``otherNodeAddresses``.
    public var nodesRevision: UInt64 { state.nodesRevision }

    public var statistics: PipelineStatistics {
        var result = PipelineStatistics()
        result.cluster = state.counts
        result.localEndpoints = resolver.localEndpointCount
        result.peerSets = resolver.peerSetCount
        result.addressClasses = compiled.addressClasses.count
        result.addressEntries = compiled.addresses.hosts.count + compiled.addresses.prefixes.count
        result.portClasses = compiler.portClassCount
        result.rules = compiled.rules.count
        result.programs = compiled.programs.count
        result.programsOverLimit = compiled.programsOverLimit.count
        result.cells = compiled.programs.values.reduce(0) { $0 + $1.cells.count }
        result.endpointsOverLimit = compiled.endpointsOverLimit.count
        return result
    }
}
