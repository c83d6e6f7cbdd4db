// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import PolicyModel
import Requests

extension CompiledPolicy {
    /// The answer of these tables for one flow, as a packet gets it in the kernel, with its reason.
    ///
    /// - Parameter throughService: the flow was sent to a Service, which chose this destination. It matters to an
    ///   endpoint that reaches itself so: the Admin and Baseline tiers decide, and NetworkPolicy never denies.
    /// - Parameter request: the HTTP request that the flow carries. Without it, a flow whose requests the proxy decides
    ///   about has no answer but ``Verdict/dependsOnRequest``.
    public func evaluate(_ flow: Flow, throughService: Bool = false, request: HTTPRequest? = nil) -> Decision {
        let source = addresses.entry(of: flow.source)
        let destination = addresses.entry(of: flow.destination)
        let isSelf = source.endpoint != .none && source.endpoint == destination.endpoint
        let question = Question(flow: flow, portClass: portClass(of: flow), isHairpin: isSelf, request: request)
        let egress = decide(.egress, at: source.endpoint, peer: destination, question)
        let ingress = decide(.ingress, at: destination.endpoint, peer: source, question)
        let decision = Decision(
            verdict: .both(egress?.verdict, ingress?.verdict), egress: egress, ingress: ingress)
        return isSelf && !throughService ? decision.toItself : decision
    }

    /// ``evaluate(_:throughService:request:)``'s verdict without its reasons, for many flows at once.
    ///
    /// - Parameter isSteered: the flow is one with the node's proxy: what depends on the request passes.
    public func allows(_ flow: Flow, throughService: Bool = false, isSteered: Bool = false) -> Bool {
        let source = addresses.entry(of: flow.source)
        let destination = addresses.entry(of: flow.destination)
        let isSelf = source.endpoint != .none && source.endpoint == destination.endpoint
        guard !isSelf || throughService else { return true }
        let portClass = portClass(of: flow)
        func allows(_ program: ProgramID?, _ peer: AddressEntry) -> Bool {
            guard let program, let matrix = programs[program] else { return true }
            let cell = matrix.cell(peer.addressClass, portClass)
            return cell.verdict == .allow || (isSelf && cell.neverDeniesItself)
                || (isSteered && cell.action == .handOver)
        }
        return allows(endpoints[source.endpoint]?.egress, destination)
            && allows(endpoints[destination.endpoint]?.ingress, source)
    }

    /// The port class of a flow; 0 for protocols without ports.
    public func portClass(of flow: Flow) -> PortClassID {
        guard let port = flow.destinationPort, flow.ipProtocol.hasPorts else { return .none }
        let wanted = ProtocolPorts(flow.ipProtocol, PortRange(port))
        var low = 0
        var high = portSegments.count
        while low < high {
            let middle = (low + high) / 2
            let ports = portSegments[middle].ports
            let isBefore =
                ports.ipProtocol == wanted.ipProtocol ? ports.range.last < port : ports.ipProtocol < wanted.ipProtocol
            if isBefore { low = middle + 1 } else { high = middle }
        }
        return low < portSegments.count ? portSegments[low].portClass : .none
    }

    /// The answer for a packet that is to be delivered to an endpoint whatever its destination address is: a group's
    /// (broadcast, multicast), or one that is not the endpoint's. The peer is who sends it. What the sender's egress
    /// says of it is ``evaluate(_:throughService:)``'s, with the group as destination.
    ///
    /// Nil: there is no such endpoint.
    public func evaluate(_ flow: Flow, deliveredTo endpoint: EndpointID) -> DirectionDecision? {
        let source = addresses.entry(of: flow.source)
        let isHairpin = source.endpoint == endpoint
        return decide(
            .ingress, at: endpoint, peer: source,
            Question(flow: flow, portClass: portClass(of: flow), isHairpin: isHairpin))
    }

    /// The answer for a packet that an endpoint sends to others than its node, whatever source address it bears.
    ///
    /// Nil: there is no such endpoint.
    public func evaluate(_ flow: Flow, sentBy endpoint: EndpointID) -> DirectionDecision? {
        decide(
            .egress, at: endpoint, peer: addresses.entry(of: flow.destination),
            Question(flow: flow, portClass: portClass(of: flow), isHairpin: false))
    }

    /// The answer for a packet that an endpoint sends to its node, whatever source address it bears and whether or not
    /// the destination is known as the node's.
    ///
    /// Nil: there is no such endpoint.
    public func evaluate(_ flow: Flow, toOwnNodeFrom endpoint: EndpointID) -> DirectionDecision? {
        let peer = classAtOwnNode(of: flow, endpoints[endpoint]?.egress ?? .none)
        return decide(
            .egress, at: endpoint, peer: AddressEntry(addressClass: peer),
            Question(flow: flow, portClass: portClass(of: flow), isHairpin: false))
    }

