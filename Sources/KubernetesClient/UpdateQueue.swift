// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import KubernetesWatch
import Synchronization

/// What has changed since the last update.
public struct ClusterUpdate: Sendable, Hashable {
    public enum Stage: Sendable, Hashable {
        /// Parts of the first lists: not all objects are known yet.
        case gathering
        /// With these, all objects of all resources are known.
        case complete
        case following
    }
    public var stage: Stage
    /// In order.
    public var events: [ObjectEvent]
    /// The last versions of the objects that the events are about, as far as the watches keep them: of each object,
    /// that of its last event.
    public var versions: [ObjectKey: ObjectVersion]
    public init(stage: Stage, events: [ObjectEvent], versions: [ObjectKey: ObjectVersion] = [:]) {
        self.stage = stage
        self.events = events
        self.versions = versions
    }
}

/// Merges the changes of all resources in the order of arrival, and passes on everything at once: a consumer that is
/// busy with one update gets a larger one next. Also keeps the state of each watch.
final class UpdateQueue: Sendable {
    private struct State {
        var events: [ObjectEvent] = []
        var versions: [ObjectKey: ObjectVersion] = [:]
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
    /// Events beyond which producers must wait.
    private static let limit = 4096

    init(_ resources: [APIResource]) {
        let now = ContinuousClock.now
        state = Mutex(
            State(
                missing: Set(resources.map(\.kind)),
                watches: Dictionary(
                    uniqueKeysWithValues: resources.map { ($0.kind, FollowedWatch(resource: $0, lastSign: now)) })))
    }

    func append(_ events: [ObjectEvent], _ versions: [ObjectKey: ObjectVersion] = [:]) {
        change { state in
            state.versions.merge(versions) { $1 }
            // The array is moved, not copied, if each update is taken before the next one comes.
            if state.events.isEmpty { state.events = events } else { state.events += events }
        }
    }

    func complete(_ kind: ObjectKind) {
        change { state in
            state.missing.remove(kind)
            if state.missing.isEmpty, !state.isCompletionTaken { state.isCompletionDue = true }
        }
    }

    /// Ends the updates and releases all waiting producers.
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

    /// Everything that has arrived, once there is something; nil at the end.
    func next() async -> ClusterUpdate? {
        while true {
            let (update, isClosed) = state.withLock { state -> (ClusterUpdate?, Bool) in
                guard !state.isClosed else { return (nil, true) }
                guard !state.events.isEmpty || state.isCompletionDue else { return (nil, false) }
                let stage: ClusterUpdate.Stage =
                    state.isCompletionDue ? .complete : state.isCompletionTaken ? .following : .gathering
                if state.isCompletionDue { (state.isCompletionDue, state.isCompletionTaken) = (false, true) }
                defer { (state.events, state.versions) = ([], [:]) }
                return (ClusterUpdate(stage: stage, events: state.events, versions: state.versions), false)
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

    /// Returns when there is room for more.
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

/// The state of one resource's watch.
public struct FollowedWatch: Sendable {
    public var resource: APIResource
    /// Nil if it has not begun.
    public var status: WatchStatus?
    /// When the server last showed that nothing is missing; the start if it never did.
    public var lastSign: ContinuousClock.Instant
}
