// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects

extension ResourceWatch {
    mutating func takeEvents(_ bytes: [UInt8]) {
        frames.push(bytes)
        var events: [ObjectEvent] = []
        var failure: WatchFailure?
        var refusal: ReceivedStatus?
        do {
            while refusal == nil, failure == nil, let frame = try frames.next() {
                switch try answer.format.event(frame, of: resource) {
                case .set(let received): failure = set(received, &events)
                case .removed(let received): remove(received, &events)
                case .bookmark(let bookmark):
                    // It covers all events up to there.
                    if !bookmark.isOlder(than: version) { version = bookmark }
                case .failure(let status):
                    refusal = status
                    continue
                }
                signs += 1
                isQuiet = false
                recovered()
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
        if let refusal {
            drop()
            refuse(refusal)
        } else if let failure {
            fail(failure)
        }
    }

    /// An object was added or modified. Versions identify repeated and late events.
    private mutating func set(_ received: ReceivedObject, _ events: inout [ObjectEvent]) -> WatchFailure? {
        if let old = known.version(received.key) {
            let isRepeated = old == received.version && !old.isEmpty
            guard !isRepeated, !received.version.isOlder(than: old) else { return nil }
        } else if received.version.isOlder(than: version) {
            // Either late, or a repetition of an object that was deleted since.
            return .disorder
        }
        if let event = event(setting: received) { events.append(event) }
        advance(to: received.version)
        return nil
    }

    private mutating func remove(_ received: ReceivedObject, _ events: inout [ObjectEvent]) {
        // A repetition of a state before the known one.
        if let old = known.version(received.key), received.version.isOlder(than: old) { return }
        refused[received.key] = nil
        if known.remove(received.key) { events.append(.removed(received.key)) }
        advance(to: received.version)
    }

    private mutating func advance(to newer: String) {
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
