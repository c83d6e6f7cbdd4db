// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects

extension ResourceWatch {
    mutating func takeEvents(_ bytes: [UInt8]) {
        guard case .watching(var watch, var exchange) = state else { return }
        // A second reference to the frames would have them copied.
        state = .idle
        watch.frames.push(bytes)
        var events: [ObjectEvent] = []
        var failure: WatchFailure?
        var refusal: ReceivedStatus?
        do {
            while refusal == nil, failure == nil, let frame = try watch.frames.next() {
                switch try exchange.format.event(frame, of: resource) {
                case .set(let received): failure = set(received, &watch, &events)
                case .removed(let received): remove(received, &watch, &events)
                case .bookmark(let bookmark):
                    // It stands for all events up to there.
                    if !bookmark.isOlder(than: watch.version) { watch.version = bookmark }
                case .failure(let status):
                    refusal = status
                    continue
                }
                signs += 1
                isQuiet = false
                recovered(&exchange)
            }
        } catch let error as WatchFailure {
            failure = error
        } catch let error as UnreadableAnswer {
            failure = .malformed(error.reason)
        } catch {
            failure = .malformed("\(error)")
        }
        // Events before the failure are valid.
        if !events.isEmpty { actions.append(.deliver(events)) }
        state = .watching(watch, exchange)
        if let refusal {
            drop()
            refuse(refusal)
        } else if let failure {
            fail(failure)
        }
    }

    /// An object was added or modified. Versions identify repeated and late events.
    private mutating func set(
        _ received: ReceivedObject, _ watch: inout Watch, _ events: inout [ObjectEvent]
    ) -> WatchFailure? {
        if let old = known.version(received.key) {
            let isRepeated = old == received.version && !old.isEmpty
            guard !isRepeated, !received.version.isOlder(than: old) else { return nil }
        } else if received.version.isOlder(than: watch.version) {
            // Either late, or the repetition of one that was deleted since.
            return .disorder
        }
        if let event = event(setting: received) { events.append(event) }
        watch.advance(to: received.version)
        return nil
    }

    private mutating func remove(
        _ received: ReceivedObject, _ watch: inout Watch, _ events: inout [ObjectEvent]
    ) {
        // A repetition of what was before the object that is known now.
        if let old = known.version(received.key), received.version.isOlder(than: old) { return }
        refused[received.key] = nil
        if known.remove(received.key) {
            events.append(.removed(received.key))
            keepVersion(of: received)
        }
        watch.advance(to: received.version)
    }
}

extension ResourceWatch.Watch {
    fileprivate mutating func advance(to newer: String) {
        if !newer.isEmpty, !newer.isOlder(than: version) { version = newer }
    }
}

extension String {
    /// Whether this version comes before another. Both are numbers on every server of today; for other versions that is
    /// unknown, and this assumes that they do not.
    func isOlder(than other: String) -> Bool {
        guard let own = UInt64(self), let other = UInt64(other) else { return false }
        return own < other
    }
}
