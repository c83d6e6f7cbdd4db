// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import PolicyModel
import Requests

/// What decides about one flow.
public enum FlowAnswer: Sendable, Equatable {
    /// No request matters: the datapath alone decides.
    case pass
    /// Every request is denied, by this rule.
    case deny(RuleIdentity)
    /// Each request is asked about.
    case ask
    /// Nothing here is about the flow's destination. The datapath never sends such a flow to the proxy, except for as
    /// long as one of the two knows a newer policy than the other.
    case unknown
}

/// What decides about one request.
public struct RequestDecision: Sendable, Hashable {
    public enum Verdict: Sendable, Hashable {
        case allow
        case deny
        case refuse(RequestProblem)
    }
    public var verdict: Verdict
    /// Nil: allowed because no rule matches, or refused before any rule decides.
    public var rule: RuleIdentity?
    /// The rule of a policy in audit that would deny what this allows.
    public var wouldDeny: RuleIdentity?
    public init(_ verdict: Verdict, by rule: RuleIdentity? = nil, wouldDeny: RuleIdentity? = nil) {
        self.verdict = verdict
        self.rule = rule
        self.wouldDeny = wouldDeny
    }
}

/// The authorization rules that match a flow by peer and port.
public struct FlowRules: Sendable, Equatable {
    private var rules: RequestRules
    private var identities: [RuleIdentity]
    private var audit: RequestRules
    private var auditIdentities: [RuleIdentity]
    /// The headers, by name in lower case, that rules read.
    public private(set) var neededHeaders: Set<String> = []

    /// - Parameter auditRules: Those of ``RequestProgram/auditRules`` that match the flow; empty if there are none.
    public init(_ matching: [RequestRule], auditRules: [RequestRule] = []) {
        let (matching, auditRules) = (Self.deciding(matching), Self.deciding(auditRules))
        rules = RequestRules(matching.map { .init(action: $0.action, request: $0.request) })
        identities = matching.map(\.identity)
        audit = RequestRules(auditRules.map { .init(action: $0.action, request: $0.request) })
        auditIdentities = auditRules.map(\.identity)
        for rule in matching + auditRules {
            for case .header(let name) in rule.request?.conditions.map(\.field) ?? [] { neededHeaders.insert(name) }
        }
    }

    /// If the first rule reads no request, it decides alone: nothing that later rules read may refuse a request.
    private static func deciding(_ rules: [RequestRule]) -> [RequestRule] {
        guard let first = rules.first, first.request == nil else { return rules }
        return [first]
    }

    /// The answer for the flow: the first rule decides, unless it reads the request.
    public var flowAnswer: FlowAnswer {
        guard let first = rules.rules.first else { return .pass }
        if first.request != nil { return .ask }
        return first.action == .deny ? .deny(identities[0]) : .pass
    }

    /// The answer for one request of the flow.
    public func answer(_ request: HTTPRequest) -> RequestDecision {
        switch rules.answer(request) {
        case .allow(let rule):
            return RequestDecision(.allow, by: rule.map { identities[$0] }, wouldDeny: wouldDeny(request))
        case .deny(let rule): return RequestDecision(.deny, by: identities[rule])
        case .refuse(let problem): return RequestDecision(.refuse(problem))
        }
    }

    private func wouldDeny(_ request: HTTPRequest) -> RuleIdentity? {
        guard !audit.rules.isEmpty, case .deny(let rule) = audit.answer(request) else { return nil }
        return auditIdentities[rule]
    }
}

extension RequestPolicy {
    /// What ``FlowRules`` depends on, for a table of those in use.
    public struct FlowKey: Sendable, Hashable {
        public var program: UInt32
        public var sourceClass: UInt32
        public var port: UInt16
    }

    /// Nil: nothing here is about the destination, or source and destination are one pod, which nothing denies.
    public func key(from source: IPAddress, to destination: IPAddress, port: UInt16) -> FlowKey? {
        guard let endpoint = endpoint(of: destination), !endpoint.addresses.contains(source) else { return nil }
        return FlowKey(
            program: endpoint.program, sourceClass: sources.entry(of: source).addressClass.rawValue, port: port)
    }

    public func rules(_ key: FlowKey) -> FlowRules {
        guard let program = programs[key.program] else { return FlowRules([]) }
        let memberOf = classes[key.sourceClass] ?? []
        return FlowRules(
            program.rules.filter { $0.matches(memberOf: memberOf, port: key.port) },
            auditRules: program.auditRules.filter { $0.matches(memberOf: memberOf, port: key.port) })
    }

    /// The answer for a flow: what ``CompiledPolicy/evaluate(_:throughService:request:)`` says of authorization.
    public func answer(from source: IPAddress, to destination: IPAddress, port: UInt16) -> FlowAnswer {
        guard let key = key(from: source, to: destination, port: port) else {
            return endpoint(of: destination) == nil ? .unknown : .pass
        }
        return rules(key).flowAnswer
    }

    /// The answer for one request. No rule decides about an unknown destination.
    public func answer(
        from source: IPAddress, to destination: IPAddress, port: UInt16, _ request: HTTPRequest
    ) -> RequestDecision {
        key(from: source, to: destination, port: port).map { rules($0).answer(request) } ?? RequestDecision(.allow)
    }
}
