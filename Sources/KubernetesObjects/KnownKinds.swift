// SPDX-License-Identifier: Apache-2.0

/// Kinds that Bulkhead does not read, and what to report about them.
enum KnownKinds {
    /// What is wrong with a document's type.
    struct Mistake {
        /// The kind is right, but its group is not.
        var isOfGroup: Bool
        var hint: String?
    }

    /// All kinds of the groups in which an unknown kind is a misspelled one, whatever its version.
    private static let kinds: [Substring: [String]] = [
        "": [
            "Binding", "ComponentStatus", "ConfigMap", "Endpoints", "Event", "LimitRange", "Namespace", "Node",
            "PersistentVolume", "PersistentVolumeClaim", "Pod", "PodTemplate", "ReplicationController",
            "ResourceQuota", "Secret", "Service", "ServiceAccount",
        ],
        "networking.k8s.io": [
            "ClusterCIDR", "IPAddress", "Ingress", "IngressClass", "NetworkPolicy", "ServiceCIDR",
        ],
        "policy.networking.k8s.io": ["AdminNetworkPolicy", "BaselineAdminNetworkPolicy", "ClusterNetworkPolicy"],
        "security.istio.io": ["AuthorizationPolicy", "PeerAuthentication", "RequestAuthentication"],
    ]

    /// Groups whose policies users rely on: Calico, Cilium, Antrea, Istio, Linkerd, OVN-Kubernetes, GKE, EKS, Kuma.
    private static let foreignPolicyGroups: [Substring] = [
        "projectcalico.org", "cilium.io", "antrea.io", "security.istio.io", "policy.linkerd.io", "k8s.ovn.org",
        "networking.gke.io", "networking.k8s.aws", "kuma.io",
    ]

    /// Whether a document is a policy of another system: never skipped without a notice.
    static func isForeignPolicy(_ kind: String, of group: Substring) -> Bool {
        if kind.hasSuffix("NetworkPolicy") { return true }
        return isForeign(group)
            && ["Policy", "Firewall", "Authorization", "Authentication"].contains { kind.contains($0) }
    }

    private static func isForeign(_ group: Substring) -> Bool {
        foreignPolicyGroups.contains { group == $0 || group.hasSuffix(".\($0)") }
    }

    /// What is wrong with a kind that Bulkhead does not read. Nil if it belongs to another system, or is not about
    /// policy.
    ///
    /// - Parameter sameName: Bulkhead's kind of the same name, in another group.
    static func mistake(in kind: String, of group: Substring, sameName: ObjectKind?) -> Mistake? {
        if let known = kinds[group] {
            if let sameName {
                return Mistake(isOfGroup: true, hint: "write apiVersion: \(sameName.apiVersion)")
            }
            guard !known.contains(kind) else { return nil }
            return Mistake(
                isOfGroup: false,
                hint: NearestName.find(kind, among: known).map { "did you mean \($0)?" }
                    ?? "its kinds are \(known.joined(separator: ", "))")
        }
        // A policy with a similar group; `Pod` and `Node` are kinds of many groups.
        guard let sameName, sameName.isPolicy, !isForeign(group),
            ourPolicyGroups.contains(where: { NearestName.distance(String(group), to: $0).map { $0 <= 2 } ?? false })
        else { return nil }
        return Mistake(isOfGroup: true, hint: "write apiVersion: \(sameName.apiVersion)")
    }

    private static let ourPolicyGroups = [
        "networking.k8s.io", "policy.networking.k8s.io", "extensions", "security.istio.io",
    ]
}
