// SPDX-License-Identifier: Apache-2.0
import PolicyModel

/// Answers about rules from the cells where they match.
final class RuleMeetings {
    typealias Rule = RuleCells.Rule
    typealias Match = RuleCells.Match

    enum Judgment: Equatable {
        /// Or it matches nothing, which other checks report.
        case needed
        /// Without it every verdict is the same, because these decide as it does.
        case covered(by: [Rule])
        /// It never decides in its tier, because these decide before.
        case unreachable(by: [Rule])
        /// Everything that it allows is denied by these.
        case contradicted(by: [Rule])
    }

    private let all: Set<[Match]>
    private let byRule: [Rule: [[Match]]]
    private var removed: Set<Rule> = []
    /// Whether a rule leaves the Admin tier: what this tier denies may then pass for some pods after all.
    private let hasPass: Bool

    init(_ cells: RuleCells) {
        all = cells.cells
        var byRule: [Rule: [[Match]]] = [:]
        for cell in cells.cells {
            for rule in Set(cell.map(\.rule)) { byRule[rule, default: []].append(cell) }
        }
        self.byRule = byRule
        hasPass = cells.cells.contains { $0.contains { $0.action == .pass } }
    }

    /// Regards a rule as removed from now on: of two equal ones, only one is pointless.
    func remove(_ rule: Rule) { removed.insert(rule) }

    func judge(_ rule: Rule) -> Judgment {
        guard let cells = byRule[rule], let own = cells.first?.first(where: { $0.rule == rule }) else { return .needed }
        switch own.tier {
        case .admin, .baseline:
            return all(cells) { cell in cell.first { $0.tier == own.tier }.flatMap { $0.rule == rule ? nil : [$0] } }
                .map { .unreachable(by: $0) } ?? .needed
        case .networkPolicy, .authorization: return judgeAdded(rule, own, cells)
        }
    }

    /// Rules of one action add up: their order does not matter.
    private func judgeAdded(_ rule: Rule, _ own: Match, _ cells: [[Match]]) -> Judgment {
        // What depends on a request is not compared.
        guard !cells.contains(where: { $0.contains { $0.rule == rule && $0.readsRequests } }) else { return .needed }
        let covering = all(cells) { cell in
            let others = cell.filter { other in
                other.tier == own.tier && other.action == own.action && other.rule != rule && !other.readsRequests
                    && !self.removed.contains(other.rule)
            }
            return others.isEmpty ? nil : others
        }
        if let covering { return .covered(by: covering) }
        guard own.action == .allow else { return .needed }
        let denying = all(cells) { cell in self.denial(in: cell, of: own.tier).map { [$0] } }
        return denying.map { .contradicted(by: $0) } ?? .needed
    }

    /// What denies the flows of a cell before a rule of this tier is asked.
    private func denial(in cell: [Match], of tier: Tier) -> Match? {
        if tier == .authorization {
            return cell.first { $0.tier == .authorization && $0.action == .deny && !$0.readsRequests }
        }
        guard !hasPass, let first = cell.first(where: { $0.tier == .admin }), first.action == .deny else { return nil }
        return first
    }

    /// The rules that `find` names, if it names some in every cell; those of most cells first.
    private func all(_ cells: [[Match]], _ find: ([Match]) -> [Match]?) -> [Rule]? {
        var counts: [Rule: Int] = [:]
        for cell in cells {
            guard let found = find(cell) else { return nil }
            for rule in Set(found.map(\.rule)) { counts[rule, default: 0] += 1 }
        }
        // One rule that covers everything is the whole reason.
        if let single = counts.filter({ $0.value == cells.count }).keys.min(by: Self.isBefore) { return [single] }
        return counts.keys.sorted { a, b in
            counts[a] == counts[b] ? Self.isBefore(a, b) : (counts[a] ?? 0) > (counts[b] ?? 0)
        }
    }

    private static func isBefore(_ a: Rule, _ b: Rule) -> Bool {
        (a.policy, a.direction.rawValue, a.index) < (b.policy, b.direction.rawValue, b.index)
    }

    /// Pairs of rules of one tier and one priority where the first decides and the second would do the opposite. Each
    /// second one once.
    func conflicts(priority: (PolicyReference) -> Int32) -> [(winner: Rule, loser: Rule)] {
        var found: [Rule: Rule] = [:]
        for cell in all {
            for tier in [Tier.admin, .baseline] {
                let own = cell.filter { $0.tier == tier }
                guard let winner = own.first, winner.action != .pass else { continue }
                for other in own.dropFirst()
                where other.action != .pass && other.action != winner.action
                    && other.rule.policy != winner.rule.policy
                    && priority(other.rule.policy) == priority(winner.rule.policy)
                {
                    if let known = found[other.rule], Self.isBefore(known, winner.rule) { continue }
                    found[other.rule] = winner.rule
                }
            }
        }
        return found.map { ($0.value, $0.key) }.sorted { Self.isBefore($0.loser, $1.loser) }
    }
}
