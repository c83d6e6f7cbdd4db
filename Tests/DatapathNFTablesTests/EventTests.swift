// SPDX-License-Identifier: Apache-2.0
import CLibNFTNL
import CompiledPolicy
import Datapath
import DatapathNFTables
import Glibc
import NetworkTypes
import PolicyModel
import SystemClocks
import Testing

/// What becomes of the kernel's messages, without a kernel.
@Suite struct EventTests {
    private static func event(
        _ port: UInt16, at time: UInt64, from sourcePort: UInt16 = 1, rule: UInt32 = 1, cause: DropEvent.Cause = .rule
    ) -> DropEvent {
        DropEvent(
            cause: cause, direction: .ingress,
            flow: Flow(
                source: IPAddress(v4: 0x0a00_0001), destination: IPAddress(v4: 0x0a00_0002), ipProtocol: .udp,
                destinationPort: port),
            sourcePort: sourcePort, endpoint: .none, rule: RuleID(rawValue: rule), interfaceIndex: 0,
            monotonicNanoseconds: time)
    }

    @Test func oneReportForEachFlowWithinTheWindow() {
        var repeats = RepeatedEvents(window: 100, limit: 10)
        func told(_ event: DropEvent) -> Bool { repeats.isNew(event) }
        #expect(told(Self.event(1, at: 1000)))
        #expect(!told(Self.event(1, at: 1001)) && !told(Self.event(1, at: 1099)))
        // A report of another processor, a moment earlier.
        #expect(!told(Self.event(1, at: 999)))
        #expect(told(Self.event(2, at: 1050)) && told(Self.event(1, at: 1050, from: 2)))
        #expect(told(Self.event(1, at: 1050, rule: 2)) && told(Self.event(1, at: 1050, cause: .audit)))
        #expect(repeats.count == 3)
        // Repetitions do not make the window longer.
        #expect(told(Self.event(1, at: 1100)) && !told(Self.event(1, at: 1199)))
        repeats.forget()
        #expect(told(Self.event(1, at: 1150)) && repeats.count == 4)
    }

    @Test func soManyFlowsAreRemembered() {
        var repeats = RepeatedEvents(window: 1000, limit: 100)
        func told(_ ports: ClosedRange<UInt16>, at time: UInt64) -> Int {
            ports.count { repeats.isNew(Self.event($0, at: time)) }
        }
        #expect(told(1...100, at: 1) == 100 && told(1...100, at: 2) == 0)
        #expect(told(101...200, at: 3) == 100 && told(1...200, at: 4) == 0)
        #expect(repeats.count == 300)
        // The oldest are forgotten, the others are not.
        #expect(told(201...201, at: 5) == 1 && told(1...1, at: 6) == 1 && told(150...150, at: 7) == 0)
    }

    @Test func twoOrdersBecomeOne() {
        let first = [3, 5, 5, 9].map { Self.event(1, at: $0) }
        let second = [1, 5, 4, 12].map { Self.event(2, at: $0) }
        let merged = [DropEvent].merging(first, second)
        #expect(merged.map(\.monotonicNanoseconds) == [1, 3, 5, 5, 5, 4, 9, 12])
        #expect(merged.filter { $0.flow.destinationPort == 1 } == first)
        #expect(merged.filter { $0.flow.destinationPort == 2 } == second)
        #expect([DropEvent].merging(first, []) == first && [DropEvent].merging([], second) == second)
    }

    // MARK: The kernel's stamps

    /// A message as nflog sends it: a UDP or ICMP packet of 28 bytes.
    private static func message(_ ipProtocol: UInt8, stamp: (UInt64, UInt64)?) -> [UInt8] {
        func attribute(_ type: nfulnl_attr_type, _ value: [UInt8]) -> [UInt8] {
            let length = UInt16(4 + value.count)
            return [UInt8(length & 255), UInt8(length >> 8), UInt8(type.rawValue), 0] + value
                + [UInt8](repeating: 0, count: (4 - value.count % 4) % 4)
        }
        func big(_ number: UInt64) -> [UInt8] { withUnsafeBytes(of: number.bigEndian) { Array($0) } }
        let packet: [UInt8] = [
            0x45, 0, 0, 28, 0, 0, 0, 0, 64, ipProtocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 11, 3, 0, 80,
        ]
        var bytes: [UInt8] = [2, 0, 0, 0]
        bytes += attribute(NFULA_PREFIX, Array("bulkhead rule ingress 7 shop/x\0".utf8))
        bytes += attribute(NFULA_PAYLOAD, packet + [0, 0, 0, 0])
        if let stamp { bytes += attribute(NFULA_TIMESTAMP, big(stamp.0) + big(stamp.1)) }
        return bytes
    }

    private static func packet(_ ipProtocol: UInt8, stamp: (UInt64, UInt64)? = nil) throws -> LoggedPacket {
        try #require(message(ipProtocol, stamp: stamp).withUnsafeBytes { LoggedPacket($0) })
    }

    @Test func typeAndCodeOfICMP() throws {
        #expect(try Self.packet(1).icmp == ICMPMessage(type: 11, code: 3))
        let datagram = try Self.packet(17)
        #expect(datagram.icmp == nil && datagram.flow.destinationPort == 80 && datagram.sourcePort == 11 << 8 | 3)
    }

    @Test func theKernelsStampIsTheTime() throws {
        let stamped = try Self.packet(17, stamp: (2_000, 5))
        #expect(stamped.time == 2_000_000_005_000)
        let clock = ClockPair(monotonic: 900_000_000_000, sinceEpoch: 2_010_000_000_000)
        #expect(clock.monotonic(ofSinceEpoch: try #require(stamped.time)) == 890_000_005_000)
        #expect(clock.sinceEpoch(ofMonotonic: 890_000_005_000) == stamped.time)
        // A clock that was set makes no time that cannot be.
        #expect(clock.monotonic(ofSinceEpoch: 2_011_000_000_000) == 900_000_000_000)
        #expect(clock.monotonic(ofSinceEpoch: 1_000_000_000) == 0 && clock.monotonic(ofSinceEpoch: .min) == 0)
        #expect(try Self.packet(17).time == nil)
        #expect(try Self.packet(17, stamp: (.max, 0)).time == nil && Self.packet(17, stamp: (1, .max)).time == nil)
    }

    /// The thread loses the processor for 50 ms between the first two readings; the next ones are taken.
    @Test func clocksAreReadAtOneMoment() {
        var (now, readings): (Int64, Int) = (1_000_000_000, 0)
        let pair = ClockPair.closest { clock in
            readings += 1
            now += readings == 2 ? 50_000_000 : 100
            return clock == CLOCK_REALTIME ? now + 7_000_000_000 : now
        }
        #expect(pair.sinceEpoch - Int64(pair.monotonic) == 7_000_000_000)
        #expect(readings == 6)
    }
}