    /// The class that stands for the destination of a packet that the node takes in: its own, if that is known as the
    /// node's; otherwise that of loopback. A group is the node as well, but if a rule of the Admin or Baseline tier denies
    /// the group itself, that decides.
    public func classAtOwnNode(of flow: Flow, _ egress: ProgramID) -> AddressClassID {
        let own = addresses.entry(of: flow.destination).addressClass
        if (1..<AddressClassID.ownNodeLimit).contains(own.rawValue) { return own }
        guard flow.destination.isGroup, let program = programs[egress] else { return ownNodeClass }
        let cell = program.cell(own, portClass(of: flow))
        return cell.verdict == .deny && !cell.neverDeniesItself ? own : ownNodeClass
    }

    private struct Question {
        var flow: Flow
        var portClass: PortClassID
        /// Source and destination are one endpoint.
        var isHairpin: Bool
        var request: HTTPRequest?
    }

    private func decide(
        _ direction: Direction, at id: EndpointID, peer: AddressEntry, _ question: Question
    ) -> DirectionDecision? {
        guard id != .none, let endpoint = endpoints[id] else { return nil }
        let number = direction == .ingress ? endpoint.ingress : endpoint.egress
        guard number != .none, let program = programs[number] else {
            return decision(Cell(.allow, by: .noPolicy), direction, endpoint, nil, peer, question.flow)
        }
        var cell = program.cell(peer.addressClass, question.portClass)
        if question.isHairpin, cell.neverDeniesItself {
            if cell.verdict != .allow {
                return DirectionDecision(
                    allowedBy: .noPolicy(direction), at: endpoint.name, why: .neverDeniedToItself)
            }
            if cell.wouldDeny {
                cell = Cell(.allow, by: allowingRule(among: program.rules, peer.addressClass, question.flow))
            }
        }
        if cell.action == .handOver {
            return answer(question, by: program, cell, peer, endpoint)
        }
        return decision(cell, direction, endpoint, program, peer, question.flow)
    }

    /// The answer for a flow that goes through the proxy.
    private func answer(
        _ question: Question, by program: Program, _ cell: Cell, _ peer: AddressEntry, _ endpoint: CompiledEndpoint
    ) -> DirectionDecision {
        let matching = authorizationRules(of: program, matching: peer.addressClass, question.flow)
        let identities = matching.map { identity(of: $0.rule, .ingress) }
        func decision(_ verdict: Verdict, _ rule: RuleID, _ why: DecisionReason) -> DirectionDecision {
            DirectionDecision(
                verdict: verdict, endpoint: endpoint.name, rule: rule, identity: identity(of: rule, .ingress), why: why)
        }
        guard let request = question.request else {
            let reading = zip(matching, identities).filter { $0.0.request != nil }.map(\.1)
            return decision(.dependsOnRequest, cell.rule, .dependsOnRequest(on: reading))
        }
        switch RequestRules(matching.map { .init(action: $0.action, request: $0.request) }).answer(request) {
        case .allow(let rule?): return decision(.allow, matching[rule].rule, matching[rule].reason)
        case .allow(nil):
            // What allows the flow allows the request.
            let tiers = program.rules.filter { $0.tier != .authorization }
            let allowing = Cell(.allow, by: allowingRule(among: tiers, peer.addressClass, question.flow))
            return self.decision(allowing, .ingress, endpoint, program, peer, question.flow)
        case .deny(let rule):
            guard case .isolation = identities[rule] else {
                return decision(.deny, matching[rule].rule, matching[rule].reason)
            }
            let nearest = NearestRequest(among: zip(matching, identities).map { ($0, $1) }, to: request)
            return decision(.deny, matching[rule].rule, .requestNotAllowed(nearest: nearest))
        case .refuse(let problem): return decision(.deny, cell.rule, .refusedRequest(problem.rawValue))
        }
    }

    /// The rules of authorization that match a flow by peer and port, in order of evaluation.
    public func authorizationRules(
        of program: Program, matching addressClass: AddressClassID, _ flow: Flow
    ) -> [ProgramRule] {
        let memberOf = addressClasses[addressClass]?.peerSets ?? []
        return program.rules.filter {
            $0.tier == .authorization && $0.peers.matches(memberOf) && $0.ports.matches(flow)
        }
    }

    private func decision(
        _ cell: Cell, _ direction: Direction, _ endpoint: CompiledEndpoint, _ program: Program?, _ peer: AddressEntry,
        _ flow: Flow
    ) -> DirectionDecision {
        var rule = cell.rule
        if cell.wouldDeny, let program { rule = allowingRule(among: program.rules, peer.addressClass, flow) }
        let identity = identity(of: rule, direction)
        let why: DecisionReason
        switch identity {
        case .rule, .report: why = .rule
        case .isolation:
            let other = direction == .ingress ? flow.source : flow.destination
            why = .isolation(
                nearest: program.flatMap { nearestRule(in: $0, to: rule, peer: other, peer.addressClass, flow) })
        case .ownNode: why = .ownNode
        case .failsafe: why = .failsafe
        case .noPolicy: why = program == nil ? .notSelected : .noMatch
        case .overLimit: why = .overLimit
        }
        return DirectionDecision(
            verdict: cell.verdict, endpoint: endpoint.name, rule: rule, identity: identity, why: why,
            wouldDeny: cell.wouldDeny ? self.identity(of: cell.rule, direction) : nil)
    }

