// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import PolicyModel

extension Policy {
    /// An AuthorizationPolicy protects pods of its own namespace, or of every namespace if it is in the mesh's root
    /// namespace. It judges TCP into them.
    public init(_ policy: AuthorizationPolicy, mesh: MeshSettings) {
        let namespace = policy.metadata.namespace
        let isMeshWide = namespace == mesh.rootNamespace
        self.init(
            reference: PolicyReference(
                kind: ObjectKind.authorizationPolicy.rawValue, namespace: namespace, name: policy.metadata.name),
            layer: .authorization,
            subject: PodSubject(
                namespaces: isMeshWide ? .selector(LabelSelector()) : .named(namespace), pods: policy.selector),
            isolates: policy.action == .allow ? [.ingress] : [],
            enforcement: policy.action == .audit ? .audit : policy.enforcement, isReport: policy.action == .audit,
            unknown: policy.allUnknown)
    }
}
