// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import PolicyModel

extension Oracle {
    /// What one tier says about a flow.
    enum TierAnswer {
        case decided(OracleCause)
        case passed
        /// No rule matched.
        case silent
    }

    /// All rules of all policies of the tier that have this pod as a subject, in order; the first that matches.
    func tier(
        _ tier: TierPolicy.Tier, _ pod: Pod, _ direction: PolicyType, _ flow: Flow, withAudit: Bool
    ) -> TierAnswer {
        for policy in ordered(tier, withAudit: withAudit) where belongs(pod, to: policy.subject) {
            for rule in rules(of: policy, direction) {
                // What a Deny or a Pass was to match cannot be known: nothing gets past it.
                if !rule.unknown.isEmpty, rule.action != .accept { return .decided(.unknownPart(tier)) }
                guard let match = match(rule, pod, direction, flow) else { continue }
                if rule.action == .pass { return .passed }
                return .decided(.tierRule(tier, allows: rule.action == .accept, peer: match.peer, port: match.port))
            }
        }
        return .silent
    }

    /// Lower priority first, then by name, then by kind.
    private func ordered(_ tier: TierPolicy.Tier, withAudit: Bool) -> [TierPolicy] {
        tierPolicies.filter { $0.tier == tier && (withAudit || $0.enforcement == .enforce) }.sorted {
            ($0.priority, $0.metadata.name, $0.kind.rawValue) < ($1.priority, $1.metadata.name, $1.kind.rawValue)
        }
    }

    private func rules(of policy: TierPolicy, _ direction: PolicyType) -> [TierRule] {
        direction == .ingress ? policy.ingress : policy.egress
    }

    /// Whether an enforced policy of a tier has a rule for this pod in this direction, whatever it matches.
    func hasTierRules(_ pod: Pod, _ direction: PolicyType) -> Bool {
        tierPolicies.contains {
            $0.enforcement == .enforce && belongs(pod, to: $0.subject) && !rules(of: $0, direction).isEmpty
        }
    }

    private func belongs(_ pod: Pod, to selection: PodSelection) -> Bool {
        Self.selects(selection.namespaces, labels(ofNamespace: pod.metadata.namespace))
            && Self.selects(selection.pods, pod.metadata.labels)
    }

    private func match(
        _ rule: TierRule, _ pod: Pod, _ direction: PolicyType, _ flow: Flow
    ) -> (peer: OracleTierPeerKind, port: OraclePortKind)? {
        let other = direction == .ingress ? flow.source : flow.destination
        // No ports written: protocols are not looked at. Written as one port that is nil.
        let ports: [TierPort?] = rule.ports ?? [nil]
        for peer in rule.peers where matches(peer, other) {
            for port in ports where matches(port, pod, direction, flow) {
                return (kind(of: peer), kind(of: port))
            }
        }
        return nil
    }

    /// The own node has what it takes in by its local routes as well.
    private func has(_ node: Node, _ address: IPAddress) -> Bool {
        node.addresses.contains(address)
            || node.metadata.name == nodeName && localRoutes.contains { $0.contains(address) }
    }

    private var isOwnNodeUnknown: Bool { !nodes.contains { $0.metadata.name == nodeName } }

    private func matches(_ peer: TierPeer, _ other: IPAddress) -> Bool {
        switch peer {
        case .pods(let selection): owners[other].map { belongs($0, to: selection) } ?? false
        case .nodes(let selector):
            nodes.contains { Self.selects(selector, $0.metadata.labels) && has($0, other) }
                || isOwnNodeUnknown && selector == LabelSelector() && localRoutes.contains { $0.contains(other) }
        case .networks(let networks): networks.contains { $0.contains(other) }
        }
    }

    private func matches(
        _ port: TierPort?, _ pod: Pod, _ direction: PolicyType, _ flow: Flow
    ) -> Bool {
        guard let port else { return true }
        guard let number = flow.destinationPort else { return false }
        switch port {
        case .range(let ipProtocol, let range):
            return ipProtocol == flow.ipProtocol && range.first <= number && number <= range.last
        case .named(let name):
            // A name says nothing about the protocol: the container port of that name does.
            let wanted = NamedPort(name: name, ipProtocol: flow.ipProtocol, number: number)
            if direction == .ingress { return pod.namedPorts.contains(wanted) }
            return owners[flow.destination]?.namedPorts.contains(wanted) ?? false
        }
    }

    private func kind(of peer: TierPeer) -> OracleTierPeerKind {
        switch peer {
        case .pods: .pods
        case .nodes: .nodes
        case .networks: .networks
        }
    }

    private func kind(of port: TierPort?) -> OraclePortKind {
        switch port {
        case nil: .everyPort
        case .range(_, .all): .everyPortOfProtocol
        case .range(_, let range): range.first == range.last ? .number : .range
        case .named: .named
        }
    }
}
