// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import ControlProtocol
import PolicyModel

/// Since when each rule counts, as far as this daemon knows: a rule that has matched nothing says little without it.
///
/// A datapath that takes over a previous run's tables goes on with their counters. How old these are is not kept; that
/// they are older than the daemon is.
struct RuleAges {
    struct Age: Hashable {
        var since: String
        /// Whether the counter is older than the daemon.
        var isInherited: Bool
        /// Requests that it had decided by then: their counts have no restart of their own.
        var requestsBefore: UInt64 = 0
    }

    /// How many rules that are gone keep their age, for when an edit adds them again: their sums are kept too.
    private static let goneLimit = 4096

    private var ages: [RuleIdentity: Age] = [:]
    private var identities: [RuleID: RuleIdentity] = [:]
    /// Oldest first.
    private var gone: [RuleIdentity] = []
    /// Rules of the tables that were taken over, until the first policy as a whole.
    private var inherited: Set<StableKey> = []
    /// Rules that an edit has changed and that still show what they counted before.
    var edited: Set<RuleIdentity> = []

    /// Nil for a rule that is not in the tables.
    subscript(_ rule: RuleIdentity) -> Age? { ages[rule] }

    /// Records what a previous run has left.
    mutating func adopt(_ numbering: Numbering) { inherited = Set(numbering.rules.keys) }

    /// Records the rules of a step.
    mutating func note(_ delta: CompiledDelta, of policy: borrowing CompiledPolicy) {
        guard !delta.addedRules.isEmpty || !delta.removedRules.isEmpty else { return }
        let now = RFC3339.now()
        for id in delta.removedRules where policy.rules[id] == nil {
            if let identity = identities.removeValue(forKey: id) { gone.append(identity) }
        }
        for id in delta.addedRules {
            if let rule = policy.rules[id] { add(id, rule, now) }
        }
        forgetOldest()
    }

    /// The same for a policy as a whole.
    mutating func note(all policy: borrowing CompiledPolicy) {
        let now = RFC3339.now()
        let present = Set(policy.rules.values.map(\.identity))
        gone += identities.values.filter { !present.contains($0) }
        identities = [:]
        for (id, rule) in policy.rules { add(id, rule, now) }
        inherited = []
        forgetOldest()
    }

    /// Edited rules count from now on.
    ///
    /// - Parameter requests: how many requests a rule has decided.
    mutating func restart(_ rules: Set<RuleIdentity>, requests: (RuleIdentity) -> UInt64) {
        let now = RFC3339.now()
        for rule in rules {
            ages[rule] = ages[rule].map { _ in
                Age(since: now, isInherited: false, requestsBefore: requests(rule))
            }
        }
        edited.subtract(rules)
    }

    private mutating func add(_ id: RuleID, _ rule: CompiledRule, _ now: String) {
        identities[id] = rule.identity
        guard ages[rule.identity] == nil else { return }
        ages[rule.identity] = Age(since: now, isInherited: inherited.contains(rule.key))
    }

    private mutating func forgetOldest() {
        guard gone.count > Self.goneLimit else { return }
        let present = Set(identities.values)
        for rule in gone.prefix(gone.count - Self.goneLimit) where !present.contains(rule) { ages[rule] = nil }
        gone.removeFirst(gone.count - Self.goneLimit)
    }
}
