// SPDX-License-Identifier: Apache-2.0

/// How much is asked at once and how long to rest, so that asking costs a given share of one processor and holds up
/// nothing for longer than ``longest``, as far as the kernel allows: where a single question takes longer, because
/// everything must be read for it, many are asked at once and the rest becomes longer.
public struct ProofPace: Sendable {
    /// Of one processor, above 0 and at most 1.
    public let share: Double
    /// How many questions to ask next.
    public private(set) var batch = 8
    /// The rest takes the time of all questions, whatever their number.
    private var isFixed = false
    private var last: (cost: Duration, questions: Int)?

    /// How long a batch may take.
    public static let longest: Duration = .milliseconds(1)
    /// The shortest rest: asking without end would wake the processor all the time.
    public static let shortestRest: Duration = .milliseconds(20)
    private static let largestBatch = 512

    public init(share: Double) { self.share = min(max(share, 0.000_01), 1) }

    /// Notes what a batch took.
    ///
    /// - Parameter cost: processor time of these questions.
    public mutating func note(_ questions: Int, cost: Duration) {
        defer { last = (cost, questions) }
        if isFixed, let last, last.questions < questions, cost > last.cost * 2 || cost < last.cost * 0.75 {
            // The time follows from the number after all, or the small batch was slow for another reason.
            (isFixed, batch) = (false, max(1, Int(Double(questions) * (Self.longest / cost))))
            return
        }
        if cost > Self.longest {
            if let last, questions < last.questions, cost > last.cost * 0.75 { isFixed = true }
            batch = isFixed ? Self.largestBatch : max(1, batch / 2)
            if questions <= 1 { (isFixed, batch) = (true, Self.largestBatch) }
        } else {
            isFixed = false
            if cost < Self.longest / 2, questions >= batch { batch = min(batch * 2, Self.largestBatch) }
        }
    }

    /// The rest that keeps work of this cost within the share.
    public func rest(after cost: Duration) -> Duration { max(Self.shortestRest, cost * (1 / share - 1)) }
}
