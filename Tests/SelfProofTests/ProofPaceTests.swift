// SPDX-License-Identifier: Apache-2.0
import SelfProof
import Testing

/// The share of the processor holds whatever a question costs.
@Suite struct ProofPaceTests {
    /// - Parameter cost: of a batch of so many questions.
    private func run(
        _ pace: inout ProofPace, turns: Int, cost: (Int) -> Duration
    ) -> (share: Double, questions: Int, longest: Duration) {
        var (busy, all, longest) = (Duration.zero, Duration.zero, Duration.zero)
        var questions = 0
        for _ in 0..<turns {
            let spent = cost(pace.batch)
            questions += pace.batch
            pace.note(pace.batch, cost: spent)
            let rest = pace.rest(after: spent)
            busy += spent
            all += spent + rest
            longest = max(longest, spent)
        }
        return (busy / all, questions, longest)
    }

    @Test func cheapQuestionsFillTheMillisecond() {
        var pace = ProofPace(share: 0.005)
        let result = run(&pace, turns: 500) { .microseconds(5) * $0 }
        #expect(result.share <= 0.005_001 && result.share > 0.004)
        #expect(result.longest <= .milliseconds(1.3))
        #expect(result.questions / 500 > 80, "about a hundred fit")
    }

    @Test func aTableThatMustBeReadAsAWholeIsReadSeldomForMany() {
        var pace = ProofPace(share: 0.005)
        _ = run(&pace, turns: 20) { .milliseconds(40) + .microseconds(2) * $0 }
        let result = run(&pace, turns: 50) { .milliseconds(40) + .microseconds(2) * $0 }
        #expect(result.share <= 0.005_001)
        #expect(pace.batch == 512)
    }

    @Test func dearQuestionsAreAskedOneByOneUntilTheyAreCheapAgain() {
        var pace = ProofPace(share: 0.005)
        _ = run(&pace, turns: 100) { .microseconds(400) * $0 }
        #expect(pace.batch <= 2)
        _ = run(&pace, turns: 100) { .microseconds(1) * $0 }
        #expect(pace.batch == 512)
    }

    /// A small batch that something else made slow must not fix the size.
    @Test func oneSlowBatchDoesNotLast() {
        var pace = ProofPace(share: 0.005)
        _ = run(&pace, turns: 50) { .microseconds(20) * $0 }
        pace.note(pace.batch, cost: .milliseconds(30))
        pace.note(pace.batch / 2, cost: .milliseconds(30))
        _ = run(&pace, turns: 3) { .microseconds(20) * $0 }
        let result = run(&pace, turns: 50) { .microseconds(20) * $0 }
        #expect(result.longest <= .milliseconds(2))
    }

    @Test func itNeverRestsShorterThanTheProcessorNeedsToSleep() {
        let pace = ProofPace(share: 1)
        #expect(pace.rest(after: .microseconds(1)) == ProofPace.shortestRest)
    }
}
