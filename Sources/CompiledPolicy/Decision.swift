// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import PolicyModel

/// One direction's answer, with the rule that gave it and the reason.
public struct DirectionDecision: Sendable, Hashable {
    public var verdict: Verdict
    public var endpoint: EndpointName
    public var rule: RuleID
    public var identity: RuleIdentity
    /// What ``identity`` alone does not say about the verdict. The module `Explanations` renders both as a sentence.
    public var why: DecisionReason
    /// The rule in audit that would deny what this allows.
    public var wouldDeny: RuleIdentity?
    public init(
        verdict: Verdict, endpoint: EndpointName, rule: RuleID, identity: RuleIdentity, why: DecisionReason,
        wouldDeny: RuleIdentity? = nil
    ) {
        self.verdict = verdict
        self.endpoint = endpoint
        self.rule = rule
        self.identity = identity
        self.why = why
        self.wouldDeny = wouldDeny
    }
}

/// Why a direction got its verdict, as data.
public indirect enum DecisionReason: Sendable, Hashable {
    /// A rule of a policy matched.
    case rule
    /// Policies isolate the pod, and no rule allows the flow; `nearest` came closest to allowing it.
    case isolation(nearest: NearestRule?)
    /// Authorization rules read the request, which the question does not give.
    case dependsOnRequest(on: [RuleIdentity])
    /// An authorization rule matched the request, by these conditions.
    case requestRule(RequestMatch)
    /// Authorization policies allow only some requests, and this one is not among them; `nearest` came closest to
    /// allowing it.
    case requestNotAllowed(nearest: NearestRequest?)
    /// The request cannot be read in one way only; the payload is the problem as a sentence.
    case refusedRequest(String)
    /// The peer is the pod's own node.
    case ownNode
    /// No policy may stop this flow.
    case failsafe
    /// Policies select the pod, but no rule matches and none of them isolates the pod.
    case noMatch
    /// No policy selects the pod for this direction.
    case notSelected
    /// The policy exceeds the limits of the tables.
    case overLimit
    /// The pod reaches itself through a Service, and NetworkPolicy never denies that.
    case neverDeniedToItself
    /// The pod reaches its own address; the payload is the answer for the way through a Service, without the rule's
    /// number.
    case itself(throughService: DirectionDecision)
}

/// The rule that came closest to allowing a flow.
public struct NearestRule: Sendable, Hashable {
    /// What keeps the rule from matching.
    public enum Mismatch: Sendable, Hashable {
        /// The peer matches; the flow's port and protocol do not.
        case port(UInt16?, IPProtocol, allowed: PortMatch)
        /// The port matches; the flow's peer is in none of the rule's peer sets (as policies write them, sorted).
        case peer(IPAddress, allowed: [String])
    }
    public var rule: RuleIdentity
    public var mismatch: Mismatch
    public init(rule: RuleIdentity, mismatch: Mismatch) {
        self.rule = rule
        self.mismatch = mismatch
    }
}

/// The rule for other requests of the same flow that came closest to allowing one.
public struct NearestRequest: Sendable, Hashable {
    public var rule: RuleIdentity
    /// The first of its conditions that the request does not meet.
    public var unmet: RequestCondition
    /// What the request has in that field; nil: it has no such field.
    public var value: String?
    public init(rule: RuleIdentity, unmet: RequestCondition, value: String?) {
        self.rule = rule
        self.unmet = unmet
        self.value = value
    }
}

extension DirectionDecision {
    /// An answer that no cell gives: allowed, whatever the policies say.
    init(allowedBy identity: RuleIdentity, at endpoint: EndpointName, why: DecisionReason) {
        self.init(verdict: .allow, endpoint: endpoint, rule: .noPolicy, identity: identity, why: why)
    }
}

/// The answer for one flow on one node. A direction is nil where this node hosts no endpoint with that address.
public struct Decision: Sendable, Hashable {
    public var verdict: Verdict
    public var egress: DirectionDecision?
    public var ingress: DirectionDecision?
    /// Source and destination are one endpoint, with no Service between: allowed before any policy.
    public var isSelf: Bool
    public init(
        verdict: Verdict, egress: DirectionDecision?, ingress: DirectionDecision?, isSelf: Bool = false
    ) {
        self.verdict = verdict
        self.egress = egress
        self.ingress = ingress
        self.isSelf = isSelf
    }
}

extension Decision {
    /// The answer for an endpoint and its own address, from the answer for the way through a Service. Its reasons keep
    /// that answer.
    var toItself: Decision {
        func always(_ decision: DirectionDecision, _ direction: Direction) -> DirectionDecision {
            var through = decision
            // Tables with other numbers give the same reason.
            through.rule = .noPolicy
            return DirectionDecision(
                allowedBy: .noPolicy(direction), at: decision.endpoint, why: .itself(throughService: through))
        }
        return Decision(
            verdict: .allow, egress: egress.map { always($0, .egress) }, ingress: ingress.map { always($0, .ingress) },
            isSelf: true)
    }
}
