// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import NetworkTypes
import PolicyCompiler
import PolicyModel

/// Flows whose verdict differs between two states of one node's tables.
public struct TableChange: Sendable, Hashable {
    /// Addresses that the change is about.
    public struct End: Sendable, Hashable {
        /// Addresses of pods and nodes, sorted.
        public var addresses: [IPAddress]
        /// Prefixes, each without the longer ones inside it that policies name; sorted.
        public var prefixes: [CIDR]
    }
    public var from: End
    public var to: End
    public var ports: [PortSpan]
    public var old: Verdict
    public var new: Verdict
    /// Both depend on the request, by different rules, and no request is known for which the answers differ.
    public var mayBeEqual: Bool
    /// One of the flows, and what the tables say of it before and after.
    public var flow: Flow
    public var before: Decision
    public var after: Decision
}

/// How two states of one node's tables differ, over all addresses, ports and protocols. A pair of a pod of this node and
/// another address counts if one of the two changes its verdict: what the other pod's node decides is not in the tables.
public struct TableDifference: Sendable, Hashable {
    /// Sorted by the addresses at both ends. Neighbors with one reason are one change.
    public private(set) var changes: [TableChange] = []
    /// Pods of this node that have tables in only one of the two states. Flows with them are not compared.
    public private(set) var onlyOld: [EndpointName] = []
    public private(set) var onlyNew: [EndpointName] = []

    /// - Parameter new: follows from `old` by one step of the compiler, so that classes and programs keep their numbers.
    public init(_ old: CompiledPolicy, _ new: CompiledPolicy) {
        let comparison = TableComparison(old, new)
        let names = (Set(old.endpoints.values.map(\.name)), Set(new.endpoints.values.map(\.name)))
        onlyOld = names.0.subtracting(names.1).sorted()
        onlyNew = names.1.subtracting(names.0).sorted()
        let judged = comparison.units.indices.filter { comparison.units[$0].key.isJudged }
        let others = comparison.units.indices.filter { !comparison.units[$0].key.isJudged }
        var found = ChangeTable()
        for unit in judged {
            for peer in judged { comparison.compare(unit, peer, &found) }
            for peer in others {
                comparison.compare(unit, peer, &found)
                comparison.compare(peer, unit, &found)
            }
        }
        changes = found.merged(comparison.units)
    }
}

/// Addresses that neither state of the tables can tell apart.
private struct TableUnit {
    struct Programs: Hashable {
        var ingress: ProgramID
        var egress: ProgramID
    }

    struct Key: Hashable {
        var family: AddressFamily
        var oldClass: AddressClassID
        var newClass: AddressClassID
        /// Nil: no pod of this node.
        var old: Programs?
        var new: Programs?

        var isJudged: Bool { old != nil }
    }

    struct Member {
        var address: IPAddress
        /// The pod of this node, if it is one.
        var pod: EndpointName?
    }

    var key: Key
    var members: [Member] = []
    var prefixes: [CIDR] = []
    /// An address of ``prefixes``.
    var outside: IPAddress?
}

private struct TableComparison {
    let old: CompiledPolicy
    let new: CompiledPolicy
    private(set) var units: [TableUnit] = []
    private var numbers: [TableUnit.Key: Int] = [:]
    private let spans: [PortSpan]

    init(_ old: CompiledPolicy, _ new: CompiledPolicy) {
        (self.old, self.new) = (old, new)
        spans = Self.spans(old, new)
        addHosts()
        addPrefixes()
    }

    /// Ports that neither state can tell apart.
    private static func spans(_ old: CompiledPolicy, _ new: CompiledPolicy) -> [PortSpan] {
        var spans: [PortSpan] = []
        for ipProtocol in IPProtocol.withPorts {
            let segments = (old.portSegments + new.portSegments).filter { $0.ports.ipProtocol == ipProtocol }
            let starts = Set(segments.map(\.ports.range.first) + [0]).sorted()
            for (index, first) in starts.enumerated() {
                let last = index + 1 < starts.count ? starts[index + 1] - 1 : UInt16.max
                spans.append(.ports(ProtocolPorts(ipProtocol, PortRange(first, last))))
            }
        }
        return spans + [.otherProtocols]
    }

    // MARK: Addresses

    private mutating func number(_ key: TableUnit.Key) -> Int {
        if let number = numbers[key] { return number }
        numbers[key] = units.count
        units.append(TableUnit(key: key))
        return units.count - 1
    }

