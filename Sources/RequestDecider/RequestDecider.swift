// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import PolicyModel
import RequestPolicy
import Requests
import SPOP

/// Answers HAProxy's questions about flows and requests. It does no I/O and reads no clock.
///
/// It never allows what it does not know: without a policy, about a flow to an unknown destination, and to a question
/// that it cannot read, the answer denies. A request to an unknown destination is on a connection from a time when the
/// destination was known: the daemon has removed it since, so no rule reads its requests any more. As long as the
/// policy is that of an earlier run, that cannot be known, and the request is denied.
public struct RequestDecider: Sendable {
    /// What answers are made of; nil: nothing is known yet.
    public private(set) var policy: RequestPolicy?
    public var counters = RequestCounters()
    /// Whether the policy is of an earlier run.
    private var isKept: Bool
    /// Whether ``Answer/record`` tells allowed requests as well.
    private let recordsAllowed: Bool
    /// The rules of flows that were asked about, since the policy changed.
    private var flows: [RequestPolicy.FlowKey: FlowRules] = [:]
    /// Entries of ``flows``: beyond, all are dropped and made again.
    private static let flowLimit = 65_536

    /// - Parameter policy: What an earlier run knew.
    public init(_ policy: RequestPolicy? = nil, recordsAllowed: Bool = false) {
        self.policy = policy
        isKept = policy != nil
        self.recordsAllowed = recordsAllowed
    }

    /// The answer for HAProxy, and what is worth a line in a log.
    public struct Answer: Sendable, Hashable {
        public var variables: [SPOPVariable]
        public var record: RequestCounts.Denied?
        init(_ scope: SPOPVariable.Scope, _ verdict: String, record: RequestCounts.Denied? = nil) {
            variables = [SPOPVariable(scope, "verdict", .text(verdict))]
            self.record = record
        }
    }

    /// A newer policy: it decides from the next question on.
    public mutating func take(_ policy: RequestPolicy) {
        let isSame = self.policy?.hasSameRules(as: policy) ?? false
        self.policy = policy
        isKept = false
        if !isSame { flows = [:] }
        counters.forget(policiesOtherThan: policy)
    }

    /// Answers a message of the kinds that deploy/requests/spoe.cfg has: `flow` when a connection begins, `request` for
    /// each request, `headers` where the answer to `request` was that rules read headers.
    ///
    /// - Parameter time: The time for ``Answer/record``, called only if there is one.
    public mutating func answer(_ message: SPOPMessage, time: () -> String) -> Answer {
        guard let question = Question(message) else {
            counters.refuse("a question that cannot be read")
            return Answer(message.scope, "unknown")
        }
        guard policy != nil else {
            counters.refuse("no policy is known yet")
            return Answer(message.scope, message.name == "flow" ? "deny" : "unknown")
        }
        if message.name == "flow" { return answer(flow: question, time: time) }
        return answer(request: question, time: time)
    }

    /// The answer for a flow, for a connection that HAProxy has already passed.
    public func passes(from source: IPAddress, to destination: IPAddress, port: UInt16) -> Bool {
        switch policy?.answer(from: source, to: destination, port: port) {
        case .pass, .unknown: true
        case .ask, .deny, nil: false
        }
    }

    private mutating func rules(_ key: RequestPolicy.FlowKey) -> FlowRules {
        if let known = flows[key] { return known }
        let rules = policy?.rules(key) ?? FlowRules([])
        if flows.count >= Self.flowLimit { flows = [:] }
        flows[key] = rules
        return rules
    }

    private static let unknownDestination = "no policy is known of the destination"

    private mutating func answer(flow question: Question, time: () -> String) -> Answer {
        guard let policy, policy.endpoint(of: question.destination) != nil else {
            counters.refuse(Self.unknownDestination)
            return Answer(.session, "deny")
        }
        guard let key = policy.key(from: question.source, to: question.destination, port: question.port) else {
            return Answer(.session, "pass")
        }
        switch rules(key).flowAnswer {
        case .pass:
            counters.passedFlows += 1
            return Answer(.session, "pass")
        case .ask: return Answer(.session, "ask")
        case .unknown: return Answer(.session, "deny")
        case .deny(let rule):
            counters.count(.deny, by: rule)
            let record = question.record(.deny, by: rule, in: policy, time: time())
            counters.keep(record)
            return Answer(.session, "deny", record: record)
        }
    }

    private mutating func answer(request question: Question, time: () -> String) -> Answer {
        guard let policy else { return Answer(.transaction, "unknown") }
        if isKept, policy.endpoint(of: question.destination) == nil {
            counters.refuse(Self.unknownDestination)
            return Answer(.transaction, "unknown")
        }
        var decision = RequestDecision(.allow)
        if let key = policy.key(from: question.source, to: question.destination, port: question.port) {
            let rules = rules(key)
            guard question.hasHeaders || rules.neededHeaders.isEmpty else { return Answer(.transaction, "headers") }
            decision = question.namesTwoHosts ? RequestDecision(.refuse(.twoHosts)) : rules.answer(question.request)
        }
        let verdict: RequestCounts.Verdict
        switch decision.verdict {
        case .allow:
            counters.count(.allow, by: decision.rule)
            if let wouldDeny = decision.wouldDeny { counters.count(.wouldDeny, by: wouldDeny) }
            guard decision.wouldDeny != nil || recordsAllowed else { return Answer(.transaction, "allow") }
            verdict = decision.wouldDeny == nil ? .allow : .wouldDeny
        case .deny:
            counters.count(.deny, by: decision.rule)
            verdict = .deny
        case .refuse(let problem):
            counters.refuse(problem.rawValue)
            verdict = .refuse
        }
        var record = question.record(verdict, by: decision.wouldDeny ?? decision.rule, in: policy, time: time())
        if case .refuse(let problem) = decision.verdict { record.reason = problem.rawValue }
        if verdict != .allow { counters.keep(record) }
        return Answer(.transaction, decision.answer, record: record)
    }
}

extension RequestDecision {
    /// The word in HAProxy's configuration.
    fileprivate var answer: String {
        switch verdict {
        case .allow: "allow"
        case .deny: "deny"
        case .refuse: "refuse"
        }
    }
}

extension SPOPMessage {
    /// Where the verdict belongs.
    fileprivate var scope: SPOPVariable.Scope { name == "flow" ? .session : .transaction }
}
