// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Netfilter
import NetworkTypes
import PolicyModel

/// Writes the chains of one program: its rules in order of tiers, then what happens if none matches.
///
/// The dispatch maps jump into them. Allowed egress returns to the base chain, which continues with ingress; allowed
/// ingress is accepted. A rule that passes goes to a chain that begins after its tier.
///
/// With policies in audit there are three: one jumps to the rules in force, which return what they allow, and then to
/// the rules with the policies in audit among them, which report what they would deny and return in any case.
///
/// With authorization, what a rule of the tiers allows goes to a chain of that rule, which asks authorization before it
/// counts; see `ChainWriter+Authorization.swift`.
struct ChainWriter {
    /// Rules that decide together.
    struct Part {
        var rules: [ProgramRule]
        /// What denies at the end of a tier.
        var ends: [Tier: RuleID]
        var isAudit = false
        /// What happens to an allowed packet.
        var allowed: ChainVerdict
        /// The rules of the tiers that allow, in order, if authorization decides after them.
        var allowing: [RuleID] = []

        var hasAuthorization: Bool {
            ends[.authorization] != nil || rules.contains { $0.tier == .authorization }
        }
    }

    var chains: [TableChain] = []
    var part: Part
    let program: Program
    private let rules: [RuleID: CompiledRule]
    private let groups: [[PeerSetID]: PeerGroup]
    private let ports: [[ProtocolPorts]: PortGroup]

    init(
        _ program: Program, _ rules: [RuleID: CompiledRule], _ groups: [[PeerSetID]: PeerGroup],
        _ ports: [[ProtocolPorts]: PortGroup]
    ) {
        self.program = program
        self.rules = rules
        self.groups = groups
        self.ports = ports
        part = Part(
            rules: program.rules, ends: program.tierEnds, allowed: program.direction == .egress ? .leave : .accept)
    }

