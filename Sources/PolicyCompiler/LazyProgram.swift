// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import NetworkTypes
import PolicyModel

/// A program whose rows are filled when a question first needs them: for questions over a whole cluster, which has more
/// programs and classes than matrices of all of them would fit. Rows and cells come from the same layout as a node's.
package struct LazyProgram: Sendable {
    /// A run of ports of one protocol that is one column.
    package struct Segment: Sendable {
        package var ports: ProtocolPorts
        package var column: Int
    }

    /// What a cell says.
    package struct Answer: Sendable, Hashable {
        package var verdict: Verdict
        package var rule: RuleIdentity
        /// The rule in audit that would deny what ``rule`` allows.
        package var wouldDeny: RuleIdentity?
    }

    /// A rule of authorization that matches a flow, with what it asks of a request.
    package struct RequestRule: Sendable, Hashable {
        package var action: RuleAction
        package var request: RequestMatch?
        package init(action: RuleAction, request: RequestMatch?) {
            self.action = action
            self.request = request
        }
    }

    /// For TCP, UDP and SCTP each, in order and without gaps, all ports. All other protocols are in column 0.
    package let segments: [Segment]
    private let resolved: ResolvedDirection
    private let identities: [RuleIdentity]
    private var layout: ProgramLayout
    private var cells: [Cell] = []

    package init(_ resolved: ResolvedDirection, _ direction: Direction) {
        let content = ProgramContent(direction: direction, tiers: resolved.tiers, audit: resolved.audit)
        let columns = PortColumns(content.allTiers.flatMap(\.rules))
        var identities = [RuleIdentity.noPolicy(direction)]
        var numbers: [RuleIdentity: RuleID] = [:]
        func number(_ identity: RuleIdentity) -> RuleID {
            if let number = numbers[identity] { return number }
            let number = RuleID(rawValue: UInt32(identities.count))
            identities.append(identity)
            numbers[identity] = number
            return number
        }
        self.resolved = resolved
        segments = columns.segments
        layout = ProgramLayout(
            content, ids: number, columnsOfRule: columns.columnsOfRule, columnCount: columns.count,
            overLimit: number(.overLimit(direction)))
        self.identities = identities
        // Row 0 is that of no set.
        _ = layout.row(of: [], cells: &cells)
    }

    /// The row of addresses that are members of exactly these sets. Nil if the program has no room for it.
    package mutating func row(of sets: [PeerSetID]) -> Int? {
        let row = Int(layout.row(of: sets, cells: &cells))
        return layout.isOverLimit ? nil : row
    }

    /// What the cell of a row and a column says.
    ///
    /// - Parameter sets: those of the row.
    package func answer(row: Int, column: Int, sets: [PeerSetID]) -> Answer {
        let cell = cells[row * layout.columnCount + column]
        let identity = identities[Int(cell.rule.rawValue)]
        guard cell.wouldDeny else { return Answer(verdict: cell.verdict, rule: identity, wouldDeny: nil) }
        return Answer(verdict: .allow, rule: allowing(sets, column), wouldDeny: identity)
    }

    /// The rules of authorization that match by peer and port, in order of evaluation.
    package func requestRules(column: Int, sets: [PeerSetID]) -> [RequestRule] {
        matching(sets, column).filter { $0.tier == .authorization }.map {
            RequestRule(action: $0.rule.action, request: $0.rule.request)
        }
    }

    /// What allows by the rules in force, where a rule in audit has the cell.
    private func allowing(_ sets: [PeerSetID], _ column: Int) -> RuleIdentity {
        var passed: Tier?
        for (tier, rule) in matching(sets, column) where tier != passed {
            if rule.action == .allow { return rule.identity }
            passed = tier
        }
        return identities[0]
    }

    /// The rules in force that match by peer and port.
    private func matching(_ sets: [PeerSetID], _ column: Int) -> [(tier: Tier, rule: ResolvedRule)] {
        var result: [(tier: Tier, rule: ResolvedRule)] = []
        var index = 0
        for tier in resolved.tiers {
            for rule in tier.rules {
                if layout.rules[index].columns.contains(column), rule.peers.matches(sets) {
                    result.append((tier.tier, rule))
                }
                index += 1
            }
        }
        return result
    }
}

/// The columns of some rules: the distinct sets of rules that match by port. In column 0 are the rules for all ports
/// alone.
private struct PortColumns {
    private(set) var segments: [LazyProgram.Segment] = []
    private(set) var columnsOfRule: [[Int]]
    var count: Int { numbers.count }
    private var numbers: [[Int]: Int] = [[]: 0]

    init(_ rules: [ResolvedRule]) {
        columnsOfRule = [[Int]](repeating: [], count: rules.count)
        for ipProtocol in IPProtocol.withPorts { add(ipProtocol, rules) }
        let all = Array(0..<numbers.count)
        for (index, rule) in rules.enumerated() where rule.ports == .any { columnsOfRule[index] = all }
    }

    private mutating func add(_ ipProtocol: IPProtocol, _ rules: [ResolvedRule]) {
        // By port: the rules of which a range begins or ends there.
        var changes: [Int: [(rule: Int, difference: Int)]] = [:]
        for (index, rule) in rules.enumerated() {
            guard case .ports(let list) = rule.ports else { continue }
            for ports in list where ports.ipProtocol == ipProtocol {
                changes[Int(ports.range.first), default: []].append((index, 1))
                changes[Int(ports.range.last) + 1, default: []].append((index, -1))
            }
        }
        var active: [Int: Int] = [:]
        var start = 0
        func ends(_ end: Int) {
            guard end > start else { return }
            let column = column(of: active.filter { $0.value > 0 }.keys.sorted())
            let range = PortRange(UInt16(start), UInt16(end - 1))
            if let last = segments.last, last.column == column, last.ports.ipProtocol == ipProtocol {
                segments[segments.count - 1].ports.range = PortRange(last.ports.range.first, range.last)
            } else {
                segments.append(.init(ports: ProtocolPorts(ipProtocol, range), column: column))
            }
            start = end
        }
        for port in changes.keys.sorted() {
            ends(port)
            for change in changes[port] ?? [] { active[change.rule, default: 0] += change.difference }
        }
        ends(65536)
    }

    private mutating func column(of matching: [Int]) -> Int {
        if let column = numbers[matching] { return column }
        let column = numbers.count
        numbers[matching] = column
        for rule in matching { columnsOfRule[rule].append(column) }
        return column
    }
}
