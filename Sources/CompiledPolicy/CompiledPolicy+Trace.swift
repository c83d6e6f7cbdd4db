// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import PolicyModel
import Requests

extension CompiledPolicy {
    /// ``evaluate(_:throughService:request:)``'s answer with everything that was tried on the way to it.
    ///
    /// The steps come from the rules that are kept beside the cells, and the decision from the cells: two ways to one
    /// answer.
    public func trace(_ flow: Flow, throughService: Bool = false, request: HTTPRequest? = nil) -> FlowTrace {
        let decision = evaluate(flow, throughService: throughService, request: request)
        let source = addresses.entry(of: flow.source)
        let destination = addresses.entry(of: flow.destination)
        func trace(_ direction: Direction, _ side: DirectionDecision?) -> DirectionTrace? {
            guard let side else { return nil }
            let (own, peer) = direction == .egress ? (source, destination) : (destination, source)
            return self.trace(direction, side, at: own.endpoint, peer, flow, request, isSelf: decision.isSelf)
        }
        return FlowTrace(
            flow: flow, decision: decision, egress: trace(.egress, decision.egress),
            ingress: trace(.ingress, decision.ingress))
    }

    private func trace(
        _ direction: Direction, _ decision: DirectionDecision, at endpoint: EndpointID, _ peer: AddressEntry,
        _ flow: Flow, _ request: HTTPRequest?, isSelf: Bool
    ) -> DirectionTrace {
        let number = (direction == .ingress ? endpoints[endpoint]?.ingress : endpoints[endpoint]?.egress) ?? .none
        let portClass = portClass(of: flow)
        var trace = DirectionTrace(
            direction: direction, flow: flow, decision: decision, program: number, addressClass: peer.addressClass,
            portClass: portClass)
        guard number != .none, let program = programs[number] else { return trace }
        let cell = program.cell(peer.addressClass, portClass)
        trace.cell = cell
        guard !isSelf else { return trace }
        let question = TraceQuestion(
            flow: flow, memberOf: addressClasses[peer.addressClass]?.peerSets ?? [], direction: direction,
            request: cell.action == .handOver ? request : nil)
        trace.tiers = tiers(program.rules, program.tierEnds, question, decision)
        if cell.wouldDeny { trace.audit = tiers(program.auditRules, program.auditTierEnds ?? [:], question, decision) }
        return trace
    }

    private func tiers(
        _ rules: [ProgramRule], _ ends: [Tier: RuleID], _ question: TraceQuestion, _ decision: DirectionDecision
    ) -> [TierTrace] {
        var result: [TierTrace] = []
        var verdict: Verdict?
        for tier in Tier.allCases {
            let own = rules.filter { $0.tier == tier }
            let end = ends[tier].map { identity($0, question.direction) }
            guard !own.isEmpty || end != nil else { continue }
            let hasWritten = end != nil || own.contains { identity($0.rule, question.direction).isWritten }
            let isReached = tier == .authorization ? verdict != .deny : verdict == nil
            guard isReached else {
                var skipped = TierTrace(tier: tier, outcome: .notReached)
                skipped.notTried = Set(own.map(\.rule)).count
                if hasWritten { result.append(skipped) }
                continue
            }
            var trace = self.trace(tier, own, end, question)
            if case .handOver = trace.outcome, question.request != nil { trace.outcome = .ofRequest(decision) }
            if tier != .authorization { verdict = trace.outcome.verdict }
            // What acts as a rule of its own, such as the one for the own node, is worth telling where it decides.
            if trace.outcome != .noMatch || hasWritten { result.append(trace) }
        }
        return result
    }

    private func trace(
        _ tier: Tier, _ rules: [ProgramRule], _ end: RuleIdentity?, _ question: TraceQuestion
    ) -> TierTrace {
        let deciding = rules.firstIndex { question.meets($0) }
        var trace = TierTrace(tier: tier, outcome: end.map { .isolate($0) } ?? .noMatch)
        var tried = rules[...]
        if let deciding {
            let rule = rules[deciding]
            trace.outcome = outcome(of: rule, question.direction)
            // All rules may decide about a request.
            if rule.request == nil { tried = rules[...deciding] }
        }
        trace.notTried = Set(rules[tried.endIndex...].map(\.rule)).subtracting(tried.map(\.rule)).count
        let steps = steps(tried, question)
        trace.rules = Self.kept(steps)
        trace.leftOut = steps.count { $0.identity.isWritten } - trace.rules.count { $0.identity.isWritten }
        for index in trace.rules.indices { describe(&trace.rules[index], rules) }
        return trace
    }

    private func outcome(of rule: ProgramRule, _ direction: Direction) -> TierTrace.Outcome {
        let identity = identity(rule.rule, direction)
        if rule.request != nil { return .handOver(identity) }
        switch rule.action {
        case .allow: return .allow(identity)
        case .pass: return .pass(identity)
        case .deny:
            if case .isolation = identity { return .isolate(identity) }
            return .deny(identity)
        }
    }

