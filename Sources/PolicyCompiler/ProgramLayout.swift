// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import PolicyModel

/// A program's rules, prepared for filling rows: a row is a distinct set of rules that match by peer, a column a
/// distinct set that match by port, a cell the first match through the tiers and, where these allow, the first match in
/// authorization. If there are policies in audit, the tiers that include them follow as a second part; a cell then
/// combines the answers of both.
struct ProgramLayout: Sendable {
    struct Rule: Sendable {
        var tier: Int
        var action: RuleAction
        /// Whether the rule reads the request: its flows go to the proxy.
        var readsRequest: Bool
        var id: RuleID
        /// What must hold of the peer's sets, if that is more than membership of one set by which the rule is found.
        var terms: [PeerTerm]?
        /// Columns whose ports the rule matches.
        var columns: [Int] = []
    }

    var rules: [Rule] = []
    /// What ends each tier.
    var denies: [RuleID?] = []
    private var layers: [Tier] = []
    /// The number of tiers in force; the others include the policies in audit.
    private let enforcedTiers: Int
    /// Rules that match every peer, in order.
    private var anyPeer: [UInt32] = []
    /// Rules whose terms only exclude peers, in order.
    private var excluding: [UInt32] = []
    private var rulesOfSet: [PeerSetID: [UInt32]] = [:]
    private(set) var columnCount = 1
    private(set) var rows: [[UInt32]: UInt16] = [:]
    /// The rule of rows that do not fit: it denies.
    private let overLimit: RuleID

    /// The sets by which a class's row may differ from that of no set.
    private(set) var peerSets: Set<PeerSetID> = []

    /// - Parameters:
    ///   - columnsOfRule: the columns that each rule matches.
    ///   - overLimit: the rule that denies if a row does not fit.
    init(
        _ content: ProgramContent, ids: (RuleIdentity) -> RuleID, columnsOfRule: [[Int]], columnCount: Int,
        overLimit: RuleID
    ) {
        self.columnCount = columnCount
        self.overLimit = overLimit
        enforcedTiers = content.audit == nil ? .max : content.tiers.count
        for (number, tier) in content.allTiers.enumerated() {
            for rule in tier.rules {
                let index = UInt32(rules.count)
                var layout = Rule(
                    tier: number, action: rule.action, readsRequest: rule.request != nil, id: ids(rule.identity),
                    columns: columnsOfRule[Int(index)])
                peerSets.formUnion(rule.peers.sets)
                switch rule.peers {
                case .any: anyPeer.append(index)
                case .sets(let sets): for set in sets { rulesOfSet[set, default: []].append(index) }
                case .terms(let terms):
                    layout.terms = terms
                    if let found = terms.first(where: { !$0.isExcluded }) {
                        for set in found.sets { rulesOfSet[set, default: []].append(index) }
                    } else {
                        excluding.append(index)
                    }
                }
                rules.append(layout)
            }
            denies.append(tier.otherwiseDeny.map(ids))
            layers.append(tier.tier)
        }
    }

    /// Rules that match members of exactly these sets, in order.
    private func matching(_ sets: [PeerSetID]) -> [UInt32] {
        var result = anyPeer + excluding
        for set in sets { if let list = rulesOfSet[set] { result += list } }
        guard result.count > anyPeer.count else { return result }
        result.sort()
        var last: UInt32?
        result.removeAll { rule in
            defer { last = rule }
            return rule == last || !(rules[Int(rule)].terms?.allSatisfy { $0.holds(for: sets) } ?? true)
        }
        return result
    }

    /// The row of a class with these sets, which is added to `cells` if missing. Row 0 must be that of no set.
    mutating func row(of sets: [PeerSetID], cells: inout [Cell]) -> UInt16 {
        let matching = matching(sets)
        if let row = rows[matching] { return row }
        let number = cells.count / columnCount
        guard number < CompilerLimits.rowsPerProgram,
            cells.count + columnCount <= CompilerLimits.cellsPerProgram
        else {
            // The last row that 16 bits can name is kept for this.
            if !isOverLimit { cells += [Cell](repeating: Cell(.deny, by: overLimit), count: columnCount) }
            isOverLimit = true
            return UInt16(cells.count / columnCount - 1)
        }
        rows[matching] = UInt16(number)
        cells += fill(matching)
        return UInt16(number)
    }

    /// Whether rows were left out.
    private(set) var isOverLimit = false

    private func fill(_ matching: [UInt32]) -> [Cell] {
        guard enforcedTiers != .max else { return fill(matching[...], denies.indices) }
        let (enforced, audit) = parts(matching)
        return enforced.indices.map { column in
            let isAudited = enforced[column].verdict == .allow && audit[column].verdict == .deny
            guard isAudited else { return enforced[column] }
            var cell = audit[column]
            cell.action = .audit
            return cell
        }
    }

    private func parts(_ matching: [UInt32]) -> (enforced: [Cell], audit: [Cell]) {
        let split = matching.firstIndex { rules[Int($0)].tier >= enforcedTiers } ?? matching.endIndex
        return (
            fill(matching[..<split], 0..<enforcedTiers),
            fill(matching[split...], enforcedTiers..<denies.count)
        )
    }

    private func fill(_ matching: ArraySlice<UInt32>, _ tiers: Range<Int>) -> [Cell] {
        var result = [Cell?](repeating: nil, count: columnCount)
        var authorized = result
        var passed = [Int](repeating: -1, count: columnCount)
        var index = matching.startIndex
        for tier in tiers {
            while index < matching.endIndex, rules[Int(matching[index])].tier == tier {
                let rule = rules[Int(matching[index])]
                index += 1
                if layers[tier] == .authorization {
                    for column in rule.columns where authorized[column] == nil { authorized[column] = rule.cell }
                    continue
                }
                for column in rule.columns where result[column] == nil && passed[column] != tier {
                    switch rule.action {
                    case .allow: result[column] = cell(.allow, by: rule.id, in: tier)
                    case .deny: result[column] = cell(.deny, by: rule.id, in: tier)
                    case .pass: passed[column] = tier
                    }
                }
            }
            guard let deny = denies[tier] else { continue }
            for column in result.indices where result[column] == nil && passed[column] != tier {
                result[column] = cell(.deny, by: deny, in: tier)
            }
        }
        return zip(result, authorized).map { Self.both($0 ?? Cell(.allow, by: .noPolicy), $1) }
    }

    private func cell(_ action: CellAction, by rule: RuleID, in tier: Int) -> Cell {
        Cell(action, by: rule, neverDeniesItself: layers[tier] == .networkPolicy)
    }

    /// Both answers must allow. Where both do, the cell names the tiers' rule, or authorization's if no tier decided.
    private static func both(_ tiers: Cell, _ authorization: Cell?) -> Cell {
        guard let authorization, tiers.action == .allow else { return tiers }
        return authorization.action != .allow || tiers.rule == .noPolicy ? authorization : tiers
    }
}

extension ProgramLayout.Rule {
    /// What the rule says in authorization, which never keeps a pod from itself.
    fileprivate var cell: Cell {
        let action: CellAction = readsRequest ? .handOver : action == .allow ? .allow : .deny
        return Cell(action, by: id, neverDeniesItself: true)
    }
}
