// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import FlowTelemetry
import Synchronization

/// One client that follows records. The agent offers records, the client's connection takes them; neither waits for the
/// other.
public final class RecordFollower<Record: StreamRecord>: Sendable {
    /// The records that the client wants; notices always come.
    public let filter: FlowFilter
    /// Nil once it has been taken.
    private let history: Mutex<(@Sendable () -> [Record])?>
    private let backlog: Mutex<Backlog<Record>>
    private let signal: AsyncStream<Void>.Continuation
    private let signals: AsyncStream<Void>

    /// - Parameters:
    ///   - history: makes what comes first, in the client's task.
    ///   - follows: whether anything comes after that.
    public init(
        _ filter: FlowFilter = FlowFilter(), history: @escaping @Sendable () -> [Record] = { [] }, follows: Bool = true,
        limit: Int = ControlDefaults.eventBacklog
    ) {
        self.filter = filter
        self.history = Mutex(history)
        backlog = Mutex(Backlog(limit: limit))
        // One signal is enough: its receiver takes everything that waits.
        (signals, signal) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        if !follows { signal.finish() }
    }

    package func offer(_ record: Record) {
        backlog.withLock { $0.append(record) }
        signal.yield()
    }

    /// Ends ``batches(_:)``.
    package func finish() { signal.finish() }

    /// Passes batches to `receive` until the task is canceled, the agent stops, or `receive` throws.
    public func batches(_ receive: (Backlog<Record>.Batch) async throws -> Void) async throws {
        let first = takeHistory()
        if !first.isEmpty { try await receive(Backlog<Record>.Batch(elements: first)) }
        for await _ in signals { try await send(receive) }
        // The last records before the end.
        try Task.checkCancellation()
        try await send(receive)
    }

    private func takeHistory() -> [Record] {
        let make = history.withLock { history in
            defer { history = nil }
            return history
        }
        return make?() ?? []
    }

    private func send(_ receive: (Backlog<Record>.Batch) async throws -> Void) async throws {
        let batch = backlog.withLock { $0.take() }
        if !batch.elements.isEmpty || batch.lost > 0 { try await receive(batch) }
    }
}

extension RecordFollower: Hashable {
    public static func == (a: RecordFollower, b: RecordFollower) -> Bool { a === b }
    public func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}

/// A client of `GET /v1/events`.
public typealias EventFollower = RecordFollower<FlowRecord>
/// A client of `GET /v1/flows`.
public typealias FlowFollower = RecordFollower<FlowLine>