    private mutating func addHosts() {
        for address in Set(old.addresses.hosts.keys).union(new.addresses.hosts.keys) {
            let entries = (old.addresses.entry(of: address), new.addresses.entry(of: address))
            let pods = (old.endpoints[entries.0.endpoint], new.endpoints[entries.1.endpoint])
            // A pod that comes, goes or changes its address has no flow in both states.
            guard pods.0?.name == pods.1?.name else { continue }
            let key = TableUnit.Key(
                family: address.family, oldClass: entries.0.addressClass, newClass: entries.1.addressClass,
                old: pods.0.map { .init(ingress: $0.ingress, egress: $0.egress) },
                new: pods.1.map { .init(ingress: $0.ingress, egress: $0.egress) })
            units[number(key)].members.append(.init(address: address, pod: pods.0?.name))
        }
        for index in units.indices { units[index].members.sort { $0.address < $1.address } }
    }

    private mutating func addPrefixes() {
        let zeros = [IPAddress(v4: 0), IPAddress(v6High: 0, low: 0)].map { CIDR($0, prefixLength: 0) }
        let prefixes = Set(old.addresses.prefixes.keys).union(new.addresses.prefixes.keys).union(zeros)
        let sorted = prefixes.sorted()
        var inside: [CIDR: [CIDR]] = [:]
        var around: [CIDR] = []
        for prefix in sorted {
            while let last = around.last, !last.contains(prefix) { around.removeLast() }
            if let last = around.last { inside[last, default: []].append(prefix) }
            around.append(prefix)
        }
        for prefix in sorted {
            let example = ReachabilityMap.freeAddress(in: prefix, without: inside[prefix] ?? []) { address in
                old.addresses.hosts[address] != nil || new.addresses.hosts[address] != nil
            }
            guard let example else { continue }
            let entries = (old.addresses.entry(of: example), new.addresses.entry(of: example))
            guard entries.0.endpoint == .none, entries.1.endpoint == .none else { continue }
            let key = TableUnit.Key(
                family: prefix.family, oldClass: entries.0.addressClass, newClass: entries.1.addressClass)
            let number = number(key)
            units[number].prefixes.append(prefix)
            units[number].outside = units[number].outside ?? example
        }
    }

    // MARK: Verdicts

    func compare(_ from: Int, _ to: Int, _ found: inout ChangeTable) {
        let (source, destination) = (units[from], units[to])
        guard source.key.family == destination.key.family else { return }
        // Live classes and programs never change.
        let isSame =
            source.key.oldClass == source.key.newClass && destination.key.oldClass == destination.key.newClass
            && source.key.old?.egress == source.key.new?.egress
            && destination.key.old?.ingress == destination.key.new?.ingress
        guard !isSame, let (sender, receiver) = Self.meeting(source, destination) else { return }
        var known: [[PortClassID]: Part?] = [:]
        for span in spans {
            let (ipProtocol, port) = span.example(sender.family)
            let flow = Flow(source: sender, destination: receiver, ipProtocol: ipProtocol, destinationPort: port)
            let classes = [old.portClass(of: flow), new.portClass(of: flow)]
            let part: Part?
            if let before = known[classes] {
                part = before
            } else {
                part = self.part(flow, source.key, destination.key, classes)
                known[classes] = part
            }
            if let part { found.add(from, to, span, part) }
        }
    }

    /// An address of each that are not of one pod.
    private static func meeting(_ source: TableUnit, _ destination: TableUnit) -> (IPAddress, IPAddress)? {
        if let outside = source.outside { return destination.members.first.map { (outside, $0.address) } }
        if let outside = destination.outside { return source.members.first.map { ($0.address, outside) } }
        for a in source.members {
            for b in destination.members where a.pod == nil || a.pod != b.pod { return (a.address, b.address) }
        }
        return nil
    }

    struct Part {
        var flow: Flow
        var before: Decision
        var after: Decision
        var mayBeEqual = false
    }

