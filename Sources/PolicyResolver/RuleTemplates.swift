// SPDX-License-Identifier: Apache-2.0
import ClusterState
import KubernetesObjects
import NetworkTypes
import PolicyModel

/// A policy that selects local endpoints, with its peers resolved. What depends on the endpoint alone, the
/// numbers of ingress ports by name, is filled in by ``IngressTemplate/rule(ports:)``.
struct ActivePolicy: Sendable {
    var reference: PolicyReference
    var tier = Tier.networkPolicy
    /// Empty for the policies of other tiers.
    var isolates: Set<PolicyType>
    var isInAudit = false
    var ingress: [IngressTemplate] = []
    var egress: [ResolvedRule] = []
    /// One reference each.
    var peerSets: [PeerSetID] = []
    /// Port names whose numbers anywhere in the cluster shape the egress rules.
    var portNames: Set<PortName> = []
    /// Local pod groups that it selects.
    var users = 0
}

struct IngressTemplate: Sendable {
    var identity: RuleIdentity
    var action = RuleAction.allow
    var peers: PeerMatch
    /// Nil: every port.
    var ports: [IndexedPolicyPort]?

    func rule(ports own: [IndexedPort]) -> ResolvedRule {
        guard let ports else {
            return ResolvedRule(identity: identity, action: action, peers: peers, ports: .any)
        }
        var result: [ProtocolPorts] = []
        for port in ports {
            switch port {
            case .range(let range): result.insertSorted(range)
            case .named(let name):
                for candidate in own where candidate.name == name {
                    result.insertSorted(ProtocolPorts(name.ipProtocol, PortRange(candidate.number)))
                }
            }
        }
        return ResolvedRule(identity: identity, action: action, peers: peers, ports: .ports(result))
    }
}

extension PeerSetTable {
    /// Resolves a policy, taking a reference to each of its peer sets.
    mutating func activate(_ policy: PolicyRecord, _ reference: PolicyReference, in state: ClusterState)
        -> ActivePolicy
    {
        var active = ActivePolicy(reference: reference, isolates: policy.isolates, isInAudit: policy.isInAudit)
        if policy.isolates.contains(.ingress) {
            for (index, rule) in policy.ingress.enumerated() {
                let peers = match(rule.peers, of: policy, retaining: &active.peerSets, in: state)
                let ports = rule.ports.isEmpty ? nil : rule.ports
                let identity = RuleIdentity.rule(reference, .ingress, index: index, name: nil)
                active.ingress.append(IngressTemplate(identity: identity, peers: peers, ports: ports))
            }
        }
        if policy.isolates.contains(.egress) {
            for (index, rule) in policy.egress.enumerated() {
                appendEgress(rule, index, of: policy, to: &active, in: state)
            }
        }
        return active
    }

    /// One written egress rule: a part for its plain ports, and one for each number that a named port has.
    private mutating func appendEgress(
        _ rule: IndexedRule, _ index: Int, of policy: PolicyRecord, to active: inout ActivePolicy,
        in state: ClusterState
    ) {
        let identity = RuleIdentity.rule(active.reference, .egress, index: index, name: nil)
        var ranges: [ProtocolPorts] = []
        var named: [IndexedPort] = []
        for port in rule.ports {
            switch port {
            case .range(let range): ranges.insertSorted(range)
            case .named(let name):
                active.portNames.insert(name)
                // In written order: the order of the parts must not depend on how names are numbered.
                for number in state.numbers(of: name) {
                    let port = IndexedPort(name: name, number: number)
                    if !named.contains(port) { named.append(port) }
                }
            }
        }
        // A rule whose named ports nobody has stays as one that matches nothing, so that verdicts can name it.
        if rule.ports.isEmpty || !ranges.isEmpty || named.isEmpty {
            let peers = match(rule.peers, of: policy, retaining: &active.peerSets, in: state)
            active.egress.append(
                ResolvedRule(
                    identity: identity, action: .allow, peers: peers,
                    ports: rule.ports.isEmpty ? .any : .ports(ranges)))
        }
        let blocks = rule.peers.blocks
        for port in named {
            var selectors = rule.peers.compactMap { podPeers($0, of: policy, port: port) }
            if rule.peers.isEmpty { selectors.append(PodPeers(havingPort: port)) }
            // A block matches addresses; those of pods have the pods' names for ports.
            if !blocks.isEmpty { selectors.append(PodPeers(havingPort: port, within: blocks)) }
            var sets: [PeerSetID] = []
            for selector in selectors { take(.pods(selector), into: &sets, retaining: &active.peerSets, in: state) }
            let ports = [ProtocolPorts(port.name.ipProtocol, PortRange(port.number))]
            active.egress.append(
                ResolvedRule(identity: identity, action: .allow, peers: .sets(sets), ports: .ports(ports)))
        }
    }

    private mutating func match(
        _ peers: [IndexedPeer], of policy: PolicyRecord, retaining used: inout [PeerSetID], in state: ClusterState
    ) -> PeerMatch {
        guard !peers.isEmpty else { return .any }
        var sets: [PeerSetID] = []
        let blocks = peers.blocks
        for peer in peers {
            guard let selector = podPeers(peer, of: policy, port: nil) else { continue }
            take(.pods(selector), into: &sets, retaining: &used, in: state)
        }
        if !blocks.isEmpty { take(.blocks(blocks), into: &sets, retaining: &used, in: state) }
        return .sets(sets)
    }

    mutating func take(
        _ key: PeerSetKey, into sets: inout [PeerSetID], retaining used: inout [PeerSetID], in state: ClusterState
    ) {
        let id = acquire(key, in: state)
        used.append(id)
        sets.insertSorted(id)
    }

    private func podPeers(_ peer: IndexedPeer, of policy: PolicyRecord, port: IndexedPort?) -> PodPeers? {
        guard case .pods(let namespaces, let pods) = peer else { return nil }
        let scope = namespaces.map(PodPeers.Scope.selector) ?? .namespace(policy.namespace)
        return PodPeers(scope: scope, pods: pods, port: port)
    }
}

extension [IndexedPeer] {
    /// Sorted, without duplicates.
    fileprivate var blocks: [AddressBlock] {
        var blocks: [AddressBlock] = []
        for case .block(let block) in self { blocks.insertSorted(block) }
        return blocks
    }
}
