// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import NetworkTypes
import PolicyModel

extension PolicyCompiler {
    /// The program of a direction with one more user; a new one is numbered but not built yet.
    mutating func useProgram(
        _ resolved: ResolvedDirection, _ direction: Direction, _ delta: inout CompiledDelta
    ) -> ProgramID {
        guard !resolved.tiers.isEmpty || resolved.audit != nil else { return .none }
        let content = ProgramContent(direction: direction, tiers: resolved.tiers, audit: resolved.audit)
        if let id = programIDs[content] {
            programs[id]?.users += 1
            return id
        }
        let key = StableKey(content) { partition.keys[$0] ?? StableKey(high: 0, low: 0) }
        guard let number = programNumbers.allocate(key) else {
            preconditionFailure("there are fewer programs than endpoints, and those are limited")
        }
        let id = ProgramID(rawValue: number)
        var state = ProgramState(content: content, users: 1, ranges: Self.ranges(of: content), identities: [])
        let newRanges = state.ranges.filter { !ports.isInUse($0) }.count
        if ports.rangeCount + newRanges > CompilerLimits.portRanges {
            state.ranges = []
            compiled.programsOverLimit.append(id)
        }
        for range in state.ranges { ports.retain(range) }
        state.identities = Self.identities(of: content)
        for identity in state.identities { useRule(identity, &delta) }
        programIDs[content] = id
        programs[id] = state
        compiled.programs[id] = nil
        delta.addedPrograms.append(id)
        return id
    }

    mutating func leaveProgram(_ id: ProgramID) {
        guard id != .none else { return }
        programs[id]?.users -= 1
        if programs[id]?.users == 0 { unused.insert(id) }
    }

    /// Drops the programs that the last step left without users. Not in that step itself: until all its endpoints have
    /// switched, the old programs decide and need the rows of the classes that it split.
    mutating func retirePrograms(_ delta: inout CompiledDelta) {
        for id in unused.sorted() {
            guard let state = programs[id], state.users == 0 else { continue }
            for range in state.ranges { ports.release(range) }
            for identity in state.identities { leaveRule(identity, &delta) }
            programs[id] = nil
            programIDs[state.content] = nil
            compiled.programs[id] = nil
            compiled.programsOverLimit.removeAll { $0 == id }
            programNumbers.retire(id.rawValue)
            delta.removedPrograms.append(id)
        }
        unused = []
        compiled.programsOverLimit.sort()
    }

    private static func ranges(of content: ProgramContent) -> [ProtocolPorts] {
        var result: Set<ProtocolPorts> = []
        for tier in content.allTiers {
            for rule in tier.rules { if case .ports(let ports) = rule.ports { result.formUnion(ports) } }
        }
        return result.sorted()
    }

    /// In the order of first mention, in which they get their numbers.
    private static func identities(of content: ProgramContent) -> [RuleIdentity] {
        var seen: Set<RuleIdentity> = []
        var result: [RuleIdentity] = []
        func add(_ identity: RuleIdentity) { if seen.insert(identity).inserted { result.append(identity) } }
        for tier in content.allTiers {
            for rule in tier.rules { add(rule.identity) }
            if let deny = tier.otherwiseDeny { add(deny) }
        }
        add(.overLimit(content.direction))
        return result
    }

    private mutating func useRule(_ identity: RuleIdentity, _ delta: inout CompiledDelta) {
        if let id = ruleIDs[identity] {
            ruleUsers[id, default: 0] += 1
            return
        }
        let key = StableKey(identity)
        guard let number = ruleNumbers.allocate(key) else {
            preconditionFailure("more rules than \(CompilerLimits.rules)")
        }
        let id = RuleID(rawValue: number)
        ruleIDs[identity] = id
        ruleUsers[id] = 1
        compiled.rules[id] = CompiledRule(key: key, identity: identity)
        delta.addedRules.append(id)
    }

    private mutating func leaveRule(_ identity: RuleIdentity, _ delta: inout CompiledDelta) {
        guard let id = ruleIDs[identity], let users = ruleUsers[id] else { return }
        guard users == 1 else {
            ruleUsers[id] = users - 1
            return
        }
        ruleIDs[identity] = nil
        ruleUsers[id] = nil
        compiled.rules[id] = nil
        ruleNumbers.retire(id.rawValue)
        delta.removedRules.append(id)
    }

    // MARK: Building

    /// Fills the matrices of new programs, once the classes are final for this step.
    mutating func build(_ new: [ProgramID]) {
        guard !new.isEmpty else { return }
        let classes = classesBySet(of: new)
        for id in new {
            guard let content = programs[id]?.content else { continue }
            var program = Program(
                key: StableKey(content) { partition.keys[$0] ?? StableKey(high: 0, low: 0) },
                direction: content.direction, rules: programRules(content.tiers),
                rows: [UInt16](repeating: 0, count: partition.classes.count),
                columns: [UInt16](repeating: 0, count: Int(ports.highestClass) + 1), columnCount: 1, cells: [])
            program.auditRules = programRules(content.audit ?? [])
            program.tierEnds = tierEnds(content.tiers)
            program.auditTierEnds = content.audit.map { tierEnds($0) }
            program.isEnforced = content.isEnforced
            let isOverLimit = compiled.programsOverLimit.contains(id)
            if isOverLimit || !fill(&program, id, content, classes) { denyEverything(&program, id) }
            compiled.programs[id] = program
        }
    }

