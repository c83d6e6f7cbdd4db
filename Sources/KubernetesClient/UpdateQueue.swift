// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import KubernetesWatch
import Synchronization

/// What has changed since the last update was taken.
public struct ClusterUpdate: Sendable, Hashable {
    public enum Stage: Sendable, Hashable {
        /// Parts of the first lists: not all is known yet.
        case gathering
        /// With these, all objects of all resources are known.
        case complete
        case following
    }
    public var stage: Stage
    /// In order.
    public var events: [ObjectEvent]
    public init(stage: Stage, events: [ObjectEvent]) {
        self.stage = stage
        self.events = events
    }
}

/// Joins the changes of all resources, in the order in which they come, and hands over all that has come at once: who
/// is busy with one update finds the next one larger. Also keeps how each watch stands.
final class UpdateQueue: Sendable {
    private struct State {
        var events: [ObjectEvent] = []
        /// Resources whose first list is not complete.
        var missing: Set<ObjectKind>
        var isCompletionDue = false
        var isCompletionTaken = false
        var isClosed = false
        var taker: CheckedContinuation<Void, Never>?
        var writers: [CheckedContinuation<Void, Never>] = []
        var watches: [ObjectKind: FollowedWatch]
    }

    private let state: Mutex<State>
    /// Events beyond which those who bring more have to wait.
    private static let limit = 4096

    init(_ resources: [APIResource]) {
        let now = ContinuousClock.now
        state = Mutex(
            State(
                missing: Set(resources.map(\.kind)),
                watches: Dictionary(
                    uniqueKeysWithValues: resources.map { ($0.kind, FollowedWatch(resource: $0, lastSign: now)) })))
    }

    func append(_ events: [ObjectEvent]) {
        change { state in
            // Taken over as they are, without copying one by one, as long as each is taken before the next comes.
            if state.events.isEmpty { state.events = events } else { state.events += events }
        }
    }

    func complete(_ kind: ObjectKind) {
        change { state in
            state.missing.remove(kind)
            if state.missing.isEmpty, !state.isCompletionTaken { state.isCompletionDue = true }
        }
    }

    /// Ends the updates, and lets all go who wait.
    func close() {
        change { $0.isClosed = true }
        release()
    }

    private func change(_ body: (inout State) -> Void) {
        let taker = state.withLock { state in
            body(&state)
            defer { state.taker = nil }
            return state.taker
        }
        taker?.resume()
    }

    /// All that has come, once something has; nil: there will be nothing more.
    func next() async -> ClusterUpdate? {
        while true {
            let (update, isClosed) = state.withLock { state -> (ClusterUpdate?, Bool) in
                guard !state.isClosed else { return (nil, true) }
                guard !state.events.isEmpty || state.isCompletionDue else { return (nil, false) }
                let stage: ClusterUpdate.Stage =
                    state.isCompletionDue ? .complete : state.isCompletionTaken ? .following : .gathering
                if state.isCompletionDue { (state.isCompletionDue, state.isCompletionTaken) = (false, true) }
                defer { state.events = [] }
                return (ClusterUpdate(stage: stage, events: state.events), false)
            }
            if isClosed { return nil }
            if let update {
                release()
                return update
            }
            await withCheckedContinuation { continuation in
                let isDue = state.withLock { state in
                    if state.isClosed || !state.events.isEmpty || state.isCompletionDue { return true }
                    state.taker = continuation
                    return false
                }
                if isDue { continuation.resume() }
            }
        }
    }

    private func release() {
        let writers = state.withLock { state in
            defer { state.writers = [] }
            return state.writers
        }
        for writer in writers { writer.resume() }
    }

    /// Returns when more may come.
    func room() async {
        await withCheckedContinuation { continuation in
            let isFree = state.withLock { state in
                guard state.events.count > Self.limit, !state.isClosed else { return true }
                state.writers.append(continuation)
                return false
            }
            if isFree { continuation.resume() }
        }
    }

    func note(_ status: WatchStatus, of kind: ObjectKind) {
        state.withLock { state in
            if state.watches[kind]?.status?.signs != status.signs { state.watches[kind]?.lastSign = .now }
            state.watches[kind]?.status = status
        }
    }

    var watches: [FollowedWatch] {
        state.withLock { $0.watches.values.sorted { $0.resource.name < $1.resource.name } }
    }
}

/// How one resource is followed.
public struct FollowedWatch: Sendable {
    public var resource: APIResource
    /// Nil: it has not begun.
    public var status: WatchStatus?
    /// When the server last showed that nothing was being missed; the start where it never has.
    public var lastSign: ContinuousClock.Instant
}
