// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import NetworkTypes
import PolicyModel

/// Compiles resolved policy to tables, change by change. The same changes give the same tables, numbers included.
public struct PolicyCompiler: Sendable {
    struct ProgramState: Sendable {
        var content: ProgramContent
        var users = 0
        var ranges: [ProtocolPorts]
        var identities: [RuleIdentity]
        /// Nil until it is built, and for a program over the limits.
        var layout: ProgramLayout?
    }

    public internal(set) var compiled = CompiledPolicy()

    var partition: AddressPartition
    var ports: PortPartition
    var programs: [ProgramID: ProgramState] = [:]
    var programIDs: [ProgramContent: ProgramID] = [:]
    var ruleIDs: [RuleIdentity: RuleID] = [:]
    var ruleUsers: [RuleID: Int] = [:]
    var endpointIDs: [EndpointName: EndpointID] = [:]
    /// Endpoints without a free number.
    var waiting: [EndpointName: ResolvedEndpoint] = [:]
    var programNumbers: NumberAllocator
    var ruleNumbers: NumberAllocator
    var endpointNumbers: NumberAllocator
    /// Peer sets that the next step drops from the tables.
    var dyingPeerSets: [PeerSetID] = []
    /// Programs that lost a user in the last step.
    var unused: Set<ProgramID> = []

    public init(numbering: Numbering = Numbering()) {
        partition = AddressPartition(numbering: numbering)
        ports = PortPartition(hints: numbering.portSegments)
        programNumbers = NumberAllocator(limit: .max - 1, hints: numbering.programs.mapValues(\.rawValue))
        ruleNumbers = NumberAllocator(limit: CompilerLimits.rules, hints: numbering.rules.mapValues(\.rawValue))
        endpointNumbers = NumberAllocator(
            limit: CompilerLimits.endpoints, hints: numbering.endpoints.mapValues { UInt32($0.rawValue) })
        let identity = RuleIdentity.noPolicy(.ingress)
        compiled.rules[.noPolicy] = CompiledRule(key: StableKey(identity), identity: identity)
        compiled.addressClasses[.none] = AddressClass(key: StableKey(peerSets: []), peerSets: [])
        compiled.portSegments = ports.segments
    }

    /// Forgets the numbers of the previous run; called when the datapath has taken over.
    public mutating func releaseNumbering() {
        partition.numbers.releaseHints()
        ports.releaseHints()
        programNumbers.releaseHints()
        ruleNumbers.releaseHints()
        endpointNumbers.releaseHints()
    }

    /// Whether the last step left classes apart that an empty change would merge.
    public var needsSettling: Bool {
        partition.needsSettling || !dyingPeerSets.isEmpty || !unused.isEmpty
            || (!waiting.isEmpty && endpointNumbers.liveCount < Int(CompilerLimits.endpoints))
    }

    /// The number of port classes, including the one for all other ports.
    public var portClassCount: Int { ports.classCount }

    /// One step. It first merges what the previous step left; an empty change does only that.
    public mutating func compile(_ change: ResolvedChange) -> CompiledDelta {
        var delta = CompiledDelta()
        var step = PartitionStep()
        let oldSegments = ports.segments

        retirePrograms(&delta)
        partition.settle(&step)
        for set in dyingPeerSets { compiled.peerSets[set] = nil }
        dyingPeerSets = change.removedPeerSets
        compiled.peerSets.merge(change.addedPeerSets) { $1 }
        if let merged = ports.settle() { publishPortClasses(merged, &delta) }
        partition.add(change, &step)
        flush(&step, isVisible: false, &delta)
        delta.invisibleAddressCount = delta.addresses.count

        let moves = assignEndpoints(change, &delta)
        if let split = ports.split() { publishPortClasses(split, &delta) }
        partition.update(change, &step)
        for (set, change) in change.members { compiled.peerSets[set]?.apply(change) }
        for move in moves { partition.setEndpoint(move.endpoint.rawValue, of: move.address, &step) }
        flush(&step, isVisible: true, &delta)
        partition.finish(&step)
        publishClasses(step, &delta)
        delta.portSegments = PortPartition.differences(oldSegments, ports.segments)
        compiled.portSegments = ports.segments
        build(delta.addedPrograms)
        if compiled.ownNodeClass != partition.ownNodeClass {
            compiled.ownNodeClass = partition.ownNodeClass
            delta.changesOwnNodeClass = true
        }
        if let judges = change.judgesOwnNode, judges != compiled.judgesOwnNode {
            compiled.judgesOwnNode = judges
            delta.changesOwnNode = true
        }
        endStep(&delta)
        return delta
    }

    private mutating func endStep(_ delta: inout CompiledDelta) {
        ports.endStep()
        programNumbers.endStep()
        ruleNumbers.endStep()
        endpointNumbers.endStep()
        delta.addedPrograms.sort()
        delta.addedRules.sort()
        delta.removedRules.sort()
        compiled.endpointsOverLimit = waiting.keys.sorted()
    }

    // MARK: Classes

