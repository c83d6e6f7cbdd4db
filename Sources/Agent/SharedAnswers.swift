// SPDX-License-Identifier: Apache-2.0
import PrometheusText
import Synchronization

/// Asks a backend once for all who ask at the same time, and a little later for those who come after: whoever can reach
/// the metrics address must not be able to keep the agent busy.
struct SharedAnswers: MetricsBackend {
    private let sharedMetrics: SharedAnswer<[MetricFamily]>
    private let sharedHealth: SharedAnswer<Health>

    init(_ backend: any MetricsBackend) {
        sharedMetrics = SharedAnswer { await backend.metrics() }
        sharedHealth = SharedAnswer { await backend.health() }
    }

    func metrics() async -> [MetricFamily] { await sharedMetrics.value() }
    func health() async -> Health { await sharedHealth.value() }
}

/// One question, put once at a time. What an asker gets was found out after it asked.
private final class SharedAnswer<Answer: Sendable>: Sendable {
    private struct State {
        /// Has not put the question yet: others may join.
        var next: Task<Answer, Never>?
        /// The one before, which may be under way.
        var last: Task<Answer, Never>?
        /// When the answer before came.
        var lastEnd: ContinuousClock.Instant?
    }

    /// Between an answer and the next question.
    private static var pause: Duration { .milliseconds(50) }

    private let ask: @Sendable () async -> Answer
    private let state = Mutex(State())

    init(_ ask: @escaping @Sendable () async -> Answer) { self.ask = ask }

    func value() async -> Answer {
        let task = state.withLock { state in
            if let next = state.next { return next }
            let task = Task { [last = state.last] in await self.put(after: last) }
            state.next = task
            return task
        }
        return await task.value
    }

    private func put(after last: Task<Answer, Never>?) async -> Answer {
        _ = await last?.value
        if let end = state.withLock({ $0.lastEnd }) {
            try? await Task.sleep(until: end + Self.pause, clock: .continuous)
        }
        state.withLock { state in
            state.last = state.next
            state.next = nil
        }
        let answer = await ask()
        state.withLock { $0.lastEnd = .now }
        return answer
    }
}
