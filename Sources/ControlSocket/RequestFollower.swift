// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import RequestPolicy
import Synchronization

/// One client that follows the requests' policy. The agent offers each state, the client's connection takes the newest
/// one; neither waits for the other, and a slow client misses only states between two that it gets.
public final class RequestFollower: Sendable {
    private struct State {
        /// What the client has.
        var sent: RequestPolicy?
        /// The newest state, if the client does not have it yet.
        var next: RequestPolicy?
    }

    /// Whether the client decides about requests: a client of the control socket only watches.
    public let decides: Bool
    private let state: Mutex<State>
    private let signal: AsyncStream<Void>.Continuation
    private let signals: AsyncStream<Void>

    /// - Parameter policy: what the client gets first; nil: it waits for the first state that is offered.
    public init(_ policy: RequestPolicy?, decides: Bool) {
        self.decides = decides
        state = Mutex(State(next: policy))
        // One signal is enough: its receiver takes the newest state.
        (signals, signal) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        signal.yield()
    }

    package func offer(_ policy: RequestPolicy) {
        state.withLock { $0.next = policy }
        signal.yield()
    }

    /// Sends an empty line, so that both sides notice a dead connection.
    func tick() { signal.yield() }

    /// Ends ``batches(_:)``.
    package func finish() { signal.finish() }

    /// Passes the snapshot, and then each change, as lines to `receive`, until the task is canceled, the agent stops, or
    /// `receive` throws.
    public func batches(_ receive: ([UInt8]) async throws -> Void) async throws {
        for await _ in signals { try await receive(take()) }
        try Task.checkCancellation()
    }

    /// An empty line if there is no news.
    private func take() -> [UInt8] {
        let (sent, next) = state.withLock { state in
            defer {
                state.sent = state.next ?? state.sent
                state.next = nil
            }
            return (state.sent, state.next)
        }
        guard let next else { return Self.emptyLine }
        guard let sent else { return RequestPolicyChange(next).bytes }
        let change = RequestPolicyChange(from: sent, to: next)
        return change.isEmpty ? Self.emptyLine : change.bytes
    }

    private static let emptyLine = [UInt8(ascii: "\n")]
}

extension RequestFollower: Hashable {
    public static func == (a: RequestFollower, b: RequestFollower) -> Bool { a === b }
    public func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}
