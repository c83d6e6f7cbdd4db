// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import PolicyCompiler
import Testing

@Suite struct NumberAllocatorTests {
    private func key(_ number: UInt64) -> StableKey { StableKey(high: 0, low: number) }

    private func take(_ count: Int, of numbers: inout NumberAllocator) -> [UInt32?] {
        (0..<count).map { _ in numbers.allocate(key(99)) }
    }

    @Test func numbersCountUpToTheLimit() {
        var numbers = NumberAllocator(from: 5, limit: 7)
        #expect(take(4, of: &numbers) == [5, 6, 7, nil])
    }

    @Test func aNumberIsFreeAfterTheStepThatRetiredIt() {
        var numbers = NumberAllocator(limit: 2)
        #expect(take(2, of: &numbers) == [1, 2])
        numbers.retire(1)
        #expect(numbers.hasRetired && numbers.liveCount == 1)
        #expect(take(1, of: &numbers) == [nil], "a packet may still use it")
        numbers.endStep()
        #expect(take(1, of: &numbers) == [1])
    }

    /// The later a number is given again, the longer ago is the grace period that it needs.
    @Test func freshNumbersComeBeforeUsedOnes() {
        var numbers = NumberAllocator(limit: 1000)
        #expect(take(1, of: &numbers) == [1])
        for expected in 2...64 {
            numbers.retire(UInt32(expected - 1))
            numbers.endStep()
            #expect(take(1, of: &numbers) == [UInt32(expected)])
        }
        numbers.retire(64)
        numbers.endStep()
        #expect(take(1, of: &numbers) == [1], "numbers stay dense: the longest unused one")
    }

    @Test func aHintIsKeptForItsKey() {
        var numbers = NumberAllocator(limit: 4, hints: [key(1): 2, key(2): 9])
        #expect(take(2, of: &numbers) == [1, 3], "2 is reserved; 9 is out of range and forgotten")
        #expect(numbers.allocate(key(1)) == 2)
        #expect(numbers.allocate(key(1)) == 4, "2 is in use")
        #expect(numbers.allocateHint(key(2)) == nil)
    }

    @Test func reservedNumbersAreFreeWhenHintsAreReleased() {
        var numbers = NumberAllocator(limit: 3, hints: [key(1): 1, key(2): 3])
        #expect(take(2, of: &numbers) == [2, nil])
        numbers.releaseHints()
        #expect(take(3, of: &numbers) == [1, 3, nil])
    }
}
