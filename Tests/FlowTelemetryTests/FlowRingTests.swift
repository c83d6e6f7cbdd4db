// SPDX-License-Identifier: Apache-2.0
import FlowTelemetry
import Testing

@Suite struct FlowRingTests {
    @Test(arguments: [1, 2, 3, 7, 100]) func theNewestAreKeptInOrderAndTheRestIsCounted(limit: Int) {
        var ring = FlowRing<Int>(limit: limit)
        for number in 1...250 {
            ring.append(number)
            let kept = ring.newest()
            #expect(kept == Array(max(1, number - limit + 1)...number))
            #expect(ring.count == kept.count)
            #expect(ring.overwritten == UInt64(number - kept.count))
        }
        #expect(ring.newest(1) == [250])
        #expect(ring.newest(0).isEmpty)
        #expect(ring.newest(1000).count == limit)
    }

    /// The last ones of those that are wanted, not the wanted ones of the last.
    @Test func aFilterComesBeforeTheNumber() {
        var ring = FlowRing<Int>(limit: 10)
        for number in 1...25 { ring.append(number) }
        #expect(ring.newest(2) { $0 % 5 == 0 } == [20, 25])
        #expect(ring.newest(9) { $0 < 18 } == [16, 17])
        #expect(ring.newest(3) { $0 > 25 }.isEmpty)
    }

    @Test func aRingWithoutRoomKeepsAndCountsNothing() {
        var ring = FlowRing<Int>(limit: 0)
        for number in 1...5 { ring.append(number) }
        #expect(ring.newest().isEmpty && ring.overwritten == 0 && ring.count == 0)
    }
}