    /// Writes the entries that differ.
    ///
    /// A packet between two of these stores finds each address in its old or its new class. So an entry is written
    /// before that of a prefix around it, and before it is removed, it gets the value that its address inherits
    /// afterward. Entries that bring an endpoint with another program come last, because the program may need all
    /// others.
    private mutating func flush(_ step: inout PartitionStep, isVisible: Bool, _ delta: inout CompiledDelta) {
        if step.touched.count > 1024 { compiled.addresses.reserveHosts(partition.hosts.count) }
        let prefixes = Set(step.touchedPrefixes.filter { !$0.isHost }).sorted {
            $0.prefixLength == $1.prefixLength ? $0 < $1 : $0.prefixLength > $1.prefixLength
        }
        var flush = HostFlush(moving: isVisible ? Set(prefixes) : [])
        for prefix in step.touchedPrefixes where prefix.isHost { write(prefix.network, &flush, &delta) }
        for address in step.touched { write(address, &flush, &delta) }
        for prefix in prefixes { write(AddressChange(prefix, partition.entry(ofPrefix: prefix)), &delta) }
        for change in flush.gone + flush.later { write(change, &delta) }
        step.touched.removeAll(keepingCapacity: true)
        step.touchedPrefixes.removeAll()
    }

    /// Entries of single addresses that wait for others.
    private struct HostFlush {
        /// Prefixes whose class changes visibly.
        var moving: Set<CIDR>
        var gone: [AddressChange] = []
        var later: [AddressChange] = []
    }

    private mutating func write(_ address: IPAddress, _ flush: inout HostFlush, _ delta: inout CompiledDelta) {
        let new = partition.entry(of: address)
        let old = compiled.addresses.hosts[address]
        guard new != old else { return }
        let change = AddressChange(CIDR(host: address), new)
        guard let new else {
            if let inherited = partition.entry(around: address, among: flush.moving) {
                write(AddressChange(change.prefix, inherited), &delta)
            }
            return flush.gone.append(change)
        }
        guard new.endpoint != old?.endpoint ?? .none, new.endpoint != .none else { return write(change, &delta) }
        if old == nil, partition.entry(around: address, among: flush.moving) != nil {
            write(AddressChange(change.prefix, compiled.addresses.entry(of: address)), &delta)
        }
        flush.later.append(change)
    }

    private mutating func write(_ change: AddressChange, _ delta: inout CompiledDelta) {
        guard compiled.addresses[change.prefix] != change.entry else { return }
        compiled.addresses[change.prefix] = change.entry
        delta.addresses.append(change)
    }

    private mutating func publishClasses(_ step: PartitionStep, _ delta: inout CompiledDelta) {
        let added = step.created + step.split.map(\.new)
        for number in added + step.renamed.sorted() where partition.classes[Int(number)].isLive {
            let sets = partition.classes[Int(number)].peerSets
            compiled.addressClasses[AddressClassID(rawValue: number)] = AddressClass(
                key: partition.key(of: sets), peerSets: sets)
        }
        for number in step.removed { compiled.addressClasses[AddressClassID(rawValue: number)] = nil }
        delta.addedAddressClasses = added.map(AddressClassID.init(rawValue:)).sorted()
        delta.removedAddressClasses = step.removed.map(AddressClassID.init(rawValue:)).sorted()
        let removed = Set(step.removed).union(added)
        delta.renamedAddressClasses = step.renamed.subtracting(removed).map(AddressClassID.init(rawValue:)).sorted()
        guard !added.isEmpty || !step.removed.isEmpty else { return }
        for program in programs.keys where compiled.programs[program] != nil { addRows(step, to: program) }
    }

    private mutating func addRows(_ step: PartitionStep, to id: ProgramID) {
        guard var program = compiled.programs.removeValue(forKey: id) else { return }
        let missing = partition.classes.count - program.rows.count
        if missing > 0 { program.rows += [UInt16](repeating: 0, count: missing) }
        for (new, old) in step.split { program.rows[Int(new)] = program.rows[Int(old)] }
        for number in step.created {
            let sets = partition.classes[Int(number)].peerSets
            program.rows[Int(number)] = programs[id]?.layout?.row(of: sets, cells: &program.cells) ?? 0
        }
        for number in step.removed { program.rows[Int(number)] = 0 }
        compiled.programs[id] = program
        if programs[id]?.layout?.isOverLimit == true, !compiled.programsOverLimit.contains(id) {
            compiled.programsOverLimit.append(id)
            compiled.programsOverLimit.sort()
        }
    }

    private mutating func publishPortClasses(_ change: PortPartition.Change, _ delta: inout CompiledDelta) {
        let count = Int(ports.highestClass) + 1
        for id in programs.keys where compiled.programs[id] != nil {
            let missing = count - (compiled.programs[id]?.columns.count ?? 0)
            if missing > 0 { compiled.programs[id]?.columns += [UInt16](repeating: 0, count: missing) }
            for (new, old) in change.added {
                let column = compiled.programs[id]?.columns[Int(old.rawValue)] ?? 0
                compiled.programs[id]?.columns[Int(new.rawValue)] = column
            }
            for old in change.removed { compiled.programs[id]?.columns[Int(old.rawValue)] = 0 }
        }
        delta.addedPortClasses = (delta.addedPortClasses + change.added.map(\.0)).sorted()
        delta.removedPortClasses = (delta.removedPortClasses + change.removed).sorted()
    }
}