    /// One step per written rule: parts of one rule follow one another, and the part that comes nearest stands for it.
    private func steps(_ rules: ArraySlice<ProgramRule>, _ question: TraceQuestion) -> [RuleTrace] {
        var result: [RuleTrace] = []
        for rule in rules {
            var step = RuleTrace(
                rule: rule.rule, identity: identity(rule.rule, question.direction), action: rule.action,
                meetsPeer: rule.peers.matches(question.memberOf), meetsPort: rule.ports.matches(question.flow),
                request: rule.request, peers: "", ports: "")
            if let request = question.request { step.meetsRequest = rule.request?.matches(request) }
            if let last = result.last, last.rule == step.rule {
                if step.unmetCount < last.unmetCount { result[result.count - 1] = step }
            } else {
                result.append(step)
            }
        }
        return result
    }

    /// All that match, and of the others those that come nearest, in their order.
    private static func kept(_ steps: [RuleTrace]) -> [RuleTrace] {
        let missed = steps.indices.filter { !steps[$0].matches && steps[$0].identity.isWritten }
        let nearest = missed.sorted { (steps[$0].unmetCount, $0) < (steps[$1].unmetCount, $1) }
        let listed = Set(nearest.prefix(TierTrace.missLimit))
        return steps.indices.filter { index in
            // The tier's outcome says what isolates.
            if case .isolation = steps[index].identity { return false }
            return steps[index].matches || listed.contains(index)
        }.map { steps[$0] }
    }

    private func describe(_ step: inout RuleTrace, _ rules: [ProgramRule]) {
        let parts = rules.filter { $0.rule == step.rule }
        var (peers, ports): ([String], [String]) = ([], [])
        for part in parts {
            if !peers.contains(text(part.peers)) { peers.append(text(part.peers)) }
            if !ports.contains(part.ports.text) { ports.append(part.ports.text) }
        }
        step.peers = peers.joined(separator: "; ")
        step.ports = ports.joined(separator: ", ")
    }

    private func identity(_ rule: RuleID, _ direction: Direction) -> RuleIdentity {
        rule == .noPolicy ? .noPolicy(direction) : rules[rule]?.identity ?? .noPolicy(direction)
    }
}

/// What rules are asked about.
private struct TraceQuestion {
    var flow: Flow
    var memberOf: [PeerSetID]
    var direction: Direction
    var request: HTTPRequest?

    func meets(_ rule: ProgramRule) -> Bool { rule.peers.matches(memberOf) && rule.ports.matches(flow) }
}

extension TierTrace.Outcome {
    /// What the request's answer makes of the authorization tier.
    fileprivate static func ofRequest(_ decision: DirectionDecision) -> Self {
        guard decision.identity.policies.contains(where: \.isOfAuthorization) else { return .noMatch }
        if case .isolation = decision.identity { return .isolate(decision.identity) }
        return decision.verdict == .allow ? .allow(decision.identity) : .deny(decision.identity)
    }

    /// Nil: the next tier decides.
    public var verdict: Verdict? {
        switch self {
        case .allow: .allow
        case .deny, .isolate: .deny
        case .handOver: .dependsOnRequest
        case .pass, .noMatch, .notReached: nil
        }
    }

    /// What ended the tier; nil: nothing did.
    public var identity: RuleIdentity? {
        switch self {
        case .allow(let identity), .deny(let identity), .pass(let identity), .isolate(let identity),
            .handOver(let identity):
            identity
        case .noMatch, .notReached: nil
        }
    }
}

extension DirectionTrace {
    /// The verdict that follows from the steps alone.
    public var verdict: Verdict {
        let verdicts = tiers.compactMap(\.outcome.verdict)
        if verdicts.contains(.deny) { return .deny }
        return verdicts.contains(.dependsOnRequest) ? .dependsOnRequest : .allow
    }

    /// What decides by the steps alone: the tiers, if these decide at all, unless authorization does not simply allow.
    public var decidedBy: RuleIdentity? {
        let tier = tiers.first { $0.tier != .authorization && $0.outcome.verdict != nil }
        let authorization = tiers.first { $0.tier == .authorization && $0.outcome.verdict != nil }
        guard let tier else { return authorization?.outcome.identity }
        guard tier.outcome.verdict == .allow, let authorization, authorization.outcome.verdict != .allow else {
            return tier.outcome.identity
        }
        return authorization.outcome.identity
    }
}

extension RuleIdentity {
    /// Whether a policy's author wrote it; what acts as a rule of its own is worth a line only where it matches.
    fileprivate var isWritten: Bool {
        switch self {
        case .rule, .report: true
        case .isolation, .ownNode, .noPolicy, .failsafe, .overLimit: false
        }
    }
}
