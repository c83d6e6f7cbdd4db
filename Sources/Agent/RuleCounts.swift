// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import PolicyModel

/// What each rule has counted since the daemon started, or since the tables that it took over were made. A rule's own
/// counter goes with the rule, and with tables that somebody else removes; the sums here stay, so that an edit that
/// brings a rule back does not forget what it has stopped.
struct RuleCounts {
    /// Rules that are gone of which the sums are kept: the ones that went last.
    static let goneLimit = 2048

    /// Who has which number, for readings after the policy has moved on.
    private var identities: [RuleID: RuleIdentity] = [:]
    private var present: Set<RuleIdentity> = []
    /// What counters had reached that are gone or began anew.
    private var carried: [RuleIdentity: RuleCounter] = [:]
    private var last: [RuleIdentity: RuleCounter] = [:]
    /// Rules that are gone, the oldest first.
    private var gone: [RuleIdentity] = []

    /// Notes which numbers belong to which rules now.
    mutating func note(_ delta: CompiledDelta, of policy: borrowing CompiledPolicy) {
        for id in delta.removedRules where policy.rules[id] == nil {
            if let identity = identities.removeValue(forKey: id) { present.remove(identity) }
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

    /// Whether any rules were noted, so that a reading says something.
    var areKnown: Bool { !identities.isEmpty }

    /// Whether the rule was in force at the last note.
    func isPresent(_ rule: RuleIdentity) -> Bool { present.contains(rule) }

    /// Takes in a reading of all counters.
    ///
    /// - Returns: what each rule has counted since the last reading. A counter that shows fewer packets than before
    ///   began anew.
    mutating func take(_ reading: [RuleID: RuleCounter]) -> [RuleIdentity: UInt64] {
        var now: [RuleIdentity: RuleCounter] = [:]
        for (id, counter) in reading {
            guard let identity = identities[id] else { continue }
            now[identity, default: RuleCounter()] += counter
        }
        for (identity, before) in last where (now[identity]?.packets ?? 0) < before.packets {
            if carried[identity] == nil { gone.append(identity) }
            carried[identity, default: RuleCounter()] += before
        }
        let added = now.map { identity, counter in
            let before = last[identity]?.packets ?? 0
            return (identity, counter.packets >= before ? counter.packets - before : counter.packets)
        }
        last = now
        while gone.count > Self.goneLimit { carried[gone.removeFirst()] = nil }
        return Dictionary(uniqueKeysWithValues: added)
    }

    /// The sum of a rule, at the last reading.
    subscript(_ identity: RuleIdentity) -> RuleCounter {
        var sum = carried[identity] ?? RuleCounter()
        if let counter = last[identity] { sum += counter }
        return sum
    }

    /// Rules that have counted and are in force no more.
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
