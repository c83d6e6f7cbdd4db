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

    /// A flood of one kind leaves the newest of the other: a quarter of the room is for rare ones.
    @Test func noKindDisplacesTheOther() {
        var ring = FlowRing<Int>(limit: 100)
        for number in 1...40 { ring.append(-number, isRare: true) }
        for number in 1...1000 { ring.append(number) }
        #expect(ring.count == 100 && ring.overwritten == 940)
        #expect(ring.newest() == (16...40).map { -$0 } + Array(926...1000))
        for number in 41...1000 { ring.append(-number, isRare: true) }
        #expect(ring.newest() == Array(926...1000) + (976...1000).map { -$0 })
    }

    /// Against a plain list of what should be there.
    @Test func theOrderIsThatOfArrival() {
        var ring = FlowRing<Int>(limit: 20)
        var (frequent, rare): ([Int], [Int]) = ([], [])
        var state: UInt64 = 1
        for number in 1...5000 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let isRare = number % 1000 < 500 ? state >> 60 == 0 : state >> 60 != 0
            ring.append(number, isRare: isRare)
            if isRare { rare.append(number) } else { frequent.append(number) }
            let kept = ring.newest()
            #expect(kept.count == min(number, 20) && ring.overwritten == UInt64(number - kept.count))
            #expect(kept == kept.sorted() && kept.last == number)
            // The newest of each kind, and of each at least its part if there were so many.
            let (some, others) = (kept.filter { frequent.contains($0) }, kept.filter { rare.contains($0) })
            #expect(some == Array(frequent.suffix(some.count)) && others == Array(rare.suffix(others.count)))
            #expect(some.count >= min(frequent.count, 15) || number < 20 || others.count <= 5)
            #expect(others.count >= min(rare.count, 5) || number < 20)
        }
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
