// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import FlowTelemetry
import Synchronization

/// One client that follows events. The agent offers records, the client's connection takes them; neither waits for the
/// other.
public final class EventFollower: Sendable {
    private let backlog: Mutex<Backlog<FlowRecord>>
    private let signal: AsyncStream<Void>.Continuation
    private let signals: AsyncStream<Void>
    private let kinds: Set<FlowRecord.Kind>

    /// - Parameter kinds: the kinds of records that the client wants; notices always come.
    public init(_ kinds: Set<FlowRecord.Kind>, limit: Int = ControlDefaults.eventBacklog) {
        self.kinds = kinds
        backlog = Mutex(Backlog(limit: limit))
        // One signal is enough: its receiver takes everything that waits.
        (signals, signal) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    package func offer(_ record: FlowRecord) {
        guard record.kind == .notice || kinds.contains(record.kind) else { return }
        backlog.withLock { $0.append(record) }
        signal.yield()
    }

    /// Ends ``batches(_:)``.
    package func finish() { signal.finish() }

    /// Passes batches to `receive` until the task is canceled, the agent stops, or `receive` throws.
    public func batches(_ receive: (Backlog<FlowRecord>.Batch) async throws -> Void) async throws {
        for await _ in signals { try await send(receive) }
        // The last records before the end.
        try Task.checkCancellation()
        try await send(receive)
    }

    private func send(_ receive: (Backlog<FlowRecord>.Batch) async throws -> Void) async throws {
        let batch = backlog.withLock { $0.take() }
        if !batch.elements.isEmpty || batch.lost > 0 { try await receive(batch) }
    }
}

extension EventFollower: Hashable {
    public static func == (a: EventFollower, b: EventFollower) -> Bool { a === b }
    public func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}