    /// Nil: the verdict stays.
    private func part(
        _ flow: Flow, _ source: TableUnit.Key, _ destination: TableUnit.Key, _ ports: [PortClassID]
    ) -> Part? {
        let before = old.verdict(
            source.old?.egress, destination.oldClass, destination.old?.ingress, source.oldClass, ports[0])
        let after = new.verdict(
            source.new?.egress, destination.newClass, destination.new?.ingress, source.newClass, ports[1])
        guard before != after || before == .dependsOnRequest else { return nil }
        var part = Part(flow: flow, before: old.evaluate(flow), after: new.evaluate(flow))
        if before == after {
            let rules = (
                old.requestRules(destination.old?.ingress, source.oldClass, flow),
                new.requestRules(destination.new?.ingress, source.newClass, flow)
            )
            switch RequestComparison.compare(rules.0, rules.1) {
            case .equal: return nil
            case .different: break
            case .unknown: part.mayBeEqual = true
            }
        }
        return part
    }
}

extension CompiledPolicy {
    /// What two cells say together.
    fileprivate func verdict(
        _ egress: ProgramID?, _ destination: AddressClassID, _ ingress: ProgramID?, _ source: AddressClassID,
        _ ports: PortClassID
    ) -> Verdict {
        func side(_ program: ProgramID?, _ peer: AddressClassID) -> Verdict {
            program.flatMap { programs[$0] }?.cell(peer, ports).verdict ?? .allow
        }
        return .both(side(egress, destination), side(ingress, source))
    }

    fileprivate func requestRules(
        _ program: ProgramID?, _ source: AddressClassID, _ flow: Flow
    ) -> [LazyProgram.RequestRule] {
        guard let program = program.flatMap({ programs[$0] }) else { return [] }
        return authorizationRules(of: program, matching: source, flow).map {
            LazyProgram.RequestRule(action: $0.action, request: $0.request)
        }
    }
}

/// Changes while they are collected.
private struct ChangeTable {
    private struct Why: Hashable {
        var old: Verdict
        var new: Verdict
        var egress: RuleIdentity?
        var ingress: RuleIdentity?
        var mayBeEqual: Bool
    }

    private struct Pair: Hashable {
        var from: Int
        var to: Int
        var why: Why
    }

    private var pairs: [Pair: (ports: [PortSpan], example: TableComparison.Part)] = [:]

    mutating func add(_ from: Int, _ to: Int, _ span: PortSpan, _ part: TableComparison.Part) {
        let why = Why(
            old: part.before.verdict, new: part.after.verdict, egress: part.after.egress?.identity,
            ingress: part.after.ingress?.identity, mayBeEqual: part.mayBeEqual)
        pairs[Pair(from: from, to: to, why: why), default: ([], part)].ports.append(span)
    }

    private struct Row: Hashable {
        var from: [Int]
        var to: [Int]
        var ports: [PortSpan]
        var why: Why
    }

    /// Sources with the same destinations are one, and destinations with the same sources.
    func merged(_ units: [TableUnit]) -> [TableChange] {
        let sorted = pairs.sorted { ($0.key.from, $0.key.to) < ($1.key.from, $1.key.to) }
        var bySource: [Row: [(from: Int, example: TableComparison.Part)]] = [:]
        for (pair, entry) in sorted {
            let row = Row(from: [], to: [pair.to], ports: PortSpan.normalized(entry.ports), why: pair.why)
            bySource[row, default: []].append((pair.from, entry.example))
        }
        var rows: [Row: [(to: Int, example: TableComparison.Part)]] = [:]
        for (row, sources) in bySource {
            let key = Row(from: sources.map(\.from), to: [], ports: row.ports, why: row.why)
            rows[key, default: []].append((row.to[0], sources[0].example))
        }
        let changes = rows.map { row, destinations in
            let example = destinations.min { $0.to < $1.to }?.example ?? destinations[0].example
            return TableChange(
                from: Self.end(row.from, units), to: Self.end(destinations.map(\.to), units), ports: row.ports,
                old: row.why.old, new: row.why.new, mayBeEqual: row.why.mayBeEqual, flow: example.flow,
                before: example.before, after: example.after)
        }
        return changes.sorted { $0.order < $1.order }
    }

    private static func end(_ chosen: [Int], _ units: [TableUnit]) -> TableChange.End {
        TableChange.End(
            addresses: chosen.flatMap { units[$0].members.map(\.address) }.sorted(),
            prefixes: chosen.flatMap { units[$0].prefixes }.sorted())
    }
}

extension TableChange {
    /// No two changes share a flow.
    fileprivate var order: (IPAddress, IPAddress, UInt8, UInt16) {
        (flow.source, flow.destination, flow.ipProtocol.rawValue, flow.destinationPort ?? 0)
    }
}
