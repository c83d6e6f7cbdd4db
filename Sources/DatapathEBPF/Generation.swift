// SPDX-License-Identifier: Apache-2.0
import BulkheadABI
import CLibBPF
import CLinuxShim
import CompiledPolicy
import Datapath
import Glibc
import NetworkTypes

/// One set of maps, programs and links in the kernel, pinned in one directory, with what this process knows about it.
///
/// A class, because it is replaced as a whole while parts of it are changed in place; it never leaves ``EBPFDatapath``.
final class Generation {
    let number: Int
    let directory: String
    let capacities: Capacities
    var memory: TableMemory
    var keys: KeyMemory
    var addresses4 = AddressTable4()
    var addresses6 = AddressTree6()
    var programs = ProgramTable()
    var endpoints = EndpointTable()
    /// Blocks in use in addition to the known block of their program; the next resync retires them.
    var strayPrograms: [HeapBlock] = []
    /// Whether the tables may be read for a packet that the node itself sends: only a grace period of RCU waits for
    /// those.
    var mayJudgeOutput = true
    /// Addresses in the map `tunnel_nodes`; nil before the first call.
    var tunnelTargets: Set<IPAddress>?
    /// Counts the checks for changes by others.
    var looks = 0
    /// The programs that answer questions about these tables; nil before the first question.
    var answering: AnsweringPrograms?
    /// What loads them; nil before and after.
    var loader: AnsweringLoader?
    /// Where the comparison of the tables with policy is; nil between two of them.
    var comparison: TableComparison?
    /// Everything that is pinned in the directory.
    var held: HeldObjects
    private let ring: OpaquePointer
    /// New flows; nil if the programs are of a build without this map.
    private let flows: ReportedFlows?

    static let mapNames = ["tables", "keys", "counters", "stats", "events", "tunnel_nodes", flowsName]
    static let flowsName = "flows"
    static let ringBytes = 256 * 1024

    private init(
        number: Int, directory: String, capacities: Capacities, held: consuming HeldObjects
    ) throws(DatapathError) {
        let tables = try Self.map(held.raw("tables"), bytes: capacities.tableBytes)
        let keyMap = try Self.map(held.raw("keys"), bytes: capacities.keyBytes)
        guard let ring = bh_ring_open(held.raw("events"), Self.ringBytes) else {
            throw .system(operation: "mapping the event buffer", code: errno, detail: "")
        }
        do throws(DatapathError) {
            flows = held.holds(Self.flowsName) ? try ReportedFlows(map: held.raw(Self.flowsName)) : nil
        } catch {
            bh_ring_close(ring)
            throw error
        }
        self.number = number
        self.directory = directory
        self.capacities = capacities
        memory = TableMemory(tables, words: capacities.words)
        keys = KeyMemory(keyMap, capacities)
        self.held = held
        self.ring = ring
    }

    deinit { bh_ring_close(ring) }

    /// A map's descriptor, which remains owned by this object.
    struct MapReference { let raw: Int32 }
    var counters: MapReference { MapReference(raw: held.raw("counters")) }
    var stats: MapReference { MapReference(raw: held.raw("stats")) }
    var tunnelNodes: MapReference { MapReference(raw: held.raw("tunnel_nodes")) }

    /// A program's descriptor, which remains owned by this object.
    func program(at hook: PacketHook, _ family: AddressFamily) -> Int32 { held.raw(hook.program(family)) }

