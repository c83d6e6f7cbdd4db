// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// One call for all requests that arrive at the same time, and a little later one for those that follow: clients of the
/// metrics address must not be able to keep the agent busy. An answer is never older than its request.
final class SharedAnswer<Answer: Sendable>: Sendable {
    private struct State {
        /// Has not called yet: further requests may join.
        var next: Task<Answer, Never>?
        /// The previous call, which may be under way.
        var last: Task<Answer, Never>?
        /// When the previous answer arrived.
        var lastEnd: ContinuousClock.Instant?
    }

    /// Between an answer and the next call.
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
