// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import PolicyModel

/// How one node decides about a flow, in order of evaluation. A direction is nil where the node hosts no endpoint with
/// that address.
public struct FlowTrace: Sendable, Hashable {
    public var flow: Flow
    public var decision: Decision
    public var egress: DirectionTrace?
    public var ingress: DirectionTrace?

    public init(flow: Flow, decision: Decision, egress: DirectionTrace? = nil, ingress: DirectionTrace? = nil) {
        self.flow = flow
        self.decision = decision
        self.egress = egress
        self.ingress = ingress
    }
}

/// How an endpoint's policies decide about one direction of a flow.
public struct DirectionTrace: Sendable, Hashable {
    public var direction: Direction
    public var flow: Flow
    public var decision: DirectionDecision
    /// ``ProgramID/none`` if no policy selects the endpoint for this direction.
    public var program: ProgramID
    /// The class of the address at the other end.
    public var addressClass: AddressClassID
    public var portClass: PortClassID
    /// The cell of the program's matrix; nil without a program.
    public var cell: Cell?
    /// Every tier with rules, in order of evaluation. Empty without a program, and for a pod and its own address.
    public var tiers: [TierTrace] = []
    /// The tiers as they would be with the policies in audit enforced, if these deny what is allowed.
    public var audit: [TierTrace] = []

    /// The address at the other end.
    public var peer: IPAddress { direction == .ingress ? flow.source : flow.destination }
}

/// What became of a flow in one tier.
public struct TierTrace: Sendable, Hashable {
    /// What ended the tier.
    public enum Outcome: Sendable, Hashable {
        case allow(RuleIdentity)
        case deny(RuleIdentity)
        /// A rule leaves the decision to the next tier.
        case pass(RuleIdentity)
        /// No rule matches, and this denies then.
        case isolate(RuleIdentity)
        /// The first rule that matches reads the request, which the question does not give.
        case handOver(RuleIdentity)
        /// No rule matches, and nothing denies then.
        case noMatch
        /// An earlier tier has decided.
        case notReached
    }
    public var tier: Tier
    public var outcome: Outcome
    /// The rules that were tried, in order of evaluation, without ``leftOut``.
    public var rules: [RuleTrace] = []
    /// How many more rules were tried and did not match.
    public var leftOut = 0
    /// How many rules follow the one that decided.
    public var notTried = 0

    /// Of a tier, this many rules that do not match are kept: those first that nearly match.
    public static let missLimit = 12

    /// - Parameter tier: the tier with these rules.
    public init(tier: Tier, outcome: Outcome) {
        self.tier = tier
        self.outcome = outcome
    }
}

/// A written rule, or what acts as one, and which of its conditions a flow meets.
public struct RuleTrace: Sendable, Hashable {
    public var rule: RuleID
    public var identity: RuleIdentity
    public var action: RuleAction
    public var meetsPeer: Bool
    public var meetsPort: Bool
    /// What the rule asks of a request; nil: nothing.
    public var request: RequestMatch?
    /// Nil: it asks nothing of a request, or the question gives none.
    public var meetsRequest: Bool?
    /// Its peers and ports in words.
    public var peers: String
    public var ports: String
    /// What the other end lacks, for the peers that come nearest; empty where that is not known.
    public var misses: [PeerMiss] = []

    /// Whether all of its conditions hold, as far as they are known.
    public var matches: Bool { meetsPeer && meetsPort && meetsRequest ?? true }

    /// Conditions that do not hold.
    public var unmetCount: Int { (meetsPeer ? 0 : 1) + (meetsPort ? 0 : 1) + (meetsRequest ?? true ? 0 : 1) }
}

/// What one peer of a rule asks of the other end that it does not have.
public struct PeerMiss: Sendable, Hashable {
    /// Not empty.
    public var unmet: [UnmetCondition]
    public init(unmet: [UnmetCondition]) { self.unmet = unmet }
}

/// One condition on a pod or an address that is not met.
public struct UnmetCondition: Sendable, Hashable {
    /// What the condition is about.
    public enum Subject: Sendable, Hashable {
        case label(String)
        case namespaceLabel(String)
        case namespace
        case serviceAccount
        case address
    }
    /// What it asks for.
    public enum Need: Sendable, Hashable {
        case anyOf([String])
        case noneOf([String])
        case present
        case absent
        /// A pod to which policy applies.
        case pod
    }
    public var subject: Subject
    public var need: Need
    /// What there is instead; nil: nothing.
    public var got: String?

    public init(_ subject: Subject, _ need: Need, got: String?) {
        self.subject = subject
        self.need = need
        self.got = got
    }
}
