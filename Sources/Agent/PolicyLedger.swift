// SPDX-License-Identifier: Apache-2.0
import PolicyModel

/// Packets that each policy has denied, within a bounded number of series.
///
/// Unlike ``PacketLedger``, a packet that no rule allowed counts for each policy that isolates the pod, because each of
/// them is a reason. So these counts do not add up to the packets denied.
struct PolicyLedger {
    /// The labels of the metric.
    struct Series: Hashable, Comparable {
        var direction: Direction
        var policy: PolicyReference

        static func < (a: Self, b: Self) -> Bool {
            a.policy == b.policy ? a.direction.rawValue < b.direction.rawValue : a.policy < b.policy
        }
    }

    /// How many policies have series of their own at a time; all others are added up as ``others``.
    static let policyLimit = 100
    static let others = PolicyReference(kind: "", namespace: "", name: "other")

    /// What the metric shows, as of the last ``publish(inForce:)``.
    private(set) var totals: [Series: UInt64] = [:]
    /// What was counted since then. A policy that is removed and added again between two scrapes so goes on.
    private var unpublished: [Series: UInt64] = [:]

    /// Adds what was counted since the last time. The metric shows it with the next ``publish(inForce:)``.
    ///
    /// - Parameter added: of each rule that denies and is in the tables, also of those that have counted nothing.
    mutating func add(_ added: [(rule: RuleIdentity, direction: Direction, packets: UInt64)]) {
        var present: Set<Series> = []
        for (rule, direction, packets) in added {
            for policy in rule.policies {
                let series = Series(direction: direction, policy: policy)
                present.insert(series)
                unpublished[series, default: 0] += packets
            }
        }
        // Policies may come and go while nothing scrapes.
        unpublished = unpublished.filter { present.contains($0.key) || totals[$0.key] != nil }
    }

    /// Brings the metric up to date, for a scrape. A policy gets a series once it has denied a packet. The series of
    /// those that are no longer in force here end, and make room for others at once; ``others`` never ends.
    ///
    /// - Parameter inForce: the series of policies that deny in the programs of endpoints; nil while the kernel holds
    ///   older policy: none ends then. The rules of a removed policy stay in the tables until the next step of the
    ///   compiler, so what is in the tables says too little.
    mutating func publish(inForce: Set<Series>?) {
        if let inForce {
            totals = totals.filter { $0.key.policy == Self.others || inForce.contains($0.key) }
            unpublished = unpublished.filter { inForce.contains($0.key) }
        }
        var policies = Set(totals.keys.map(\.policy)).subtracting([Self.others])
        for (series, count) in unpublished.sorted(by: { $0.key < $1.key }) where count > 0 {
            var series = series
            if policies.contains(series.policy) || policies.count < Self.policyLimit {
                policies.insert(series.policy)
            } else {
                series.policy = Self.others
            }
            totals[series, default: 0] += count
        }
        unpublished = [:]
    }
}
