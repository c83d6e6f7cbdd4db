// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import PolicyModel
import SelfProof

/// The comparison of what the kernel answers with what policy says, all the time.
struct Proving {
    var prover = Prover(seed: .random(in: 0...UInt64.max))
    /// Nil: it is off.
    var pace: ProofPace?
    var task: Task<Void, Never>?
    /// Why the kernel cannot be asked now; nil if it can, or was not asked yet.
    var failure: DatapathError?
    /// Failures in a row.
    var failures = 0
    /// The rest until the next attempt.
    var failureRest: Duration { min(Self.longestFailurePause, Self.failurePause * (1 << min(max(failures - 1, 0), 7))) }
    /// Whether the kernel has ever answered.
    var hasAnswered = false
    /// Disagreements that were not repaired yet.
    var standing: [Disagreement] = []
    /// After a repair that did not help.
    var backoff = RetryBackoff()
    var repairAt: ContinuousClock.Instant?
    /// Packets of each rule at the last reading.
    var packets: [RuleID: UInt64] = [:]
    var countersAt = ContinuousClock.now
    /// When to compare the tables as a whole, or to go on with that.
    var compareAt: ContinuousClock.Instant
    /// The rest that the last part, which ran elsewhere, asks for.
    var compareRest = Duration.zero
    /// Comparisons in a row that came to no end, because the tables changed meanwhile.
    var changedMeanwhile = 0
    /// What makes the kernel ready to be asked, on a thread of its own; nil: nothing does.
    var preparing: Task<Void, Never>?
    /// A part of the comparison that runs on a thread of its own; nil: none does.
    var comparing: Task<Void, Never>?
    /// What an Event says about the last disagreements.
    var burst: DisagreementBurst?

    // Since the start.
    var verified: [Prover.Aim: UInt64] = [:]
    var disagreements: UInt64 = 0
    /// Comparisons of the tables as a whole that came to their end.
    var comparisons: UInt64 = 0
    var processorTime = Duration.zero
    var lastTurn: ContinuousClock.Instant?

    /// The shortest time between two readings of the rules' counters.
    static let counterInterval: Duration = .seconds(30)
    /// The rest while the kernel does not hold the newest policy.
    static let pause: Duration = .milliseconds(500)
    /// The shortest rest after questions that the kernel could not be asked; it doubles with each failure in a row.
    static let failurePause: Duration = .seconds(10)
    static let longestFailurePause: Duration = .seconds(1280)
    /// After so many comparisons in a row without an end, nothing may change during the next one.
    static let changedLimit = 4
    /// How long after the start the first question waits: it loads programs, and pods start meanwhile.
    static let settleTime: Duration = .seconds(30)
    /// Disagreements that are kept to be asked about again.
    static let standingLimit = 32

    init(_ settings: AgentSettings) {
        pace = settings.selfProof > 0 ? ProofPace(share: settings.selfProof / 100) : nil
        compareAt = .now + settings.comparisonInterval
    }
}

/// A question that kernel and policy answer differently.
struct Disagreement: Hashable {
    var question: KernelQuestion
    var expected: ExpectedAnswer
    var answer: KernelAnswer
    var mismatch: Mismatch
}

extension Disagreement: CustomStringConvertible {
    /// "10.0.0.1 -> 10.0.0.2 80/TCP: the kernel says allow, policy says deny".
    var description: String {
        let way =
            switch question.way {
            case .forwarded: ""
            case .toOwnNode: " (to the own node)"
            case .fromOwnNode: " (from the own node)"
            }
        let flow = "\(question.flow)\(way)"
        switch mismatch {
        case .verdict:
            return "\(flow): the kernel says \(answer.verdict.rawValue), policy says \(expected.verdict.rawValue)"
        case .cause(let cause):
            return "\(flow): the kernel drops it (\(cause)), policy says \(expected.verdict.rawValue)"
        case .rule(let direction):
            let told = answer.rules[direction] ?? answer.wouldDeny[direction]
            let side = direction == .egress ? expected.egress : expected.ingress
            return
                "\(flow): \(direction.rawValue) is decided by rule \(told.map { "\($0.rawValue)" } ?? "none") in the "
                + "kernel, and by rule \(side.map { "\($0.rule.rawValue)" } ?? "none") in policy"
        }
    }
}
