// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import PolicyModel

extension Policy {
    /// The policy that an object holds. Nil if the object is not a policy.
    public init?(_ object: KubernetesObject, mesh: MeshSettings = MeshSettings()) {
        switch object {
        case .networkPolicy(let policy): self.init(policy)
        case .tierPolicy(let policy): self.init(policy)
        case .authorizationPolicy(let policy): self.init(policy, mesh: mesh)
        case .pod, .namespace, .node: return nil
        }
    }
}

extension PolicyReference {
    /// The policy with this object key.
    public init(_ key: ObjectKey) {
        self.init(kind: key.kind.rawValue, namespace: key.namespace, name: key.name)
    }
}

extension Direction {
    /// The direction that a NetworkPolicy's `policyTypes` names.
    init(_ type: PolicyType) {
        switch type {
        case .ingress: self = .ingress
        case .egress: self = .egress
        }
    }
}
