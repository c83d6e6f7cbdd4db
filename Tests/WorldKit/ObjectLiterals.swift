// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import PolicyModel

// The one way to write an object in a test that is not a manifest: an initializer with a name first makes the object,
// a function of the same parameters makes the event that sets it. A name without a namespace is one in `shop`.

extension ObjectMeta {
    /// The metadata of "namespace/name", or of a name in `shop`.
    public init(
        namespaced name: String, uid: String = "", labels: [String: String] = [:], createdAt: Int64 = 0
    ) {
        let parts = name.split(separator: "/", maxSplits: 1).map(String.init)
        self.init(
            name: parts.last ?? "", namespace: parts.count > 1 ? parts[0] : "shop", uid: uid, labels: labels,
            createdAt: createdAt)
    }
}

extension Pod {
    /// A pod of node `n1`, or of `node`.
    public init(
        _ name: String, _ labels: [String: String] = [:], _ addresses: [String] = [], node: String = "n1",
        ports: [NamedPort] = [], phase: PodPhase = .running, hostNetwork: Bool = false, uid: String = "",
        createdAt: Int64 = 0, staticUID: String = ""
    ) {
        self.init(
            metadata: ObjectMeta(namespaced: name, uid: uid, labels: labels, createdAt: createdAt), nodeName: node,
            hostNetwork: hostNetwork, namedPorts: ports.sorted(), phase: phase, podIPs: addresses.map { address($0) },
            staticUID: staticUID)
    }
}

extension Namespace {
    /// A namespace with these labels and, as the API server sets it, the label of its name.
    public init(_ name: String, _ labels: [String: String] = [:]) {
        self.init(metadata: ObjectMeta(name: name, labels: labels.merging([Namespace.nameLabel: name]) { $1 }))
    }
}

extension Node {
    /// A node with these labels and addresses.
    public init(_ name: String, _ addresses: [String] = [], labels: [String: String] = [:]) {
        self.init(metadata: ObjectMeta(name: name, labels: labels), addresses: addresses.map { address($0) })
    }
}

extension NetworkPolicy {
    /// A policy for all pods of its namespace, or for those that `selects` names.
    public init(
        _ name: String, selects labels: [String: String] = [:], _ types: Set<PolicyType>,
        ingress: [NetworkPolicyRule] = [], egress: [NetworkPolicyRule] = []
    ) {
        self.init(
            metadata: ObjectMeta(namespaced: name), podSelector: .labels(labels), policyTypes: types, ingress: ingress,
            egress: egress)
    }
}

extension TierPolicy {
    /// A policy for all pods, or for `subject`.
    public init(
        _ name: String, _ tier: Tier = .admin, _ priority: Int32 = 10, kind: Kind = .clusterNetworkPolicy,
        subject: PodSelection = everyPod(), ingress: [TierRule] = [], egress: [TierRule] = [],
        enforcement: Enforcement = .enforce
    ) {
        self.init(
            kind: kind, metadata: ObjectMeta(name: name), tier: tier, priority: priority, subject: subject,
            ingress: ingress, egress: egress, enforcement: enforcement)
    }
}

/// The event that sets a ``KubernetesObjects/Pod``.
public func pod(
    _ name: String, _ labels: [String: String] = [:], _ addresses: String..., node: String = "n1",
    ports: [NamedPort] = [], phase: PodPhase = .running, hostNetwork: Bool = false, uid: String = "",
    createdAt: Int64 = 0, staticUID: String = ""
) -> ObjectEvent {
    .set(
        .pod(
            Pod(
                name, labels, addresses, node: node, ports: ports, phase: phase, hostNetwork: hostNetwork, uid: uid,
                createdAt: createdAt, staticUID: staticUID)))
}

/// The event that sets a ``KubernetesObjects/Namespace``.
public func namespace(_ name: String, _ labels: [String: String] = [:]) -> ObjectEvent {
    .set(.namespace(Namespace(name, labels)))
}

/// The event that sets a ``KubernetesObjects/Node``.
public func node(_ name: String, _ addresses: String..., labels: [String: String] = [:]) -> ObjectEvent {
    .set(.node(Node(name, addresses, labels: labels)))
}

/// The event that sets a ``KubernetesObjects/NetworkPolicy``.
public func policy(
    _ name: String, selects labels: [String: String] = [:], _ types: Set<PolicyType>,
    ingress: [NetworkPolicyRule] = [], egress: [NetworkPolicyRule] = []
) -> ObjectEvent {
    .set(.networkPolicy(NetworkPolicy(name, selects: labels, types, ingress: ingress, egress: egress)))
}

/// The event that sets a ``KubernetesObjects/TierPolicy``.
public func tier(
    _ name: String, _ tier: TierPolicy.Tier = .admin, _ priority: Int32 = 10, subject: PodSelection = everyPod(),
    ingress: [TierRule] = [], egress: [TierRule] = [], enforcement: Enforcement = .enforce
) -> ObjectEvent {
    .set(
        .tierPolicy(
            TierPolicy(
                name, tier, priority, subject: subject, ingress: ingress, egress: egress, enforcement: enforcement)))
}
