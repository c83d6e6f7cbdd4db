// SPDX-License-Identifier: Apache-2.0
import BulkheadABI
import CLibBPF
import CLinuxShim
import CompiledPolicy
import Datapath
import Glibc
import NetworkTypes

/// One set of maps, programs and links in the kernel, pinned in one directory, with what this process knows of it.
///
/// A class because it is replaced as a whole while parts of it are changed in place; it never leaves ``EBPFDatapath``.
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
    /// Blocks found in use beside the one known for their program; retired by the next resync.
    var strayPrograms: [HeapBlock] = []
    /// Whether the tables may be looked at for a packet that the node itself sends: only a grace period of RCU waits for
    /// those.
    var mayJudgeOutput = true
    let counters: Descriptor
    let stats: Descriptor
    let tunnelNodes: Descriptor
    private let hooks: HookPrograms
    private let ring: OpaquePointer

    static let mapNames = ["tables", "keys", "counters", "stats", "events", "tunnel_nodes"]
    static let ringBytes = 256 * 1024

    private init(
        number: Int, directory: String, capacities: Capacities, tables: borrowing Descriptor,
        keys keyMap: borrowing Descriptor, counters: consuming Descriptor, stats: consuming Descriptor,
        events: borrowing Descriptor, tunnelNodes: consuming Descriptor, hooks: consuming HookPrograms
    ) throws(DatapathError) {
        let tableBase = try Self.map(tables, bytes: capacities.tableBytes)
        let keyBase = try Self.map(keyMap, bytes: capacities.keyBytes)
        guard let ring = bh_ring_open(events.raw, Self.ringBytes) else {
            throw .system(operation: "mapping the event buffer", code: errno, detail: "")
        }
        self.number = number
        self.directory = directory
        self.capacities = capacities
        memory = TableMemory(mapped: tableBase, bytes: capacities.tableBytes, words: capacities.words)
        keys = KeyMemory(mapped: keyBase, capacities)
        self.counters = counters
        self.stats = stats
        self.tunnelNodes = tunnelNodes
        self.hooks = hooks
        self.ring = ring
    }

    deinit { bh_ring_close(ring) }

    /// A program's descriptor, which stays this object's.
    func program(at hook: PacketHook, _ family: AddressFamily) -> Int32 { hooks.raw(hook, family) }

    private static func map(_ map: borrowing Descriptor, bytes: Int) throws(DatapathError) -> UnsafeMutableRawPointer {
        guard let base = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, map.raw, 0), base != MAP_FAILED else {
            throw .system(operation: "mapping tables", code: errno, detail: "")
        }
        return base
    }

    // MARK: Creating and opening

    /// Loads programs and empty tables and pins them. Nothing is attached yet.
    static func create(
        _ number: Int, in parent: String, _ capacities: Capacities, _ settings: EBPFDatapath.Options
    ) throws(DatapathError) -> Generation {
        let object = try LoadedObject.load(EmbeddedObjects.bulkhead) { name, map in
            size(name, map, capacities)
        }
        let directory = "\(parent)/\(number)"
        if Pins.exists(directory) { try Pins.removeTree(directory) }
        try Pins.makeDirectory(directory)
        for name in mapNames { try Pins.pin(try object.map(name), at: "\(directory)/\(name)") }
        for name in HookPrograms.names { try Pins.pin(try object.program(name), at: "\(directory)/\(name)") }
        let generation = try Generation(
            number: number, directory: directory, capacities: capacities, tables: object.map("tables"),
            keys: object.map("keys"), counters: object.map("counters"), stats: object.map("stats"),
            events: object.map("events"), tunnelNodes: object.map("tunnel_nodes"),
            hooks: HookPrograms { name throws(DatapathError) in try object.program(name) })
        generation.writeHeader(settings)
        return generation
    }

    private static func size(_ name: String, _ map: OpaquePointer, _ capacities: Capacities) -> Int32 {
        switch name {
        case "tables": return bpf_map__set_value_size(map, UInt32(capacities.tableBytes))
        case "keys": return bpf_map__set_value_size(map, UInt32(capacities.keyBytes))
        case "counters": return bpf_map__set_max_entries(map, capacities.rules)
        default:
            guard name.hasSuffix(".rodata") else { return 0 }
            var words = capacities.words
            return bpf_map__set_initial_value(map, &words, MemoryLayout<UInt32>.size)
        }
    }

    static func headerWord(_ field: PartialKeyPath<bh_header>) -> UInt32 {
        UInt32(MemoryLayout<bh_header>.offset(of: field)! / 4)
    }

    private func writeHeader(_ settings: EBPFDatapath.Options) {
        let words: [(PartialKeyPath<bh_header>, UInt32)] = [
            (\.magic, BH_MAGIC), (\.layout, UInt32(BH_LAYOUT_VERSION)), (\.words, capacities.words),
            (\.heap_begin, TableMemory.heapBegin), (\.class_keys, capacities.addressClasses),
            (\.program_keys, capacities.programs), (\.rule_keys, capacities.rules),
        ]
        for (field, word) in words { memory.update(Self.headerWord(field), word) }
        writeSettings(settings)
    }

    func writeSettings(_ settings: EBPFDatapath.Options) {
        memory.update(Self.headerWord(\.event_rate), settings.eventsPerSecond)
        memory.update(Self.headerWord(\.event_burst), settings.eventBurst)
        memory.update(Self.headerWord(\.event_repeat_ms), settings.eventRepeatMilliseconds)
    }

    /// Opens what is pinned. Throws ``DatapathError/corrupt(_:)`` where it is not whole.
    static func open(_ number: Int, in parent: String) throws(DatapathError) -> Generation {
        let directory = "\(parent)/\(number)"
        let tables = try Pins.get(directory + "/tables")
        let header = try Self.map(tables, bytes: Int(BH_FIXED_BYTES))
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
        try check(tables, valueBytes: capacities.tableBytes)
        let keys = try Pins.get(directory + "/keys")
        try check(keys, valueBytes: capacities.keyBytes)
        let generation = try Generation(
            number: number, directory: directory, capacities: capacities, tables: tables,
            keys: keys, counters: Pins.get(directory + "/counters"), stats: Pins.get(directory + "/stats"),
            events: Pins.get(directory + "/events"), tunnelNodes: Pins.get(directory + "/tunnel_nodes"),
            hooks: HookPrograms { name throws(DatapathError) in try Pins.get(directory + "/" + name) })
        try generation.recover()
        return generation
    }

    private static func check(_ map: borrowing Descriptor, valueBytes: Int) throws(DatapathError) {
        var info = bpf_map_info()
        var size = UInt32(MemoryLayout<bpf_map_info>.size)
        guard bpf_obj_get_info_by_fd(map.raw, &info, &size) == 0, Int(info.value_size) == valueBytes else {
            throw .corrupt("a map has another size than its header says")
        }
    }

    /// Marks as tables that may enforce.
    func complete() { memory.update(Self.headerWord(\.complete), 1) }

    // MARK: Events

    func nextEvent() -> bh_event? {
        var event = bh_event()
        return bh_ring_next(ring, &event, MemoryLayout<bh_event>.size) == 1 ? event : nil
    }
}
