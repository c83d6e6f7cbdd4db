// SPDX-License-Identifier: Apache-2.0
import PolicyModel

extension ObjectKind {
    /// The kinds that decide about traffic; all others say to which pods policies apply.
    public static let policies = Set(allCases.filter(\.isPolicy))

    /// Whether objects of this kind decide about traffic.
    public var isPolicy: Bool {
        switch self {
        case .networkPolicy, .clusterNetworkPolicy, .adminNetworkPolicy, .baselineAdminNetworkPolicy,
            .authorizationPolicy:
            true
        case .pod, .namespace, .node: false
        }
    }
}

extension KubernetesObject {
    /// How a policy is enforced; nil for other kinds.
    public var enforcement: Enforcement? {
        switch self {
        case .networkPolicy(let policy): policy.enforcement
        case .tierPolicy(let policy): policy.enforcement
        case .authorizationPolicy(let policy): policy.enforcement
        case .pod, .namespace, .node: nil
        }
    }
}

extension ObjectKind {
    /// Whether objects of this kind are in namespaces.
    public var isNamespaced: Bool { NamingRule.of(self).isNamespaced }
}
