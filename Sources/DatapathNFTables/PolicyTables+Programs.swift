// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import Netfilter
import NetworkTypes
import PolicyModel

/// What a program created in the table.
struct ProgramTables: Sendable {
    /// The chain to which the dispatch maps jump.
    var entry: String
    var chains: [String] = []
    /// By name.
    var groups: Set<String> = []
    var ports: Set<[ProtocolPorts]> = []
    var counters: Set<String> = []
    var denials: Set<String> = []
    var handOvers: Set<String> = []
}

extension PolicyTables {
    mutating func addProgram(
        _ id: ProgramID, of policy: borrowing CompiledPolicy, _ carried: Set<String>?, _ step: inout Transaction,
        _ newGroups: inout Set<String>
    ) {
        guard let program = policy.programs[id] else { return }
        var tables = ProgramTables(entry: "")
        var own: [[PeerSetID]: PeerGroup] = [:]
        let enforced =
            Self.used(program.rules, program.tierEnds)
            + [ProgramRule(rule: .noPolicy, tier: .baseline, action: .allow, peers: .any, ports: .any)]
        let audited = program.auditTierEnds.map { Self.used(program.auditRules, $0) } ?? []
        for (rules, isAudit) in [(enforced, false), (audited, true)] {
            for rule in rules {
                for term in rule.peers.alternatives where !term.sets.isEmpty {
                    let key = term.sets.sorted()
                    let name = own[key]?.name ?? group(key, of: policy, carried, &newGroups)
                    let mayDeny = rule.action != .allow || rule.request != nil || term.isExcluded
                    use(group: name, mayDeny: !isAudit && mayDeny, &tables)
                    own[key] = groups[name]
                }
                if case .ports(let list) = rule.ports, !list.isEmpty { use(ports: list, &tables, &step) }
                if rule.request != nil {
                    if !isAudit { useHandOver(by: rule.rule, program.direction, of: policy, &tables, &step) }
                    continue
                }
                let isCounted = isAudit ? rule.action == .deny : rule.action != .pass
                if isCounted { use(counter: rule.rule, program.direction, of: policy, &tables, &step) }
                guard rule.action == .deny else { continue }
                useDenial(by: rule.rule, program.direction, isAudit: isAudit, of: policy, &tables, &step)
            }
        }
        let identities = (enforced + audited).compactMap { policy.rules[$0.rule]?.identity }
        let policies = RuleText.policies(identities).map(\.description).joined(separator: "_")
        let prefix = "\(program.direction.rawValue)/\(TableName.slug(policies, limit: 120))"
        var writer = ChainWriter(program, policy.rules, own, ports)
        let written = writer.write(prefix) { name, chain in contents.chains[name].map { $0 == chain } ?? true }
        tables.entry = written[0].name
        tables.chains = written.map(\.name)
        entryUses[tables.entry, default: 0] += 1
        for chain in written where contents.chains[chain.name] == nil { add(chain, &step) }
        programs[id] = tables
    }

    /// The rules, and those that deny at the end of tiers.
    private static func used(_ rules: [ProgramRule], _ ends: [Tier: RuleID]) -> [ProgramRule] {
        rules
            + ends.sorted { $0.key < $1.key }.map {
                ProgramRule(rule: $0.value, tier: $0.key, action: .deny, peers: .any, ports: .any)
            }
    }

    /// The group of these peer sets, which is created if missing, and filled again if only leaving programs used it.
    private mutating func group(
        _ key: [PeerSetID], of policy: borrowing CompiledPolicy, _ carried: Set<String>?,
        _ newGroups: inout Set<String>
    ) -> String {
        let descriptions = key.compactMap { policy.peerSets[$0] }
        let digested = PeerGroup.name(descriptions)
        var name = digested
        var serial = 1
        while let found = groups[name], found.identities != descriptions.map(\.identity) {
            serial += 1
            name = "\(digested)-\(serial)"
        }
        if groups[name] == nil {
            groups[name] = PeerGroup(key, described: descriptions, name: name)
            if groups[name]!.hasChangingHosts { changingGroups.insert(name) }
            newGroups.insert(name)
        } else if !(carried?.contains(name) ?? true) {
            groups[name]!.peerSets = key
            groups[name]!.setPrefixes(descriptions)
            newGroups.insert(name)
        }
        return name
    }

    private mutating func use(group name: String, mayDeny: Bool, _ tables: inout ProgramTables) {
        if mayDeny { groups[name]!.mayDeny = true }
        guard tables.groups.insert(name).inserted else { return }
        groups[name]!.uses += 1
    }

    private mutating func use(ports list: [ProtocolPorts], _ tables: inout ProgramTables, _ step: inout Transaction) {
        let key = PortGroup(list).ports
        if ports[key] == nil {
            ports[key] = PortGroup(list)
            if let set = ports[key]!.set { add(set, &step) }
        }
        guard tables.ports.insert(key).inserted else { return }
        ports[key]!.uses += 1
    }

