// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import PolicyModel

extension Policy {
    /// A ClusterNetworkPolicy, AdminNetworkPolicy or BaselineAdminNetworkPolicy protects pods of any namespace and
    /// isolates none.
    public init(_ policy: TierPolicy) {
        self.init(
            reference: PolicyReference(kind: policy.kind.rawValue, namespace: "", name: policy.metadata.name),
            layer: Tier(policy.tier), priority: policy.priority, subject: PodSubject(policy.subject),
            ingress: policy.ingress.map { PolicyRule($0) }, egress: policy.egress.map { PolicyRule($0) },
            enforcement: policy.enforcement, unknown: policy.allUnknown)
    }
}

extension Tier {
    fileprivate init(_ tier: TierPolicy.Tier) {
        switch tier {
        case .admin: self = .admin
        case .baseline: self = .baseline
        }
    }
}

extension PolicyRule {
    /// If parts of a rule are not understood, it is unknown what the rule should deny or pass on. It denies everything,
    /// so that no packet gets past it.
    fileprivate init(_ rule: TierRule) {
        let action = RuleAction(rule.action)
        guard rule.unknown.isEmpty || action == .allow else {
            self.init(name: rule.name, action: .deny)
            return
        }
        self.init(
            name: rule.name, action: action, peers: rule.peers.flatMap { $0.policyPeers },
            ports: rule.ports.map { $0.flatMap { $0.policyPorts } })
    }
}

extension RuleAction {
    fileprivate init(_ action: TierRule.Action) {
        switch action {
        case .accept: self = .allow
        case .deny: self = .deny
        case .pass: self = .pass
        }
    }
}

extension PodSubject {
    fileprivate init(_ selection: PodSelection) {
        self.init(namespaces: .selector(selection.namespaces), pods: selection.pods)
    }
}

extension TierPeer {
    fileprivate var policyPeers: [PolicyPeer] {
        switch self {
        case .pods(let selection): [.pods(PodSubject(selection))]
        case .nodes(let selector): [.nodes(selector)]
        case .networks(let networks): networks.map { .block(AddressBlock(cidr: $0)) }
        }
    }
}

extension TierPort {
    /// A named port may be of any protocol with ports.
    fileprivate var policyPorts: [PolicyPort] {
        switch self {
        case .range(let ipProtocol, let range): [.range(ProtocolPorts(ipProtocol, range))]
        case .named(let name): IPProtocol.withPorts.map { .named(name, $0) }
        }
    }
}
