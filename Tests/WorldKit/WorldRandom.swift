// SPDX-License-Identifier: Apache-2.0

/// What worlds are made of, from ``SplitMix64`` alone: the standard library's own algorithms for ranges and shuffles are
/// not promised to stay.
public struct WorldRandom: Sendable {
    private var bits: SplitMix64

    public init(seed: UInt64) { bits = SplitMix64(seed: seed) }

    public mutating func next() -> UInt64 { bits.next() }

    /// 0..<bound, `bound` positive. The bias of the remainder does not matter here.
    public mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }

    /// Both ends included.
    public mutating func between(_ low: Int, _ high: Int) -> Int { low + below(high - low + 1) }

    public mutating func chance(percent: Int) -> Bool { below(100) < percent }

    public mutating func pick<T>(_ choices: [T]) -> T { choices[below(choices.count)] }

    /// An index, each as likely as its weight says.
    public mutating func weighted(_ weights: [Int]) -> Int {
        var rest = below(weights.reduce(0, +))
        for (index, weight) in weights.enumerated() {
            if rest < weight { return index }
            rest -= weight
        }
        return weights.count - 1
    }

    /// Each element with this chance, in order.
    public mutating func some<T>(of choices: [T], percent: Int) -> [T] {
        var result: [T] = []
        for choice in choices where chance(percent: percent) { result.append(choice) }
        return result
    }

    public mutating func bytes(_ count: Int) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(count)
        for _ in 0..<count { result.append(UInt8(truncatingIfNeeded: next())) }
        return result
    }
}
