// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import NetworkTypes
import PolicyModel

/// What a program made in the table.
struct ProgramTables: Sendable {
    /// The chain to which the dispatch maps jump.
    var entry: String
    var chains: [String] = []
    var groups: [[PeerSetID]] = []
    var ports: [[ProtocolPorts]] = []
    var counters: [String] = []
    var denials: [String] = []
}

extension PolicyTables {
    mutating func addProgram(
        _ id: ProgramID, of policy: borrowing CompiledPolicy, _ step: inout Transaction,
        _ newGroups: inout Set<[PeerSetID]>
    ) {
        guard let program = policy.programs[id] else { return }
        let otherwise = program.cell(.none, .none)
        var used = program.rules
        if !used.contains(where: { $0.rule == otherwise.rule }) {
            // The pseudo-rule that decides what no written rule matches.
            used.append(
                ProgramRule(
                    rule: otherwise.rule, tier: .baseline, action: otherwise.verdict == .allow ? .allow : .deny,
                    peers: .any, ports: .any))
        }
        let identities = used.compactMap { policy.rules[$0.rule]?.identity }
        var tables = ProgramTables(entry: entryName(program, identities))
        for rule in used {
            if case .sets(let ids) = rule.peers, !ids.isEmpty {
                use(group: ids.sorted(), for: rule, of: policy, &tables, &newGroups)
            }
            if case .ports(let list) = rule.ports, !list.isEmpty { use(ports: list, &tables, &step) }
            use(counter: rule.rule, program.direction, of: policy, &tables, &step)
            if rule.action == .deny { useDenial(by: rule.rule, program.direction, of: policy, &tables, &step) }
        }
        var writer = ChainWriter(program, otherwise, tables.entry, policy.rules, groups, ports)
        writer.write()
        tables.chains = writer.chains.map(\.name)
        for chain in writer.chains { add(chain, &step) }
        programs[id] = tables
    }

    /// A name by direction, policies and key, which no chain has yet.
    private func entryName(_ program: Program, _ identities: [RuleIdentity]) -> String {
        let policies = RuleText.policies(identities).map(\.description).joined(separator: "_")
        let key = program.key.description.prefix(8)
        let name = "\(program.direction.rawValue)/\(TableName.slug(policies, limit: 120))/\(key)"
        var candidate = name
        var serial = 1
        while contents.chains[candidate] != nil {
            serial += 1
            candidate = "\(name)-\(serial)"
        }
        return candidate
    }

    private mutating func use(
        group key: [PeerSetID], for rule: ProgramRule, of policy: borrowing CompiledPolicy,
        _ tables: inout ProgramTables, _ newGroups: inout Set<[PeerSetID]>
    ) {
        if groups[key] == nil {
            groups[key] = PeerGroup(key, described: key.compactMap { policy.peerSets[$0] })
            newGroups.insert(key)
        }
        if rule.action != .allow { groups[key]!.mayDeny = true }
        guard !tables.groups.contains(key) else { return }
        groups[key]!.uses += 1
        tables.groups.append(key)
    }

    private mutating func use(ports list: [ProtocolPorts], _ tables: inout ProgramTables, _ step: inout Transaction) {
        let key = PortGroup(list).ports
        if ports[key] == nil {
            ports[key] = PortGroup(list)
            if let set = ports[key]!.set { add(set, &step) }
        }
        guard !tables.ports.contains(key) else { return }
        ports[key]!.uses += 1
        tables.ports.append(key)
    }

    private mutating func use(
        counter rule: RuleID, _ direction: Direction, of policy: borrowing CompiledPolicy,
        _ tables: inout ProgramTables, _ step: inout Transaction
    ) {
        let compiled = policy.rules[rule]
        let name = RuleName.counter(rule, compiled?.identity ?? .noPolicy(direction))
        guard !tables.counters.contains(name) else { return }
        tables.counters.append(name)
        counterUses[name, default: 0] += 1
        guard contents.objects[name] == nil else { return }
        let mark = compiled.map { RuleMark(id: rule, key: $0.key) }
        add(TableObject(name, comment: RuleText.comment(compiled?.identity ?? .noPolicy(direction)), rule: mark), &step)
    }

    private mutating func useDenial(
        by rule: RuleID, _ direction: Direction, of policy: borrowing CompiledPolicy, _ tables: inout ProgramTables,
        _ step: inout Transaction
    ) {
        let identity = policy.rules[rule]?.identity ?? .noPolicy(direction)
        let name = RuleName.denial(rule, identity)
        guard !tables.denials.contains(name) else { return }
        tables.denials.append(name)
        denialUses[name, default: 0] += 1
        guard contents.chains[name] == nil else { return }
        let mark = EventMark(cause: .rule, direction: direction, rule: rule, name: RuleText.name(identity))
        let rules = BaseTable(options: options).denial(of: RuleName.counter(rule, identity), mark)
        add(TableChain(name, comment: RuleText.comment(identity), rules: rules), &step)
    }

    mutating func removeProgram(_ id: ProgramID, _ step: inout Transaction) {
        guard let tables = programs.removeValue(forKey: id) else { return }
        for chain in tables.chains { removeChain(chain, &step) }
        for name in tables.denials where release(name, &denialUses) { removeChain(name, &step) }
        for name in tables.counters where release(name, &counterUses) { removeObject(name, &step) }
        for key in tables.groups {
            groups[key]!.uses -= 1
            guard groups[key]!.uses == 0, let group = groups.removeValue(forKey: key) else { continue }
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
}