    private func programRules(_ tiers: [ResolvedTier]) -> [ProgramRule] {
        tiers.flatMap { tier in
            tier.rules.map { rule in
                ProgramRule(
                    rule: ruleID(rule.identity), tier: tier.tier, action: rule.action, peers: rule.peers,
                    ports: rule.ports, request: rule.request)
            }
        }
    }

    /// Returns false if the matrix would not fit.
    private mutating func fill(
        _ program: inout Program, _ id: ProgramID, _ content: ProgramContent, _ classes: [PeerSetID: [UInt32]]
    ) -> Bool {
        let (columns, columnsOfRule, columnCount) = columns(of: program.rules + program.auditRules)
        guard columnCount <= CompilerLimits.columnsPerProgram else { return false }
        var layout = ProgramLayout(
            content, ids: { ruleID($0) }, columnsOfRule: columnsOfRule, columnCount: columnCount,
            overLimit: ruleID(.overLimit(content.direction)))
        var cells: [Cell] = []
        _ = layout.row(of: [], cells: &cells)
        var relevant: Set<UInt32> = []
        for set in layout.peerSets { relevant.formUnion(classes[set] ?? []) }
        for number in relevant.sorted() {
            program.rows[Int(number)] = layout.row(of: partition.classes[Int(number)].peerSets, cells: &cells)
            if layout.isOverLimit { return false }
        }
        for (portClass, column) in columns { program.columns[Int(portClass.rawValue)] = UInt16(column) }
        program.columnCount = columnCount
        program.cells = cells
        programs[id]?.layout = layout
        return true
    }

    private mutating func denyEverything(_ program: inout Program, _ id: ProgramID) {
        program.rows = [UInt16](repeating: 0, count: partition.classes.count)
        program.columns = [UInt16](repeating: 0, count: Int(ports.highestClass) + 1)
        program.columnCount = 1
        program.cells = [Cell(.deny, by: ruleID(.overLimit(program.direction)))]
        program.rules = []
        program.tierEnds = [.admin: ruleID(.overLimit(program.direction))]
        program.auditRules = []
        program.auditTierEnds = nil
        program.isEnforced = true
        if !compiled.programsOverLimit.contains(id) { compiled.programsOverLimit.append(id) }
    }

    private func tierEnds(_ tiers: [ResolvedTier]) -> [Tier: RuleID] {
        var ends: [Tier: RuleID] = [:]
        for tier in tiers { ends[tier.tier] = tier.otherwiseDeny.map { ruleID($0) } }
        return ends
    }

    private func ruleID(_ identity: RuleIdentity) -> RuleID {
        guard let id = ruleIDs[identity] else { preconditionFailure("rule without a number") }
        return id
    }

    /// Classes by the peer sets that the new programs name.
    private func classesBySet(of new: [ProgramID]) -> [PeerSetID: [UInt32]] {
        var result: [PeerSetID: [UInt32]] = [:]
        var isNamed: [Bool] = []
        for id in new {
            for tier in programs[id]?.content.allTiers ?? [] {
                for rule in tier.rules {
                    for set in rule.peers.sets {
                        while isNamed.count <= Int(set.rawValue) { isNamed.append(false) }
                        isNamed[Int(set.rawValue)] = true
                    }
                }
            }
        }
        for number in partition.classes.indices where partition.classes[number].isLive {
            for set in partition.classes[number].peerSets
            where Int(set.rawValue) < isNamed.count && isNamed[Int(set.rawValue)] {
                result[set, default: []].append(UInt32(number))
            }
        }
        return result
    }

    /// Columns: the distinct sets of rules that match by port. Column 0 is that of port class 0.
    private func columns(of rules: [ProgramRule]) -> ([(PortClassID, Int)], [[Int]], count: Int) {
        var rulesOfClass: [PortClassID: [UInt32]] = [:]
        var everywhere: [Int] = []
        for (index, rule) in rules.enumerated() {
            guard case .ports(let ports) = rule.ports else {
                everywhere.append(index)
                continue
            }
            var classes: Set<PortClassID> = []
            for range in ports { classes.formUnion(self.ports.classesOfRange[range] ?? []) }
            for portClass in classes { rulesOfClass[portClass, default: []].append(UInt32(index)) }
        }
        var numbers: [[UInt32]: Int] = [[]: 0]
        var columns: [(PortClassID, Int)] = []
        var columnsOfRule = [[Int]](repeating: [], count: rules.count)
        for (portClass, matching) in rulesOfClass.sorted(by: { $0.key < $1.key }) {
            if let column = numbers[matching] {
                columns.append((portClass, column))
                continue
            }
            let column = numbers.count
            numbers[matching] = column
            columns.append((portClass, column))
            for rule in matching { columnsOfRule[Int(rule)].append(column) }
        }
        let all = Array(0..<numbers.count)
        for rule in everywhere { columnsOfRule[rule] = all }
        return (columns, columnsOfRule, numbers.count)
    }
}
