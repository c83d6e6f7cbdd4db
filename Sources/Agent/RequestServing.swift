// SPDX-License-Identifier: Apache-2.0
import ControlSocket
import RequestPolicy

/// What the agent does for the node's proxy, and what the proxy has reported.
struct RequestServing {
    var followers: Set<RequestFollower> = []
    /// What followers have, or are about to get. Kept in step with the compiler while there are followers.
    var projection = RequestProjection()
    /// Whether ``projection`` has changed since followers were offered it.
    var isDue = false
    /// Whether followers wait for their first state.
    var wasHeld = false
    /// Sends followers the newest state, a moment after a change.
    var publishing: Task<Void, Never>?
    /// Declares the proxy away, a moment after its connection ended.
    var leaving: Task<Void, Never>?
    /// Whether a decider follows, or did a moment ago.
    var isReady = false
    /// Since when flows that need the proxy have been refused, at the last look; nil: none does.
    var missingSince: ContinuousClock.Instant?
    var counts = RequestTotals()

    /// Between a change and what followers get: what changes meanwhile is one batch.
    static let moment: Duration = .milliseconds(5)
    /// How long a connection may be away: the decider connects again at once.
    static let grace: Duration = .seconds(1)

    func stop() {
        publishing?.cancel()
        leaving?.cancel()
    }
}

/// The sums of what deciders have counted since the daemon started.
struct RequestTotals {
    /// What requests are counted by.
    struct Key: Hashable, Comparable {
        var namespace: String
        var name: String
        /// From 0; -1: no rule of the policy allows.
        var rule: Int
        var verdict: RequestCounts.Verdict

        static func < (a: Self, b: Self) -> Bool {
            (a.namespace, a.name, a.rule, a.verdict.rawValue) < (b.namespace, b.name, b.rule, b.verdict.rawValue)
        }
    }

    /// Rules with sums of their own. Further ones count only in ``verdicts``.
    static let ruleLimit = 10_000
    /// Reasons with sums of their own; further ones are added up as `other`.
    static let reasonLimit = 64
    static let otherReasons = "other"
    /// Limits of Kubernetes' names, in bytes: no policy has a longer one.
    private static let nameLimits = (namespace: 63, name: 253)
    /// Characters of a reason.
    private static let reasonLength = 200

    private(set) var rules: [Key: UInt64] = [:]
    private(set) var verdicts: [RequestCounts.Verdict: UInt64] = [:]
    private(set) var refused: [String: UInt64] = [:]

    mutating func add(_ counts: RequestCounts) {
        for count in counts.counts {
            verdicts[count.verdict, default: 0] &+= count.requests
            guard let policy = count.policy, policy.namespace.utf8.count <= Self.nameLimits.namespace,
                policy.name.utf8.count <= Self.nameLimits.name
            else { continue }
            let key = Key(
                namespace: policy.namespace, name: policy.name, rule: count.rule ?? -1, verdict: count.verdict)
            guard rules[key] != nil || rules.count < Self.ruleLimit else { continue }
            rules[key, default: 0] &+= count.requests
        }
        for (reason, number) in counts.refused {
            verdicts[.refuse, default: 0] &+= number
            let reason = String(reason.prefix(Self.reasonLength))
            let isOwn = refused[reason] != nil || refused.count < Self.reasonLimit
            refused[isOwn ? reason : Self.otherReasons, default: 0] &+= number
        }
    }
}
