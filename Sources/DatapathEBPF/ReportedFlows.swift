// SPDX-License-Identifier: Apache-2.0
import BulkheadABI
import CLinuxShim
import Datapath
import Glibc

/// The map `flows` (bpf/flows.h): new flows, which programs write and this process reads.
package final class ReportedFlows {
    private let base: UnsafeMutableRawPointer
    /// Events that were read. The map has it too, for the programs and for a later process.
    private var taken: UInt16

    static let eventCount = Int(BH_FLOW_RECORDS)
    static let bytes = MemoryLayout<bh_flow_head>.size + eventCount * MemoryLayout<bh_event>.stride
    private static let takenByte = MemoryLayout<bh_flow_head>.offset(of: \.taken)!
    private static let readyByte = MemoryLayout<bh_event>.offset(of: \.ready)!

    init(map: Int32) throws(DatapathError) {
        guard let base = mmap(nil, Self.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, map, 0), base != MAP_FAILED else {
            throw .system(operation: "mapping the record of new flows", code: errno, detail: "")
        }
        self.base = base
        taken = UInt16(truncatingIfNeeded: bh_load32(Self.word(base, Self.takenByte)))
    }

    deinit { munmap(base, Self.bytes) }

    private static func word(_ base: UnsafeMutableRawPointer, _ byte: Int) -> UnsafeMutablePointer<UInt32> {
        (base + byte).assumingMemoryBound(to: UInt32.self)
    }

    /// The next event; nil while there is none, or while a processor is writing it.
    func next() -> bh_event? {
        let place = Int(taken) % Self.eventCount
        let event = base + MemoryLayout<bh_flow_head>.size + place * MemoryLayout<bh_event>.stride
        guard bh_load32(Self.word(event, Self.readyByte)) == UInt32(taken) + 1 else { return nil }
        defer {
            taken &+= 1
            // Programs write over the event after this.
            bh_store32(Self.word(base, Self.takenByte), UInt32(taken))
        }
        return event.load(as: bh_event.self)
    }

    /// Forgets all events and when there were any. No program may be writing.
    func clear() {
        memset(base, 0, Self.bytes)
        taken = 0
    }
}
