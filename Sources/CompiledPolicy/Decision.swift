// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import PolicyModel

/// One direction's answer, with the rule that gave it and a sentence for a person.
public struct DirectionDecision: Sendable, Hashable {
    public var verdict: Verdict
    public var endpoint: EndpointName
    public var rule: RuleID
    public var identity: RuleIdentity
    /// "allowed by shop/allow-api rule 1", or "isolated by shop/default-deny; nearest rule: port 6379 not in
    /// shop/allow-api".
    public var reason: String
    /// The rule in audit that would deny what this allows.
    public var wouldDeny: RuleIdentity?
    public init(
        verdict: Verdict, endpoint: EndpointName, rule: RuleID, identity: RuleIdentity, reason: String,
        wouldDeny: RuleIdentity? = nil
    ) {
        self.verdict = verdict
        self.endpoint = endpoint
        self.rule = rule
        self.identity = identity
        self.reason = reason
        self.wouldDeny = wouldDeny
    }
}

extension DirectionDecision {
    /// The answer where the NetworkPolicy tier would deny an endpoint to itself.
    init(notDeniedToItself endpoint: EndpointName, _ direction: Direction) {
        self.init(
            verdict: .allow, endpoint: endpoint, rule: .noPolicy, identity: .noPolicy(direction),
            reason: "allowed: NetworkPolicy keeps no pod from itself")
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
    /// The answer for an endpoint and its own address, from the one for the way through a Service, which its reasons
    /// tell as well.
    var toItself: Decision {
        func always(_ decision: DirectionDecision, _ direction: Direction) -> DirectionDecision {
            let reason = "\(decision.endpoint) to its own address is always allowed"
            return DirectionDecision(
                verdict: .allow, endpoint: decision.endpoint, rule: .noPolicy, identity: .noPolicy(direction),
                reason: "\(reason) (through a Service: \(decision.reason))")
        }
        return Decision(
            verdict: .allow, egress: egress.map { always($0, .egress) }, ingress: ingress.map { always($0, .ingress) },
            isSelf: true)
    }
}
