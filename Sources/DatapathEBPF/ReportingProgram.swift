// SPDX-License-Identifier: Apache-2.0
import BulkheadABI
import CLibBPF
import CLinuxShim
import Datapath
import Glibc
import NetworkTypes

/// A program that reports each packet as a new flow and decides nothing: the cost of a report, for benchmarks and tests.
public struct ReportingProgram: ~Copyable {
    private let programs: [AddressFamily: Int32]
    private let tables: UnsafeMutableRawPointer
    private let flows: ReportedFlows

    /// Packets that fit into the record of new flows.
    public static let packets = 2000

    public init() throws(DatapathError) {
        let object = try LoadedObject.load(EmbeddedObjects.report) { name, map in
            guard name.hasSuffix(".rodata") else { return 0 }
            var constants = bh_constants(table_words: TableMemory.heapBegin, only_answers: 0)
            return bpf_map__set_initial_value(map, &constants, MemoryLayout<bh_constants>.size)
        }
        let map = try object.map("tables")
        guard let tables = mmap(nil, Int(BH_FIXED_BYTES), PROT_READ | PROT_WRITE, MAP_SHARED, map.raw, 0),
            tables != MAP_FAILED
        else { throw .system(operation: "mapping tables", code: errno, detail: "") }
        let record = try object.map("flows")
        let flows = try ReportedFlows(map: record.raw)
        let four = try object.program("report4")
        let six = try object.program("report6")
        self.tables = tables
        self.flows = flows
        programs = [.ipv4: four.take(), .ipv6: six.take()]
    }

    deinit {
        munmap(tables, Int(BH_FIXED_BYTES))
        for program in programs.values { close(program) }
    }

    private func set(_ field: PartialKeyPath<bh_header>, _ word: UInt32) {
        let byte = Int(Generation.headerWord(field)) * 4
        bh_store32((tables + byte).assumingMemoryBound(to: UInt32.self), word)
    }

    /// Runs over a packet ``packets`` times.
    ///
    /// - Parameter isReporting: without it, the run is the same but for the report.
    /// - Returns: the mean time, and the events.
    public func testRun(
        packet: [UInt8], family: AddressFamily, isReporting: Bool
    ) throws(DatapathError) -> (nanoseconds: Double, events: [DropEvent]) {
        flows.clear()
        set(\.tick_ns, KernelTick.nanoseconds)
        set(\.flow_window_ns, 1 << 31)
        set(\.flow_interval_ns, isReporting ? 1024 : 0)
        let run = try runProgram(
            programs[family] ?? -1, packet: packet, family: family, repeats: UInt32(Self.packets))
        var events: [DropEvent] = []
        while let event = flows.next().flatMap({ DropEvent($0, now: EventClock.now) }) { events.append(event) }
        return (run.nanoseconds, events)
    }
}
