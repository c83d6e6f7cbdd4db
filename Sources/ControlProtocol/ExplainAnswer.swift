// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Explanations
import PolicyModel

/// Answer of `GET /v1/explain` and of `bulkheadctl explain`: a verdict with everything that was tried on the way to it.
public struct ExplainAnswer: Codable, Sendable, Hashable {
    /// The answer of `GET /v1/verdict` to the same question, with what the kernel says.
    public var verdict: VerdictAnswer
    /// How the source pod's policies decide; left out if they do not.
    public var egress: ExplainedDirection?
    /// How the destination pod's policies decide; left out if they do not.
    public var ingress: ExplainedDirection?
    /// For a Service: each of its backend pods. The other fields are then about the one that `verdict` is about.
    public var backends: [BackendAnswer]?

    public init(verdict: VerdictAnswer, egress: DirectionTrace?, ingress: DirectionTrace?) {
        self.verdict = verdict
        self.egress = egress.map { ExplainedDirection($0) }
        self.ingress = ingress.map { ExplainedDirection($0) }
    }
}

/// The verdict for one backend pod of a Service.
public struct BackendAnswer: Codable, Sendable, Hashable {
    /// `namespace/name`, or an address without a pod.
    public var pod: String
    /// The port that receives the packet.
    public var port: Int
    public var verdict: String
    /// Why, in one sentence.
    public var reason: String

    /// - Parameter answer: the answer for a flow to this pod and port.
    public init(pod: String, port: Int, answer: VerdictAnswer) {
        self.pod = pod
        self.port = port
        verdict = answer.verdict
        let sides = [answer.egress, answer.ingress].compactMap(\.self)
        reason = (sides.first { $0.verdict == answer.verdict && $0.kind != "noPod" } ?? sides.first)?.reason ?? ""
    }
}

/// How one pod's policies decide about one direction of a flow.
public struct ExplainedDirection: Codable, Sendable, Hashable {
    /// The pod, as `namespace/name`.
    public var endpoint: String
    /// The tiers that have rules for the pod, in order of evaluation. Empty: nothing was tried, and the verdict's
    /// reason says why.
    public var tiers: [ExplainedTier]
    /// The tiers with the policies in audit enforced, if these would deny what is allowed. Otherwise left out.
    public var audit: [ExplainedTier]?

    public init(_ trace: DirectionTrace) {
        endpoint = trace.decision.endpoint.description
        tiers = trace.tiers.map { ExplainedTier($0, trace) }
        audit = trace.audit.isEmpty ? nil : trace.audit.map { ExplainedTier($0, trace) }
    }
}

/// What became of a flow in one tier.
public struct ExplainedTier: Codable, Sendable, Hashable {
    /// `Admin`, `NetworkPolicy`, `Baseline` or `Authorization`.
    public var tier: String
    /// What ended it: `allow`, `deny`, `pass`, `isolate`, `depends`, `noMatch` or `notReached`.
    public var outcome: String
    /// The same as a sentence.
    public var text: String
    /// What decided; left out if nothing did.
    public var rule: RuleAnswer?
    /// The rules that were tried, in order, without `leftOut`.
    public var rules: [ExplainedRule]
    /// How many more rules were tried and do not match.
    public var leftOut: Int
    /// How many rules follow the one that decided.
    public var notTried: Int
    /// `leftOut` and `notTried` in words; left out if both are 0.
    public var rest: String?

    init(_ trace: TierTrace, _ direction: DirectionTrace) {
        tier = trace.tier.name
        outcome = trace.outcome.word
        text = trace.text
        rule = trace.outcome.identity.map { RuleAnswer($0) }
        rules = trace.rules.map { ExplainedRule($0, direction) }
        leftOut = trace.leftOut
        notTried = trace.notTried
        rest = trace.restText
    }
}

/// One rule that was tried, and which of its conditions the flow meets.
public struct ExplainedRule: Codable, Sendable, Hashable {
    public var rule: RuleAnswer
    /// The rule's number in the tables.
    public var number: Int
    /// `allow`, `deny` or `pass`.
    public var action: String
    public var matches: Bool
    public var peerMatches: Bool
    public var portMatches: Bool
    /// Left out if the rule asks nothing of a request, or the question gives none.
    public var requestMatches: Bool?
    /// The peers and ports that it asks for, in words.
    public var peers: String
    public var ports: String
    /// What the other end lacks, for each of the peers that come nearest; left out where it is not known.
    public var lacks: [[UnmetAnswer]]?
    /// All of this as a sentence.
    public var text: String

    init(_ trace: RuleTrace, _ direction: DirectionTrace) {
        rule = RuleAnswer(trace.identity)
        number = Int(trace.rule.rawValue)
        action = trace.action.rawValue
        matches = trace.matches
        peerMatches = trace.meetsPeer
        portMatches = trace.meetsPort
        requestMatches = trace.meetsRequest
        peers = trace.peers
        ports = trace.ports
        lacks = trace.misses.isEmpty ? nil : trace.misses.map { $0.unmet.map { UnmetAnswer($0) } }
        text = trace.text(for: direction.flow)
    }
}

/// One condition on a pod or an address that is not met.
public struct UnmetAnswer: Codable, Sendable, Hashable {
    /// `label`, `namespaceLabel`, `namespace`, `serviceAccount` or `address`.
    public var condition: String
    /// The label's key; left out for other conditions.
    public var key: String?
    /// `anyOf` or `noneOf` the values that are wanted, `present`, `absent`, or `pod`: an address of a pod.
    public var need: String
    /// Empty unless `need` is `anyOf` or `noneOf`.
    public var wanted: [String]
    /// What there is instead; left out if there is nothing.
    public var got: String?

    init(_ unmet: UnmetCondition) {
        switch unmet.subject {
        case .label(let key): (condition, self.key) = ("label", key)
        case .namespaceLabel(let key): (condition, self.key) = ("namespaceLabel", key)
        case .namespace: condition = "namespace"
        case .serviceAccount: condition = "serviceAccount"
        case .address: condition = "address"
        }
        switch unmet.need {
        case .anyOf(let values): (need, wanted) = ("anyOf", values)
        case .noneOf(let values): (need, wanted) = ("noneOf", values)
        case .present: (need, wanted) = ("present", [])
        case .absent: (need, wanted) = ("absent", [])
        case .pod: (need, wanted) = ("pod", [])
        }
        got = unmet.got
    }
}

extension TierTrace.Outcome {
    fileprivate var word: String {
        switch self {
        case .allow: "allow"
        case .deny: "deny"
        case .pass: "pass"
        case .isolate: "isolate"
        case .handOver: "depends"
        case .noMatch: "noMatch"
        case .notReached: "notReached"
        }
    }
}
