// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes

/// SEMANTICS.md written down as slow and obvious code: what one node decides about one flow. It shares nothing with
/// the compiler, indexes nothing but the owners of addresses, and walks all policies for every question.
public struct Oracle: Sendable {
    public let nodeName: String
    let policies: [NetworkPolicy]
    /// By name; a namespace that has no object is not here.
    let namespaces: [String: Namespace]
    /// The pod that each pod address belongs to, on whatever node.
    let owners: [IPAddress: Pod]
    /// Addresses of this node.
    let ownNode: Set<IPAddress>

    /// Of several objects with one kind, namespace and name, the last counts.
    public init(objects: [KubernetesObject], nodeName: String) {
        var latest: [ObjectKey: KubernetesObject] = [:]
        for object in objects { latest[object.key] = object }

        var pods: [Pod] = []
        var policies: [NetworkPolicy] = []
        var namespaces: [String: Namespace] = [:]
        var ownNode: Set<IPAddress> = []
        for object in latest.values {
            switch object {
            case .pod(let pod):
                pods.append(pod)
                if pod.nodeName == nodeName { ownNode.formUnion(pod.hostIPs) }
            case .networkPolicy(let policy): policies.append(policy)
            case .namespace(let namespace): namespaces[namespace.metadata.name] = namespace
            case .node(let node): if node.metadata.name == nodeName { ownNode.formUnion(node.addresses) }
            }
        }

        self.nodeName = nodeName
        self.policies = policies
        self.namespaces = namespaces
        self.ownNode = ownNode
        self.owners = Self.owners(of: pods)
    }

    /// Host network pods have their node's addresses, finished pods have none. Of two pods that claim one address,
    /// the younger owns it; equally old: the greater namespace, then name.
    private static func owners(of pods: [Pod]) -> [IPAddress: Pod] {
        var owners: [IPAddress: Pod] = [:]
        for pod in pods where !pod.hostNetwork && pod.phase != .succeeded && pod.phase != .failed {
            for address in pod.podIPs {
                if let rival = owners[address], age(of: rival) > age(of: pod) { continue }
                owners[address] = pod
            }
        }
        return owners
    }

    private static func age(of pod: Pod) -> (Int64, String, String) {
        (pod.metadata.createdAt, pod.metadata.namespace, pod.metadata.name)
    }

    /// May `flow.source` reach `flow.destination` with this protocol and port, as far as this node decides it?
    public func verdict(_ flow: Flow) -> OracleVerdict {
        answer(source: flow.source, destination: flow.destination) { pod, direction in
            decide(pod, direction, flow)
        }
    }

    /// The answer for a packet whose transport header cannot be found.
    public func verdictWithoutTransport(source: IPAddress, destination: IPAddress) -> OracleVerdict {
        answer(source: source, destination: destination) { pod, direction in
            let other = direction == .egress ? destination : source
            if ownNode.contains(other) { return .ownNode }
            return selecting(pod, direction).isEmpty ? .noPolicy : .noTransportHeader
        }
    }

    private func answer(
        source: IPAddress, destination: IPAddress, decide: (Pod, PolicyType) -> OracleCause
    ) -> OracleVerdict {
        var result = OracleVerdict()
        let sourcePod = owners[source]
        let destinationPod = owners[destination]
        let isSelf = sourcePod.map { name(of: $0) == destinationPod.map(name(of:)) } ?? false
        if let sourcePod, sourcePod.nodeName == nodeName {
            result.egressCause = isSelf ? .itself : decide(sourcePod, .egress)
        }
        if let destinationPod, destinationPod.nodeName == nodeName {
            result.ingressCause = isSelf ? .itself : decide(destinationPod, .ingress)
        }
        return result
    }

    private func name(of pod: Pod) -> ObjectKey { KubernetesObject.pod(pod).key }

    /// One pod, one direction: the first tier that decides, else allow.
    private func decide(_ pod: Pod, _ direction: PolicyType, _ flow: Flow) -> OracleCause {
        // From the own node: whatever the policies. To the own node: a matter of each tier.
        if direction == .ingress, ownNode.contains(flow.source) { return .ownNode }
        if let decided = networkPolicyTier(pod, direction, flow) { return decided }
        return .noPolicy
    }
}