    private func identity(of rule: RuleID, _ direction: Direction) -> RuleIdentity {
        rule == .noPolicy ? .noPolicy(direction) : rules[rule]?.identity ?? .noPolicy(direction)
    }

    /// What allows a flow by the rules in force: the first that matches, where a rule in audit has the cell.
    private func allowingRule(among rules: [ProgramRule], _ addressClass: AddressClassID, _ flow: Flow) -> RuleID {
        let memberOf = addressClasses[addressClass]?.peerSets ?? []
        var passed: Tier?
        for rule in rules
        where rule.tier != passed && rule.peers.matches(memberOf) && rule.ports.matches(flow) {
            if rule.action == .allow { return rule.rule }
            passed = rule.tier
        }
        return .noPolicy
    }

    /// What came nearest to allowing, of the rules of a tier or those of authorization, whichever isolates: a rule whose
    /// peer matches but not the port, else the other way round. Nil: none matches, not even partly.
    private func nearestRule(
        in program: Program, to isolation: RuleID, peer: IPAddress, _ addressClass: AddressClassID, _ flow: Flow
    ) -> NearestRule? {
        let memberOf = addressClasses[addressClass]?.peerSets ?? []
        let isOfAuthorization = program.rules.contains { $0.rule == isolation }
        var byPort: NearestRule?
        for rule in program.rules where rule.action == .allow {
            guard (rule.tier == .authorization) == isOfAuthorization, let identity = rules[rule.rule]?.identity,
                case .rule = identity
            else { continue }
            if rule.peers.matches(memberOf) {
                return NearestRule(
                    rule: identity, mismatch: .port(flow.destinationPort, flow.ipProtocol, allowed: rule.ports))
            }
            if byPort == nil, rule.ports.matches(flow) {
                byPort = NearestRule(rule: identity, mismatch: .peer(peer, allowed: descriptions(of: rule.peers) ?? []))
            }
        }
        return byPort
    }

    /// The peers of a rule in words.
    public func text(_ peers: PeerMatch) -> String {
        guard let texts = descriptions(of: peers) else { return "every peer" }
        return texts.isEmpty ? "nobody" : texts.joined(separator: "; ")
    }

    /// The peer sets of a rule as their policies write them, sorted. Nil: every peer.
    private func descriptions(of peers: PeerMatch) -> [String]? {
        func texts(_ sets: [PeerSetID]) -> [String] {
            sets.map { peerSets[$0]?.description ?? "peer set \($0.rawValue)" }.sorted()
        }
        switch peers {
        case .any: return nil
        case .sets(let sets): return texts(sets)
        case .terms(let terms):
            let parts = terms.map { ($0.isExcluded ? "not " : "") + texts($0.sets).joined(separator: " or ") }
            return [parts.joined(separator: " and ")]
        }
    }
}

extension PeerMatch {
    /// Whether members of exactly these peer sets match.
    public func matches(_ memberOf: [PeerSetID]) -> Bool {
        switch self {
        case .any: true
        case .sets(let sets): sets.contains { memberOf.contains($0) }
        case .terms(let terms): terms.allSatisfy { $0.holds(for: memberOf) }
        }
    }
}

extension PeerTerm {
    /// Whether members of exactly these peer sets meet the term.
    public func holds(for memberOf: [PeerSetID]) -> Bool {
        sets.contains { memberOf.contains($0) } != isExcluded
    }
}

extension PortMatch {
    public func matches(_ flow: Flow) -> Bool {
        guard case .ports(let list) = self else { return true }
        guard let port = flow.destinationPort else { return false }
        return list.contains { $0.ipProtocol == flow.ipProtocol && $0.range.contains(port) }
    }

    /// "8080/TCP, 53/UDP".
    public var text: String {
        guard case .ports(let list) = self else { return "every port" }
        return list.isEmpty ? "no port" : list.map(\.description).joined(separator: ", ")
    }
}

extension RuleIdentity {
    /// "shop/allow-api rule 1" or "shop/allow-api rule 1 (from web)"; people count from 1.
    public var name: String {
        switch self {
        case .rule(let policy, _, let index, let name):
            return "\(policy) rule \(index + 1)" + (name.map { " (\($0))" } ?? "")
        case .report(let policy, _, let index): return "\(policy) rule \(index + 1)"
        case .isolation(_, let policies): return policies.map(\.description).joined(separator: ", ")
        case .ownNode: return "own node"
        case .noPolicy: return "no policy"
        case .failsafe(let what): return "\(what), always allowed"
        case .overLimit: return "over the limits"
        }
    }
}
