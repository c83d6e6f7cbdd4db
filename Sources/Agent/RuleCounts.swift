// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import PolicyModel

/// What each rule has counted since the daemon started, or since the tables that it took over were created. A rule's
/// own counter disappears with the rule, and with tables that others remove; the sums here stay, so that an edit that
/// adds a rule again does not forget what it has denied.
struct RuleCounts {
    /// How many rules that are gone keep their sums: the latest ones.
    static let goneLimit = 2048

    /// The rule of each number, for readings after the policy has changed.
    private var identities: [RuleID: RuleIdentity] = [:]
    private var present: Set<RuleIdentity> = []
    /// Last values of counters that are gone or started again.
    private var carried: [RuleIdentity: RuleCounter] = [:]
    private var last: [RuleIdentity: RuleCounter] = [:]
    /// Rules that are gone, oldest first.
    private var gone: [RuleIdentity] = []

    /// Records which numbers belong to which rules now.
    mutating func note(_ delta: CompiledDelta, of policy: borrowing CompiledPolicy) {
        for id in delta.removedRules where policy.rules[id] == nil {
            guard let identity = identities.removeValue(forKey: id) else { continue }
            present.remove(identity)
            // Its counter goes with its number. If the rule comes back, it has a new one, which may be the greater one
            // by the next reading.
            if let before = last.removeValue(forKey: identity) { carry(before, of: identity) }
        }
        for id in delta.addedRules {
            guard let identity = policy.rules[id]?.identity else { continue }
            identities[id] = identity
            present.insert(identity)
        }
    }

    /// The same for a policy as a whole.
    mutating func note(all policy: borrowing CompiledPolicy) {
        identities = policy.rules.mapValues(\.identity)
        present = Set(identities.values)
    }

    /// Whether any rules were recorded, so that a reading has a meaning.
    var areKnown: Bool { !identities.isEmpty }

    /// Whether the rule was in force at the last record.
    func isPresent(_ rule: RuleIdentity) -> Bool { present.contains(rule) }

    /// Applies a reading of all counters.
    ///
    /// - Returns: what each rule has counted since the last reading. A counter with fewer packets than before has
    ///   started again.
    mutating func take(_ reading: [RuleID: RuleCounter]) -> [RuleIdentity: UInt64] {
        var now: [RuleIdentity: RuleCounter] = [:]
        for (id, counter) in reading {
            guard let identity = identities[id] else { continue }
            now[identity, default: RuleCounter()] += counter
        }
        for (identity, before) in last where (now[identity]?.packets ?? 0) < before.packets {
            carry(before, of: identity)
        }
        let added = now.map { identity, counter in
            let before = last[identity]?.packets ?? 0
            return (identity, counter.packets >= before ? counter.packets - before : counter.packets)
        }
        last = now
        while gone.count > Self.goneLimit { carried[gone.removeFirst()] = nil }
        return Dictionary(uniqueKeysWithValues: added)
    }

    private mutating func carry(_ counter: RuleCounter, of identity: RuleIdentity) {
        guard counter.packets > 0 else { return }
        if carried[identity] == nil { gone.append(identity) }
        carried[identity, default: RuleCounter()] += counter
    }

    /// Forgets what rules have counted, because their counters start again.
    mutating func restart(_ rules: Set<RuleIdentity>) {
        for rule in rules { (carried[rule], last[rule]) = (nil, nil) }
        gone.removeAll { rules.contains($0) }
    }

    /// The sum of a rule, at the last reading.
    subscript(_ identity: RuleIdentity) -> RuleCounter {
        var sum = carried[identity] ?? RuleCounter()
        if let counter = last[identity] { sum += counter }
        return sum
    }

    /// Rules that have counted and are no longer in force.
    var goneRules: [(rule: RuleIdentity, counter: RuleCounter)] {
        carried.keys.filter { !present.contains($0) }.map { ($0, self[$0]) }.filter { $0.1.packets > 0 }
    }
}

extension RuleCounter {
    static func += (a: inout RuleCounter, b: RuleCounter) {
        a.packets &+= b.packets
        a.bytes &+= b.bytes
    }
}
