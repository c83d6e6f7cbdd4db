// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import PolicyCompiler
import Testing

@Suite struct ClassNumbersTests {
    private static let limit = AddressClassID.ownNodeLimit
    private func key(_ number: UInt32) -> StableKey { StableKey(high: 0, low: UInt64(number)) }

    @Test func ownClassesHaveTheLowNumbers() {
        var numbers = ClassNumbers(hints: [:])
        #expect((1...3).map { numbers.allocate(key($0), isOwn: $0 != 2) } == [1, Self.limit, 2])
    }

    @Test func ownClassesThatFindNoneHaveOrdinaryNumbers() {
        var numbers = ClassNumbers(hints: [:])
        let own = (1...Self.limit).map { numbers.allocate(key($0), isOwn: true) }
        #expect(own == (1...Self.limit).map { $0 })
        #expect(numbers.fits(Self.limit, isOwn: true), "there is no better number")
        numbers.retire(1)
        #expect(!numbers.fits(Self.limit, isOwn: true))
    }

    @Test(arguments: [(1, true, true), (1, false, false), (64, true, false), (64, false, true), (63, true, true)])
    func aNumberTellsWhoseTheMembersAre(_ number: UInt32, isOwn: Bool, fits: Bool) {
        let numbers = ClassNumbers(hints: [:])
        #expect(numbers.fits(number, isOwn: isOwn) == fits)
    }

    @Test func hintsOfTheWrongRangeAreNotTaken() {
        var numbers = ClassNumbers(hints: [key(1): 7, key(2): 100, key(3): 101])
        #expect(numbers.allocate(key(1), isOwn: true) == 7)
        #expect(numbers.allocate(key(2), isOwn: false) == 100)
        #expect(numbers.allocate(key(3), isOwn: true) == 1, "101 is no own class's")
        numbers.retire(7)
        numbers.endStep()
        #expect(numbers.allocate(key(1), isOwn: false) == Self.limit)
    }
}