    private mutating func use(
        counter rule: RuleID, _ direction: Direction, of policy: borrowing CompiledPolicy,
        _ tables: inout ProgramTables, _ step: inout Transaction
    ) {
        let compiled = policy.rules[rule]
        let name = RuleName.counter(rule, compiled?.identity ?? .noPolicy(direction))
        guard tables.counters.insert(name).inserted else { return }
        counterUses[name, default: 0] += 1
        guard contents.objects[name] == nil else { return }
        let mark = compiled.map { RuleMark(id: rule, key: $0.key) }
        add(
            TableObject(
                name, comment: RuleText.comment(compiled?.identity ?? .noPolicy(direction)), mark: mark?.bytes ?? []),
            &step)
    }

    private mutating func useDenial(
        by rule: RuleID, _ direction: Direction, isAudit: Bool, of policy: borrowing CompiledPolicy,
        _ tables: inout ProgramTables, _ step: inout Transaction
    ) {
        let identity = policy.rules[rule]?.identity ?? .noPolicy(direction)
        let name = isAudit ? RuleName.audit(rule, identity) : RuleName.denial(rule, identity)
        guard tables.denials.insert(name).inserted else { return }
        denialUses[name, default: 0] += 1
        guard contents.chains[name] == nil else { return }
        let mark = EventMark(
            cause: isAudit ? .audit : .rule, direction: direction, rule: rule, name: RuleText.name(identity))
        let base = BaseTable(options: options)
        let counter = RuleName.counter(rule, identity)
        let rules = isAudit ? base.wouldDeny(by: counter, mark) : base.denial(of: counter, mark)
        add(TableChain(name, comment: RuleText.comment(identity), rules: rules), &step)
    }

    private mutating func useHandOver(
        by rule: RuleID, _ direction: Direction, of policy: borrowing CompiledPolicy, _ tables: inout ProgramTables,
        _ step: inout Transaction
    ) {
        use(counter: rule, direction, of: policy, &tables, &step)
        let identity = policy.rules[rule]?.identity ?? .noPolicy(direction)
        let name = RuleName.handOver(rule, identity)
        guard tables.handOvers.insert(name).inserted else { return }
        let isNew = handOvers[name] == nil
        handOvers[name, default: HandOver(rule: rule, identity: identity, direction: direction)].uses += 1
        if isNew { add(chain(name, handOvers[name]!), &step) }
    }

    func chain(_ name: String, _ handOver: HandOver) -> TableChain {
        let mark = EventMark(
            cause: .handOver, direction: handOver.direction, rule: handOver.rule, name: RuleText.name(handOver.identity)
        )
        return TableChain(
            name, comment: RuleText.comment(handOver.identity),
            rules: base.handOver(by: RuleName.counter(handOver.rule, handOver.identity), mark))
    }

    mutating func removeProgram(_ id: ProgramID, _ step: inout Transaction) {
        guard let tables = programs.removeValue(forKey: id) else { return }
        if release(tables.entry, &entryUses) {
            for chain in tables.chains { removeChain(chain, &step) }
        }
        for name in tables.denials.sorted() where release(name, &denialUses) { removeChain(name, &step) }
        for name in tables.handOvers.sorted() {
            handOvers[name]!.uses -= 1
            guard handOvers[name]!.uses == 0 else { continue }
            handOvers[name] = nil
            removeChain(name, &step)
        }
        for name in tables.counters.sorted() where release(name, &counterUses) { removeObject(name, &step) }
        for key in tables.groups {
            groups[key]!.uses -= 1
            guard groups[key]!.uses == 0, let group = groups.removeValue(forKey: key) else { continue }
            changingGroups.remove(key)
            for set in group.sets() { removeSet(set.shape.name, &step) }
        }
        for key in tables.ports {
            ports[key]!.uses -= 1
            guard ports[key]!.uses == 0, let group = ports.removeValue(forKey: key) else { continue }
            if group.set != nil { removeSet(group.name, &step) }
        }
    }

    /// Whether that was the last use.
    private func release(_ name: String, _ uses: inout [String: Int]) -> Bool {
        uses[name]! -= 1
        guard uses[name] == 0 else { return false }
        uses[name] = nil
        return true
    }
}

/// Names of what belongs to one rule.
enum RuleName {
    static func counter(_ rule: RuleID, _ identity: RuleIdentity) -> String {
        "rule/\(rule.rawValue)/\(RuleText.name(identity))"
    }
    static func denial(_ rule: RuleID, _ identity: RuleIdentity) -> String {
        "deny/\(rule.rawValue)/\(RuleText.name(identity))"
    }
    static func handOver(_ rule: RuleID, _ identity: RuleIdentity) -> String {
        "hand-over/\(rule.rawValue)/\(RuleText.name(identity))"
    }
    static func audit(_ rule: RuleID, _ identity: RuleIdentity) -> String {
        "audit/\(rule.rawValue)/\(RuleText.name(identity))"
    }
}

extension PeerMatch {
    /// Its peer sets by term; empty for every peer.
    var alternatives: [PeerTerm] {
        switch self {
        case .any: []
        case .sets(let sets): [PeerTerm(sets)]
        case .terms(let terms): terms
        }
    }
}