    /// The chains, named by `prefix` and a digest of their content; the first one is the entry.
    ///
    /// - Parameter isFree: whether no other chain has this name.
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
        chains = [TableChain(entry, comment: TableName.comment("\(program.direction.rawValue) by \(policyNames)"))]
        if program.isEnforced { append(TableRule([.verdict(.jump(TableName.transport(program.direction)))])) }
        guard let ends = program.auditTierEnds else { return writeRules(entry) }
        let allowed = part.allowed
        let (inForce, inAudit) = ("\(entry)/enforced", "\(entry)/audit")
        append(TableRule([.verdict(.jump(inForce))]))
        append(TableRule([.verdict(.jump(inAudit))]))
        if allowed != .leave { append(TableRule([.verdict(allowed)])) }
        chains.append(TableChain(inForce, comment: "What is in force"))
        part = Part(rules: program.rules, ends: program.tierEnds, allowed: .leave)
        writeRules(inForce)
        chains.append(TableChain(inAudit, comment: "Reports what the policies in audit would deny"))
        part = Part(rules: program.auditRules, ends: ends, isAudit: true, allowed: .leave)
        writeRules(inAudit)
        part = Part(rules: program.rules, ends: program.tierEnds, allowed: allowed)
    }

    private mutating func writeRules(_ entry: String) {
        let isUndecided = Tier.allCases.filter { $0 != .authorization }.allSatisfy { tier in
            writeTier(tier, entry, atEnd: part.ends[tier].map { decide(.deny, by: $0) })
        }
        if isUndecided {
            if part.hasAuthorization { writeAuthorization(isCounting: !part.isAudit) }
            append(decide(.allow, by: .noPolicy))
        }
        writeAllowingChains(entry)
    }

    private var policyNames: String {
        let inForce = RuleText.policies((program.rules.map(\.rule) + program.tierEnds.values.sorted()).map(identity))
        let audited = RuleText.policies(
            (program.auditRules.map(\.rule) + (program.auditTierEnds ?? [:]).values.sorted()).map(identity)
        ).filter { !inForce.contains($0) }
        let names = inForce.isEmpty ? "no policy" : inForce.map(\.description).joined(separator: ", ")
        return names + (audited.isEmpty ? "" : "; in audit: " + audited.map(\.description).joined(separator: ", "))
    }

    func identity(_ rule: RuleID) -> RuleIdentity {
        rules[rule]?.identity ?? .noPolicy(program.direction)
    }

    /// Returns false if no packet reaches the tiers after this one: `end` decides, and no rule passes.
    private mutating func writeTier(_ tier: Tier, _ entry: String, atEnd end: TableRule?) -> Bool {
        let rules = part.rules.filter { $0.tier == tier }
        guard rules.contains(where: { $0.action == .pass }) else {
            for rule in rules { write(rule, decide(rule, entry, afterTier: nil)) }
            if let end { writeEnd(end, of: tier) }
            return end == nil
        }
        let next = "\(entry)/after-\(tier)"
        for rule in rules { write(rule, decide(rule, entry, afterTier: next)) }
        writeEnd(end ?? TableRule([.verdict(.go(next))]), of: tier)
        chains.append(TableChain(next, comment: "What tier \(tier) did not decide"))
        return true
    }

    /// NetworkPolicy never denies a pod that reaches itself through a Service.
    private mutating func writeEnd(_ end: TableRule, of tier: Tier) {
        if tier == .networkPolicy, part.ends[tier] != nil { writeToItself(part.allowed) }
        append(end)
    }

    mutating func writeToItself(_ verdict: ChainVerdict) {
        for family in AddressFamily.allCases {
            let pair: [Field] = [.source(family), .destination(family)]
            append(
                TableRule(
                    [.family(family), .member(pair, of: TableName.samePod(family)), .verdict(verdict)],
                    comment: "To itself"))
        }
    }

    /// What a rule of a tier before authorization does with the packets that it matches.
    private mutating func decide(_ rule: ProgramRule, _ entry: String, afterTier next: String?) -> TableRule {
        let comment = RuleText.comment(identity(rule.rule))
        switch rule.action {
        case .allow where part.hasAuthorization:
            if !part.allowing.contains(rule.rule) { part.allowing.append(rule.rule) }
            return TableRule([.verdict(.go(allowingChain(rule.rule, entry)))], comment: comment)
        case .allow: return decide(.allow, by: rule.rule)
        case .deny: return decide(.deny, by: rule.rule)
        // Decides nothing, so counts nothing: a packet counts for the rule that decides.
        case .pass: return TableRule([.verdict(next.map { .go($0) } ?? .leave)], comment: comment)
        }
    }

    /// Writes a rule with what it does, once for each kind of peer.
    mutating func write(_ rule: ProgramRule, _ statement: TableRule) {
        guard let peers = peerMatches(rule.peers), let ports = portTerms(rule.ports) else { return }
        for match in peers { append(TableRule(match + ports + statement.terms, comment: statement.comment)) }
    }

    /// Nil: matches no packet.
    private func peerMatches(_ peers: PeerMatch) -> [[Term]]? {
        switch peers {
        case .any: [[]]
        case .sets(let ids): ids.isEmpty ? nil : groups[ids.sorted()]?.matches(program.direction)
        case .terms(let terms): peerMatches(terms)
        }
    }

    /// The peers that meet all these terms. Nil: none does.
    private func peerMatches(_ terms: [PeerTerm]) -> [[Term]]? {
        let limiting = terms.filter { !($0.isExcluded && $0.sets.isEmpty) }
        let found = limiting.compactMap { term in groups[term.sets.sorted()].map { (term, $0) } }
        guard found.count == limiting.count else { return nil }
        let matches = AddressFamily.allCases.flatMap { family in
            found.reduce([[Term.family(family)]]) { matches, next in
                let (term, group) = next
                let more =
                    term.isExcluded
                    ? [group.exclusion(program.direction, family)] : group.inclusions(program.direction, family)
                return matches.flatMap { match in more.map { match + $0 } }
            }
        }
        return matches.isEmpty ? nil : matches
    }

    /// Nil: matches no packet.
    private func portTerms(_ match: PortMatch) -> [Term]? {
        switch match {
        case .any: []
        case .ports(let list): list.isEmpty ? nil : ports[PortGroup(list).ports]?.terms
        }
    }

    func decide(_ verdict: Verdict, by rule: RuleID) -> TableRule {
        let identity = identity(rule)
        let comment = RuleText.comment(identity)
        guard verdict == .allow else {
            let end = part.isAudit ? RuleName.audit(rule, identity) : RuleName.denial(rule, identity)
            return TableRule([.verdict(.go(end))], comment: comment)
        }
        let count: [Term] = part.isAudit ? [] : [.count(RuleName.counter(rule, identity))]
        return TableRule(count + [.verdict(part.allowed)], comment: comment)
    }

    mutating func append(_ rule: TableRule) { chains[chains.count - 1].rules.append(rule) }
}
