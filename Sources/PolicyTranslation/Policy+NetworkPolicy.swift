// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import PolicyModel

extension Policy {
    /// A NetworkPolicy protects pods of its own namespace. Its rules of a direction count only if it isolates in that
    /// direction.
    public init(_ policy: NetworkPolicy) {
        let namespace = policy.metadata.namespace
        let isolates = Set(policy.policyTypes.map { Direction($0) })
        func rules(_ written: [NetworkPolicyRule], _ direction: Direction) -> [PolicyRule] {
            isolates.contains(direction) ? written.map { PolicyRule($0, in: namespace) } : []
        }
        self.init(
            reference: PolicyReference(
                kind: ObjectKind.networkPolicy.rawValue, namespace: namespace, name: policy.metadata.name),
            layer: .networkPolicy, subject: PodSubject(namespaces: .named(namespace), pods: policy.podSelector),
            isolates: isolates, ingress: rules(policy.ingress, .ingress), egress: rules(policy.egress, .egress),
            enforcement: policy.enforcement, unknown: policy.unknown)
    }
}

extension PolicyRule {
    /// If a NetworkPolicy lists no peers or no ports, it means all of them.
    fileprivate init(_ rule: NetworkPolicyRule, in namespace: String) {
        self.init(
            action: .allow, peers: rule.peers.isEmpty ? nil : rule.peers.map { PolicyPeer($0, in: namespace) },
            ports: rule.ports.isEmpty ? nil : rule.ports.map { PolicyPort($0) })
    }
}

extension PolicyPeer {
    fileprivate init(_ peer: NetworkPolicyPeer, in namespace: String) {
        switch peer {
        case .pods(let namespaces, let pods):
            self = .pods(
                PodSubject(
                    namespaces: namespaces.map(NamespaceScope.selector) ?? .named(namespace),
                    pods: pods ?? LabelSelector()))
        case .ipBlock(let cidr, let except): self = .block(AddressBlock(cidr: cidr, except: except))
        }
    }
}

extension PolicyPort {
    fileprivate init(_ port: NetworkPolicyPort) {
        switch port.port {
        case .any: self = .range(ProtocolPorts(port.ipProtocol, .all))
        case .range(let range): self = .range(ProtocolPorts(port.ipProtocol, range))
        case .named(let name): self = .named(name, port.ipProtocol)
        }
    }
}
