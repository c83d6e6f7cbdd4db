// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import NetworkTypes
import PolicyModel

/// Writes the chains of one program: its rules in order of tiers, then what happens when none matched.
///
/// The dispatch maps jump in. Egress that is allowed returns to the base chain, which goes on with ingress; ingress that
/// is allowed is accepted. A rule that passes goes to a chain that begins after its tier.
struct ChainWriter {
    private var chains: [TableChain] = []
    private let program: Program
    private let otherwise: Cell
    private let rules: [RuleID: CompiledRule]
    private let groups: [[PeerSetID]: PeerGroup]
    private let ports: [[ProtocolPorts]: PortGroup]

    init(
        _ program: Program, _ otherwise: Cell, _ rules: [RuleID: CompiledRule],
        _ groups: [[PeerSetID]: PeerGroup], _ ports: [[ProtocolPorts]: PortGroup]
    ) {
        self.program = program
        self.otherwise = otherwise
        self.rules = rules
        self.groups = groups
        self.ports = ports
    }

    /// The chains, named by `prefix` and a digest of what they do; the first is the one to jump to.
    ///
    /// - Parameter isFree: whether nothing else has this name.
    mutating func write(_ prefix: String, isFree: (String, TableChain) -> Bool) -> [TableChain] {
        write(entry: prefix)
        let digest = Digest.text(chains.map { $0.rules.map(\.description).joined() }.joined())
        var name = "\(prefix)/\(digest)"
        var serial = 1
        write(entry: name)
        while !chains.allSatisfy({ isFree($0.name, $0) }) {
            serial += 1
            name = "\(prefix)/\(digest)-\(serial)"
            write(entry: name)
        }
        return chains
    }

    private mutating func write(entry: String) {
        let comment = "\(program.direction.rawValue) by " + policyNames
        chains = [TableChain(entry, comment: TableName.comment(comment))]
        chains[0].rules.append(TableRule([.verdict(.jump(TableName.transport(program.direction)))]))
        if case .overLimit = identity(otherwise.rule) {
            append(decide(otherwise.verdict, by: otherwise.rule))
            return
        }
        for tier in Tier.allCases {
            writeTier(tier, entry)
            if tier == denyingTier { return append(decide(.deny, by: otherwise.rule)) }
        }
        append(last)
    }

    private var policyNames: String {
        let identities = program.rules.map { identity($0.rule) } + [identity(otherwise.rule)]
        let names = RuleText.policies(identities).map(\.description)
        return names.isEmpty ? "no policy" : names.joined(separator: ", ")
    }

    private func identity(_ rule: RuleID) -> RuleIdentity {
        rules[rule]?.identity ?? .noPolicy(program.direction)
    }

    /// The tier at whose end everything that came so far is denied: NetworkPolicy isolates.
    private var denyingTier: Tier? {
        guard otherwise.verdict == .deny, case .isolation = identity(otherwise.rule) else { return nil }
        return .networkPolicy
    }

    /// What happens after the last tier. When a written rule matches everything, nothing comes here.
    private var last: TableRule {
        if program.rules.contains(where: { $0.rule == otherwise.rule }) {
            return TableRule([.count(TableName.dropped), .count(TableName.inconsistent), .verdict(.drop)])
        }
        return decide(otherwise.verdict, by: otherwise.rule)
    }

    private mutating func writeTier(_ tier: Tier, _ entry: String) {
        let rules = program.rules.filter { $0.tier == tier }
        guard rules.contains(where: { $0.action == .pass }) else {
            for rule in rules { write(rule, afterTier: nil) }
            return
        }
        let next = "\(entry)/after-\(tier)"
        for rule in rules { write(rule, afterTier: next) }
        append(TableRule([.verdict(.go(next))]))
        chains.append(TableChain(next, comment: "What tier \(tier) did not decide"))
    }

    private mutating func write(_ rule: ProgramRule, afterTier next: String?) {
        guard let peers = peerMatches(rule.peers), let ports = portTerms(rule.ports) else { return }
        let statement: TableRule
        switch rule.action {
        case .allow: statement = decide(.allow, by: rule.rule)
        case .deny: statement = decide(.deny, by: rule.rule)
        case .pass:
            let identity = identity(rule.rule)
            statement = TableRule(
                [.count(RuleName.counter(rule.rule, identity)), .verdict(.go(next!))],
                comment: RuleText.comment(identity))
        }
        for match in peers { append(TableRule(match + ports + statement.terms, comment: statement.comment)) }
    }

    /// Nil: nobody matches.
    private func peerMatches(_ peers: PeerMatch) -> [[Term]]? {
        switch peers {
        case .any: [[]]
        case .sets(let ids): ids.isEmpty ? nil : groups[ids.sorted()]?.matches(program.direction)
        }
    }

    /// Nil: nothing matches.
    private func portTerms(_ match: PortMatch) -> [Term]? {
        switch match {
        case .any: []
        case .ports(let list): list.isEmpty ? nil : ports[PortGroup(list).ports]?.terms
        }
    }

    private func decide(_ verdict: Verdict, by rule: RuleID) -> TableRule {
        let identity = identity(rule)
        let comment = RuleText.comment(identity)
        guard verdict == .allow else {
            return TableRule([.verdict(.go(RuleName.denial(rule, identity)))], comment: comment)
        }
        let allowed: ChainVerdict = program.direction == .egress ? .leave : .accept
        return TableRule([.count(RuleName.counter(rule, identity)), .verdict(allowed)], comment: comment)
    }

    private mutating func append(_ rule: TableRule) { chains[chains.count - 1].rules.append(rule) }
}
