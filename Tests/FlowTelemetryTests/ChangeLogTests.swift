// SPDX-License-Identifier: Apache-2.0
import FlowTelemetry
import Testing

@Suite struct ChangeLogTests {
    private typealias Log = ChangeLog<String>

    private static func entries(_ names: ClosedRange<Int>, _ change: Log.Change = .added) -> [Log.Entry] {
        names.map { Log.Entry(key: "p\($0)", change: change, source: "socket") }
    }

    @Test func fewAreWrittenEach() {
        var log = Log(limit: 3)
        #expect(log.take(Self.entries(1...3), at: 0).map(\.key) == ["p1", "p2", "p3"])
        #expect(log.takeRest() == nil)
    }

    @Test func aBurstIsSummed() {
        var log = Log(limit: 3)
        #expect(log.take(Self.entries(1...2), at: 0).count == 2)
        #expect(log.take(Self.entries(3...60, .removed), at: 0.5).map(\.key) == ["p3"])
        #expect(log.take(Self.entries(61...62, .changed), at: 0.9).isEmpty)
        #expect(log.takeRest()?.counts == [.removed: 57, .changed: 2])
        #expect(log.takeRest() == nil)
    }

    @Test func anotherSecondHasRoomAgain() {
        var log = Log(limit: 1)
        #expect(log.take(Self.entries(1...2), at: 10).map(\.key) == ["p1"])
        #expect(log.take(Self.entries(3...3), at: 10.99).isEmpty)
        #expect(log.take(Self.entries(4...4), at: 11).map(\.key) == ["p4"])
        #expect(log.rest.total == 2)
    }
}
