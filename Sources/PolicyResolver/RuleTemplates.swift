// SPDX-License-Identifier: Apache-2.0
import ClusterState
import NetworkTypes
import PolicyModel

/// A policy that selects local endpoints, with its peers resolved. What depends on the endpoint alone, the numbers of
/// ingress ports by name, is filled in by ``IngressTemplate/rule(ports:)``.
struct ActivePolicy: Sendable {
    var reference: PolicyReference
    var layer: Tier
    var isolates: Set<Direction> = []
    var isInAudit = false
    var ingress: [IngressTemplate] = []
    var egress: [ResolvedRule] = []
    /// One reference each.
    var peerSets: [PeerSetID] = []
    /// Port names whose numbers anywhere in the cluster shape the egress rules.
    var portNames: Set<PortName> = []
    /// Local pod groups that it selects.
    var users = 0

    /// Whether it may decide about flows in a direction.
    func decides(_ direction: Direction) -> Bool {
        isolates.contains(direction) || !(direction == .ingress ? ingress.isEmpty : egress.isEmpty)
    }

    /// The rules of a direction for an endpoint with these named ports.
    func rules(_ direction: Direction, ports: [IndexedPort]) -> [ResolvedRule] {
        direction == .ingress ? ingress.map { $0.rule(ports: ports) } : egress
    }
}

/// An ingress rule before the subject's named ports have numbers.
struct IngressTemplate: Sendable {
    var identity: RuleIdentity
    var action: RuleAction
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
    /// Resolves a policy and takes a reference to each of its peer sets.
    mutating func activate(_ policy: PolicyRecord, in state: ClusterState) -> ActivePolicy {
        var active = ActivePolicy(
            reference: policy.reference, layer: policy.order.layer, isolates: policy.isolates,
            isInAudit: policy.isInAudit)
        for (index, rule) in policy.ingress.enumerated() {
            let peers = match(rule, of: &active, in: state)
            active.ingress.append(
                IngressTemplate(
                    identity: .rule(policy.reference, .ingress, index: index, name: rule.name), action: rule.action,
                    peers: peers, ports: rule.ports))
        }
        for (index, rule) in policy.egress.enumerated() { appendEgress(rule, index, to: &active, in: state) }
        return active
    }

    /// Adds the parts of one written egress rule: one for its plain ports, and one for each number that a named port
    /// has.
    private mutating func appendEgress(
        _ rule: IndexedRule, _ index: Int, to active: inout ActivePolicy, in state: ClusterState
    ) {
        let identity = RuleIdentity.rule(active.reference, .egress, index: index, name: rule.name)
        func part(_ peers: PeerMatch, _ ports: PortMatch) -> ResolvedRule {
            ResolvedRule(identity: identity, action: rule.action, peers: peers, ports: ports)
        }
        guard let written = rule.ports else {
            active.egress.append(part(match(rule, of: &active, in: state), .any))
            return
        }
        var ranges: [ProtocolPorts] = []
        var named: [IndexedPort] = []
        for port in written {
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
        // If no pod has a rule's named ports, the rule stays and matches nothing, so that verdicts can name it.
        if !ranges.isEmpty || named.isEmpty {
            active.egress.append(part(match(rule, of: &active, in: state), .ports(ranges)))
        }
        for port in named {
            let sets = sets(of: rule, having: port, of: &active, in: state)
            guard !sets.isEmpty else { continue }
            active.egress.append(
                part(.sets(sets), .ports([ProtocolPorts(port.name.ipProtocol, PortRange(port.number))])))
        }
    }

    /// Whom a rule matches, whatever the port.
    private mutating func match(_ rule: IndexedRule, of active: inout ActivePolicy, in state: ClusterState) -> PeerMatch
    {
        guard let peers = rule.peers else { return .any }
        var sets: [PeerSetID] = []
        for peer in peers {
            switch peer {
            case .pods(let subject): take(.pods(PodPeers(subject)), into: &sets, of: &active, in: state)
            case .nodes(let selector): take(.nodes(selector), into: &sets, of: &active, in: state)
            case .block: break
            }
        }
        let blocks = peers.blocks
        if !blocks.isEmpty { take(.blocks(blocks), into: &sets, of: &active, in: state) }
        return .sets(sets)
    }

    /// The pods among a rule's peers that have a named port. Nodes have no names for ports. A block matches addresses,
    /// and those of pods have the pods' names.
    private mutating func sets(
        of rule: IndexedRule, having port: IndexedPort, of active: inout ActivePolicy, in state: ClusterState
    ) -> [PeerSetID] {
        var sets: [PeerSetID] = []
        guard let peers = rule.peers else {
            take(.pods(PodPeers(havingPort: port)), into: &sets, of: &active, in: state)
            return sets
        }
        for case .pods(let subject) in peers {
            take(.pods(PodPeers(subject, havingPort: port)), into: &sets, of: &active, in: state)
        }
        let blocks = peers.blocks
        if !blocks.isEmpty {
            take(.pods(PodPeers(havingPort: port, within: blocks)), into: &sets, of: &active, in: state)
        }
        return sets
    }

    private mutating func take(
        _ key: PeerSetKey, into sets: inout [PeerSetID], of active: inout ActivePolicy, in state: ClusterState
    ) {
        let id = acquire(key, in: state)
        active.peerSets.append(id)
        sets.insertSorted(id)
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

extension PodPeers {
    fileprivate init(_ subject: IndexedSubject, havingPort port: IndexedPort? = nil) {
        self.init(scope: subject.namespaces, pods: subject.pods, port: port)
    }
}