    private static func map(_ map: Int32, bytes: Int) throws(DatapathError) -> Mirror {
        guard let base = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, map, 0), base != MAP_FAILED else {
            throw .system(operation: "mapping tables", code: errno, detail: "")
        }
        return try Mirror(mapped: base, bytes: bytes)
    }

    // MARK: Creating and opening

    /// Loads programs and empty tables. Nothing is pinned or attached yet.
    static func create(
        _ number: Int, in parent: String, _ capacities: Capacities, _ settings: EBPFDatapath.Options
    ) throws(DatapathError) -> Generation {
        let object = try LoadedObject.load(EmbeddedObjects.bulkhead) { name, map in
            size(name, map, capacities)
        }
        let directory = "\(parent)/\(number)"
        if Pins.exists(directory) { try Pins.removeTree(directory) }
        var held = HeldObjects()
        for name in mapNames { held.hold(try object.map(name), as: name) }
        for name in PacketHook.programs { held.hold(try object.program(name), as: name) }
        let generation = try Generation(number: number, directory: directory, capacities: capacities, held: held)
        generation.writeHeader(settings)
        return generation
    }

    /// Sizes a map before it is created.
    static func size(_ name: String, _ map: OpaquePointer, _ capacities: Capacities) -> Int32 {
        switch name {
        case "tables": return bpf_map__set_value_size(map, UInt32(capacities.tableBytes))
        case "keys": return bpf_map__set_value_size(map, UInt32(capacities.keyBytes))
        case "counters": return bpf_map__set_max_entries(map, capacities.rules)
        default:
            guard name.hasSuffix(".rodata") else { return 0 }
            var constants = bh_constants(table_words: capacities.words, only_answers: 0)
            return bpf_map__set_initial_value(map, &constants, MemoryLayout<bh_constants>.size)
        }
    }

    static func headerWord(_ field: PartialKeyPath<bh_header>) -> UInt32 {
        UInt32(MemoryLayout<bh_header>.offset(of: field)! / 4)
    }

    /// Identifies the embedded programs (FNV-1a).
    private static let build: UInt32 = EmbeddedObjects.bulkhead.withUTF8Buffer { bytes in
        bytes.reduce(0x811c_9dc5) { ($0 ^ UInt32($1)) &* 0x0100_0193 }
    }

    /// Whether the programs are those of this build. Others enforce the same tables until everything is written again:
    /// then they are replaced.
    var isOfThisBuild: Bool { memory.load(Self.headerWord(\.build)) == Self.build }

    private func writeHeader(_ settings: EBPFDatapath.Options) {
        let words: [(PartialKeyPath<bh_header>, UInt32)] = [
            (\.magic, BH_MAGIC), (\.layout, UInt32(BH_LAYOUT_VERSION)), (\.words, capacities.words),
            (\.heap_begin, TableMemory.heapBegin), (\.class_keys, capacities.addressClasses),
            (\.program_keys, capacities.programs), (\.rule_keys, capacities.rules), (\.build, Self.build),
        ]
        for (field, word) in words { memory.update(Self.headerWord(field), word) }
        writeSettings(settings)
    }

    /// The last eight bytes of the header, which no program reads: the network namespace of the links.
    static let namespaceByte = MemoryLayout<bh_header>.size - 8

    func writeSettings(_ settings: EBPFDatapath.Options) {
        let namespace = bh_network_namespace()
        if memory.load64(UInt32(Self.namespaceByte / 4)) != namespace {
            memory.store64(UInt32(Self.namespaceByte / 4), namespace)
        }
        memory.update(Self.headerWord(\.event_rate), settings.eventsPerSecond)
        memory.update(Self.headerWord(\.event_burst), settings.eventBurst)
        memory.update(Self.headerWord(\.event_repeat_ms), settings.eventRepeatMilliseconds)
        memory.update(Self.headerWord(\.tick_ns), KernelTick.nanoseconds)
    }

    /// Opens what is pinned. Throws ``DatapathError/corrupt(_:)`` if it is incomplete.
    static func open(_ number: Int, in parent: String) throws(DatapathError) -> Generation {
        let directory = "\(parent)/\(number)"
        var held = HeldObjects()
        for name in mapNames + PacketHook.programs where name != flowsName || Pins.exists("\(directory)/\(name)") {
            try held.holdPinned(name, in: directory)
        }
        guard
            let header = mmap(nil, Int(BH_FIXED_BYTES), PROT_READ, MAP_SHARED, held.raw("tables"), 0),
            header != MAP_FAILED
        else { throw .system(operation: "mapping tables", code: errno, detail: "") }
        func word(_ field: PartialKeyPath<bh_header>) -> UInt32 {
            header.load(fromByteOffset: Int(headerWord(field)) * 4, as: UInt32.self)
        }
        defer { munmap(header, Int(BH_FIXED_BYTES)) }
        guard word(\.magic) == BH_MAGIC, word(\.layout) == UInt32(BH_LAYOUT_VERSION), word(\.complete) == 1,
            word(\.heap_begin) == TableMemory.heapBegin
        else { throw .corrupt("the tables in \(directory) were never completed") }
        let capacities = Capacities(
            words: word(\.words), addressClasses: word(\.class_keys), programs: word(\.program_keys),
            rules: word(\.rule_keys))
        try check(held.raw("tables"), valueBytes: capacities.tableBytes)
        try check(held.raw("keys"), valueBytes: capacities.keyBytes)
        let generation = try Generation(number: number, directory: directory, capacities: capacities, held: held)
        try generation.recover()
        return generation
    }

    private static func check(_ map: Int32, valueBytes: Int) throws(DatapathError) {
        var info = bpf_map_info()
        var size = UInt32(MemoryLayout<bpf_map_info>.size)
        guard bpf_obj_get_info_by_fd(map, &info, &size) == 0, Int(info.value_size) == valueBytes else {
            throw .corrupt("the size of a map differs from its header")
        }
    }

    /// Marks as tables that may enforce.
    func complete() { memory.update(Self.headerWord(\.complete), 1) }

    // MARK: Events

    func nextFlow() -> bh_event? { flows?.next() }

    func nextEvent() -> bh_event? {
        var event = bh_event()
        return bh_ring_next(ring, &event, MemoryLayout<bh_event>.size) == 1 ? event : nil
    }
}

/// The length of the kernel's ticks.
enum KernelTick {
    /// The resolution of a clock that goes on with each tick.
    static let nanoseconds: UInt32 = {
        var resolution = timespec()
        clock_getres(CLOCK_MONOTONIC_COARSE, &resolution)
        return UInt32(clamping: resolution.tv_nsec)
    }()
}
