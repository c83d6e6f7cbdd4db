// SPDX-License-Identifier: Apache-2.0
import PolicyModel

/// Answer of `GET /v1/verdict` and of `bulkheadctl verdict`.
public struct VerdictAnswer: Codable, Sendable, Hashable {
    /// `allow` or `deny`: both directions must allow.
    public var verdict: String
    /// The flow that was judged: `source -> destination port/protocol`, addresses resolved.
    public var flow: String
    /// The source pod's side. Of the daemon nil where the source is no pod of its node: another node decides, or none.
    public var egress: DirectionAnswer?
    /// The destination pod's side. Of the daemon nil where the destination is no pod of its node.
    public var ingress: DirectionAnswer?
    /// What else a person should know: that the other address family is decided differently. Else nil.
    public var note: String?

    public init(
        verdict: Verdict, flow: String, egress: DirectionAnswer?, ingress: DirectionAnswer?, note: String? = nil
    ) {
        self.verdict = verdict.rawValue
        self.flow = flow
        self.egress = egress
        self.ingress = ingress
        self.note = note
    }
}

/// One direction's decision.
public struct DirectionAnswer: Codable, Sendable, Hashable {
    /// `allow` or `deny`.
    public var verdict: String
    /// What decided: the kind of `rule`, or, where no pod's policies were asked, `samePod` (both ends are one pod),
    /// `hostNetwork` (the pod has its node's address) or `noPod` (no pod has the address).
    public var kind: String
    /// One sentence for a person.
    public var reason: String
    /// The pod of this side, as `namespace/name`.
    public var endpoint: String?
    /// What decided, where a pod's policies were asked.
    public var rule: RuleAnswer?
    /// What of the policies in audit would deny what is allowed; left out where nothing would.
    public var wouldDeny: RuleAnswer?

    public init(
        verdict: Verdict, kind: String, reason: String, endpoint: EndpointName?, identity: RuleIdentity?,
        wouldDeny: RuleIdentity? = nil
    ) {
        self.verdict = verdict.rawValue
        self.kind = kind
        self.reason = reason
        self.endpoint = endpoint?.description
        rule = identity.map { RuleAnswer($0) }
        self.wouldDeny = wouldDeny.map { RuleAnswer($0) }
    }
}
