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
    var isReport = false
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

    /// The rules of a direction for an endpoint with these named ports and addresses.
    func rules(_ direction: Direction, ports: [IndexedPort], addresses: [IPAddress]) -> [ResolvedRule] {
        direction == .ingress ? ingress.compactMap { $0.rule(ports: ports, addresses: addresses) } : egress
    }

    /// Whether pods of one group may have different rules, because their addresses differ.
    var readsAddresses: Bool { ingress.contains { $0.destinations != nil } }
}

/// An ingress rule before the subject's named ports have numbers.
struct IngressTemplate: Sendable {
    var identity: RuleIdentity
    var action: RuleAction
    var peers: PeerMatch
    /// Nil: every port.
    var ports: [IndexedPolicyPort]?
    var request: RequestMatch?
    var destinations: DestinationTemplate?

    /// Nil if no address of the endpoint meets the rule's conditions on it.
    func rule(ports own: [IndexedPort], addresses: [IPAddress]) -> ResolvedRule? {
        var peers = peers
        if let destinations {
            guard let restricted = destinations.restrict(peers, to: addresses, action) else { return nil }
            peers = restricted
        }
        return ResolvedRule(
            identity: identity, action: action, peers: peers, ports: match(ports: own), request: request)
    }

    private func match(ports own: [IndexedPort]) -> PortMatch {
        guard let ports else { return .any }
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
        return .ports(result)
    }
}

/// Conditions on the address by which a flow reaches the subject. Both addresses of a flow have one family, so a
/// condition that holds for one family of the subject is one on the peer's family.
struct DestinationTemplate: Sendable {
    var conditions: [DestinationCondition]
    /// All addresses of a family.
    var ipv4: PeerSetID
    var ipv6: PeerSetID

    /// An endpoint with several addresses of a family has one answer for them: a rule that denies matches if one of
    /// them meets the conditions, one that allows if all do.
    func restrict(_ peers: PeerMatch, to addresses: [IPAddress], _ action: RuleAction) -> PeerMatch? {
        func holds(_ family: AddressFamily) -> Bool? {
            let own = addresses.filter { $0.family == family }
            guard !own.isEmpty else { return nil }
            return action == .deny ? own.contains(where: isMet) : own.allSatisfy(isMet)
        }
        switch (holds(.ipv4), holds(.ipv6)) {
        case (true?, true?), (true?, nil), (nil, true?): return peers
        case (true?, false?): return PeerMatch(peers.asTerms + [PeerTerm([ipv4])])
        case (false?, true?): return PeerMatch(peers.asTerms + [PeerTerm([ipv6])])
        default: return nil
        }
    }

    private func isMet(by address: IPAddress) -> Bool {
        conditions.allSatisfy { condition in
            condition.blocks.contains { $0.contains(address) } != condition.isExcluded
        }
    }
}

extension PeerMatch {
    /// The simplest form of the addresses that meet all these terms.
    init(_ terms: [PeerTerm]) {
        let limiting = terms.filter { !($0.isExcluded && $0.sets.isEmpty) }
        if limiting.isEmpty {
            self = .any
        } else if limiting.contains(where: { !$0.isExcluded && $0.sets.isEmpty }) {
            self = .sets([])
        } else if limiting.count == 1, !limiting[0].isExcluded {
            self = .sets(limiting[0].sets)
        } else {
            self = .terms(limiting)
        }
    }

    fileprivate var asTerms: [PeerTerm] {
        switch self {
        case .any: []
        case .sets(let sets): [PeerTerm(sets)]
        case .terms(let terms): terms
        }
    }
}

extension PeerSetTable {
    /// Resolves a policy and takes a reference to each of its peer sets.
    mutating func activate(_ policy: PolicyRecord, in state: ClusterState) -> ActivePolicy {
        var active = ActivePolicy(
            reference: policy.reference, layer: policy.order.layer, isolates: policy.isolates,
            isInAudit: policy.isInAudit, isReport: policy.isReport)
        for (index, rule) in policy.ingress.enumerated() {
            let peers = match(rule, of: &active, in: state)
            let number = rule.writtenIndex ?? index
            let identity: RuleIdentity =
                policy.isReport
                ? .report(policy.reference, .ingress, index: number)
                : .rule(policy.reference, .ingress, index: number, name: rule.name)
            active.ingress.append(
                IngressTemplate(
                    identity: identity, action: rule.action, peers: peers, ports: rule.ports, request: rule.request,
                    destinations: template(of: rule.destinations, of: &active, in: state)))
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
        var terms = rule.conditions.map { condition in
            PeerTerm(sets(of: condition.peers, of: &active, in: state), isExcluded: condition.isExcluded)
        }
        if let peers = rule.peers { terms.append(PeerTerm(sets(of: peers, of: &active, in: state))) }
        return PeerMatch(terms)
    }

    private mutating func template(
        of conditions: [DestinationCondition], of active: inout ActivePolicy, in state: ClusterState
    ) -> DestinationTemplate? {
        guard !conditions.isEmpty else { return nil }
        func every(_ address: IPAddress) -> PeerSetID {
            let id = acquire(.blocks([AddressBlock(cidr: CIDR(address, prefixLength: 0))]), in: state)
            active.peerSets.append(id)
            return id
        }
        return DestinationTemplate(
            conditions: conditions, ipv4: every(IPAddress(v4: 0)), ipv6: every(IPAddress(v6High: 0, low: 0)))
    }

    private mutating func sets(
        of peers: [IndexedPeer], of active: inout ActivePolicy, in state: ClusterState
    ) -> [PeerSetID] {
        var sets: [PeerSetID] = []
        for peer in peers {
            switch peer {
            case .pods(let subject): take(.pods(PodPeers(subject)), into: &sets, of: &active, in: state)
            case .identity(let identity): take(.pods(PodPeers(identity)), into: &sets, of: &active, in: state)
            case .nodes(let selector): take(.nodes(selector), into: &sets, of: &active, in: state)
            case .block: break
            }
        }
        let blocks = peers.blocks
        if !blocks.isEmpty { take(.blocks(blocks), into: &sets, of: &active, in: state) }
        return sets
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
