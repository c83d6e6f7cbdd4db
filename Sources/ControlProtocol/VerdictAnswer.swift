// SPDX-License-Identifier: Apache-2.0
import PolicyModel

/// Answer of `GET /v1/verdict` and of `bulkheadctl verdict`.
public struct VerdictAnswer: Codable, Sendable, Hashable {
    /// `allow` or `deny`: both directions must allow. `undecided`: no side denies, and one of them cannot be decided
    /// here, or neither end is a pod. `depends`: authorization allows some HTTP requests of the flow and denies others,
    /// and the question gives none.
    public var verdict: String
    /// The flow that was judged: `source -> destination port/protocol`, addresses resolved.
    public var flow: String
    /// The source pod's side.
    public var egress: DirectionAnswer?
    /// The destination pod's side.
    public var ingress: DirectionAnswer?
    /// What else a person should know, for example that the other address family is decided differently. Otherwise nil.
    public var note: String?
    /// What the kernel says, if that was asked for. Otherwise nil.
    public var kernel: KernelComparison?
    /// For a Service: each of its backend pods; the answer is about the one that a user would ask about. Otherwise nil.
    public var backends: [BackendAnswer]?

    public init(
        verdict: Verdict, flow: String, egress: DirectionAnswer?, ingress: DirectionAnswer?, note: String? = nil
    ) {
        self.verdict = verdict.rawValue
        self.flow = flow
        self.egress = egress
        self.ingress = ingress
        self.note = note
    }

    /// Adds something else to know; nil: nothing.
    public mutating func add(note more: String?) {
        if let more { note = [note, more].compactMap(\.self).joined(separator: "; ") }
    }

    /// The verdict follows from the sides.
    public init(flow: String, egress: DirectionAnswer, ingress: DirectionAnswer, notes: [String] = []) {
        let sides = [egress, ingress]
        let isDecided =
            !sides.contains { $0.verdict == DirectionAnswer.undecided } && sides.contains { $0.kind != "noPod" }
        verdict =
            sides.contains { $0.verdict == Verdict.deny.rawValue }
            ? Verdict.deny.rawValue
            : !isDecided
                ? DirectionAnswer.undecided
                : sides.contains { $0.verdict == Verdict.dependsOnRequest.rawValue }
                    ? Verdict.dependsOnRequest.rawValue : Verdict.allow.rawValue
        self.flow = flow
        self.egress = egress
        self.ingress = ingress
        note = notes.isEmpty ? nil : notes.joined(separator: "; ")
    }
}

/// One direction's decision.
public struct DirectionAnswer: Codable, Sendable, Hashable {
    /// The ``verdict`` if it is unknown what the pod's policies decide.
    public static let undecided = "undecided"

    /// `allow`, `deny`, `depends` or `undecided`.
    public var verdict: String
    /// What decided: the kind of `rule`, or, if no pod's policies decide, `samePod` (both ends are one pod),
    /// `hostNetwork` (the pod has its node's address), `noPod` (no pod has the address) or `undecided`.
    public var kind: String
    /// One sentence for a person.
    public var reason: String
    /// The pod of this side, as `namespace/name`.
    public var endpoint: String?
    /// True for a pod on another node: the verdict is by the policies that this node knows, which may differ from those
    /// of that node. Otherwise nil.
    public var elsewhere: Bool?
    /// What decided, if a pod's policies did.
    public var rule: RuleAnswer?
    /// The rule of a policy in audit that would deny what is allowed; left out if there is none.
    public var wouldDeny: RuleAnswer?

    public init(
        verdict: Verdict, kind: String, reason: String, endpoint: EndpointName?, identity: RuleIdentity?,
        wouldDeny: RuleIdentity? = nil, isElsewhere: Bool = false
    ) {
        self.verdict = verdict.rawValue
        self.kind = kind
        self.reason = reason
        self.endpoint = endpoint?.description
        elsewhere = isElsewhere ? true : nil
        rule = identity.map { RuleAnswer($0) }
        self.wouldDeny = wouldDeny.map { RuleAnswer($0) }
    }

    /// A side that cannot be decided.
    public init(undecided reason: String, endpoint: EndpointName?) {
        verdict = Self.undecided
        kind = Self.undecided
        self.reason = reason
        self.endpoint = endpoint?.description
    }
}
