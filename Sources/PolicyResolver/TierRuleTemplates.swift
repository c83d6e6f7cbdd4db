// SPDX-License-Identifier: Apache-2.0
import ClusterState
import NetworkTypes
import PolicyModel

extension PeerSetTable {
    /// Resolves a policy of the Admin or Baseline tier, taking a reference to each of its peer sets.
    mutating func activate(_ policy: TierPolicyRecord, in state: ClusterState) -> ActivePolicy {
        var active = ActivePolicy(
            reference: policy.reference, tier: policy.tier, isolates: [], isInAudit: policy.isInAudit)
        for (index, rule) in policy.ingress.enumerated() {
            let identity = RuleIdentity.rule(policy.reference, .ingress, index: index, name: rule.name)
            guard !rule.deniesAll else {
                active.ingress.append(IngressTemplate(identity: identity, action: .deny, peers: .any, ports: nil))
                continue
            }
            let peers = PeerMatch.sets(sets(of: rule, to: &active, in: state))
            active.ingress.append(
                IngressTemplate(identity: identity, action: rule.action, peers: peers, ports: rule.ports))
        }
        for (index, rule) in policy.egress.enumerated() { appendEgress(rule, index, to: &active, in: state) }
        return active
    }

    /// One written egress rule: a part for its plain ports, and one for each number that a named port has.
    private mutating func appendEgress(
        _ rule: IndexedTierRule, _ index: Int, to active: inout ActivePolicy, in state: ClusterState
    ) {
        let identity = RuleIdentity.rule(active.reference, .egress, index: index, name: rule.name)
        func part(_ sets: [PeerSetID], _ ports: PortMatch) -> ResolvedRule {
            ResolvedRule(identity: identity, action: rule.action, peers: .sets(sets), ports: ports)
        }
        guard !rule.deniesAll else {
            active.egress.append(ResolvedRule(identity: identity, action: .deny, peers: .any, ports: .any))
            return
        }
        guard let written = rule.ports else {
            active.egress.append(part(sets(of: rule, to: &active, in: state), .any))
            return
        }
        var ranges: [ProtocolPorts] = []
        var named: [IndexedPort] = []
        for port in written {
            switch port {
            case .range(let range): ranges.insertSorted(range)
            case .named(let name):
                active.portNames.insert(name)
                for number in state.numbers(of: name) {
                    let port = IndexedPort(name: name, number: number)
                    if !named.contains(port) { named.append(port) }
                }
            }
        }
        // A rule whose named ports nobody has stays as one that matches nothing, so that verdicts can name it.
        if !ranges.isEmpty || named.isEmpty {
            active.egress.append(part(sets(of: rule, to: &active, in: state), .ports(ranges)))
        }
        for port in named {
            var sets: [PeerSetID] = []
            for case .pods(let selection) in rule.peers {
                take(.pods(selection.peers(port: port)), into: &sets, retaining: &active.peerSets, in: state)
            }
            let blocks = rule.peers.blocks
            if !blocks.isEmpty {
                let peers = PodPeers(havingPort: port, within: blocks)
                take(.pods(peers), into: &sets, retaining: &active.peerSets, in: state)
            }
            guard !sets.isEmpty else { continue }
            active.egress.append(
                part(sets, .ports([ProtocolPorts(port.name.ipProtocol, PortRange(port.number))])))
        }
    }

    private mutating func sets(
        of rule: IndexedTierRule, to active: inout ActivePolicy, in state: ClusterState
    ) -> [PeerSetID] {
        var sets: [PeerSetID] = []
        for peer in rule.peers {
            switch peer {
            case .pods(let selection):
                take(.pods(selection.peers(port: nil)), into: &sets, retaining: &active.peerSets, in: state)
            case .nodes(let selector):
                take(.nodes(selector), into: &sets, retaining: &active.peerSets, in: state)
            case .networks: break
            }
        }
        let blocks = rule.peers.blocks
        if !blocks.isEmpty { take(.blocks(blocks), into: &sets, retaining: &active.peerSets, in: state) }
        return sets
    }
}

extension IndexedTierRule {
    /// What a rule was to deny or to pass on can't be known where parts of it are not understood: nothing gets by it.
    fileprivate var deniesAll: Bool { isPartial && action != .allow }
}

extension [IndexedTierPeer] {
    /// Sorted, without duplicates.
    fileprivate var blocks: [AddressBlock] {
        var blocks: [AddressBlock] = []
        for case .networks(let networks) in self {
            for cidr in networks { blocks.insertSorted(AddressBlock(cidr: cidr)) }
        }
        return blocks
    }
}

extension IndexedPodSelection {
    fileprivate func peers(port: IndexedPort?) -> PodPeers {
        PodPeers(scope: .selector(namespaces), pods: pods, port: port)
    }
}
