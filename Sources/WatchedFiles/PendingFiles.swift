// SPDX-License-Identifier: Apache-2.0

/// Which files have changed and when each is to be read: soon, but not while it is being written or replaced.
///
/// A pure value: the caller passes times.
package struct PendingFiles: Sendable {
    package typealias Instant = ContinuousClock.Instant

    package struct Timing: Sendable {
        /// A file is read when it has been quiet for this long …
        package var quiet: Duration = .milliseconds(5)
        /// … or when this long has passed since its first event.
        package var latest: Duration = .milliseconds(20)
        /// A missing file counts as removed after this long: editors move the old file away before they write the new
        /// one.
        package var gone: Duration = .milliseconds(25)
        /// A file that was created and not closed is read after this long anyway.
        package var writing: Duration = .seconds(1)
        /// A file that could not be read for lack of descriptors or memory is read again after this long.
        package var lacking: Duration = .milliseconds(500)

        package init() {}
    }

    private struct Entry: Sendable {
        var since: Instant
        var last: Instant
        var isBeingWritten = false
        /// Moved to another name, so it does not come back.
        var isRenamed = false
        /// Set if the file was found missing.
        var lookAgain: Instant?
    }

    package let timing: Timing
    private var entries: [String: Entry] = [:]

    package init(timing: Timing = Timing()) { self.timing = timing }

    /// `name` changed and may be read.
    package mutating func touch(_ name: String, at now: Instant) {
        var entry = entries[name] ?? Entry(since: now, last: now)
        entry.last = now
        entry.isBeingWritten = false
        entry.isRenamed = false
        entry.lookAgain = nil
        entries[name] = entry
    }

    /// `name` was created; its writer will close it.
    package mutating func create(_ name: String, at now: Instant) {
        touch(name, at: now)
        entries[name]?.isBeingWritten = true
    }

    package mutating func markRenamed(_ name: String) { entries[name]?.isRenamed = true }

    package func isBeingWritten(_ name: String) -> Bool { entries[name]?.isBeingWritten == true }

    private func due(_ entry: Entry) -> Instant {
        if entry.isBeingWritten { return entry.last + timing.writing }
        return entry.lookAgain ?? min(entry.last + timing.quiet, entry.since + timing.latest)
    }

    /// When `take` will have something; nil if nothing is pending.
    package var nextDue: Instant? { entries.values.map(due).min() }

    /// The names to read now. Empty until one of them is due.
    package func names(at now: Instant) -> [String] {
        guard let nextDue, nextDue <= now else { return [] }
        return entries.filter { _, entry in
            due(entry) <= now || (!entry.isBeingWritten && entry.lookAgain == nil)
        }.map(\.key).sorted()
    }

    /// Whether `name`, found missing, counts as removed. Otherwise it is checked again later.
    package mutating func settleMissing(_ name: String, at now: Instant) -> Bool {
        guard let entry = entries[name], !entry.isRenamed, now < entry.last + timing.gone else { return true }
        entries[name]?.lookAgain = entry.last + timing.gone
        return false
    }

    /// `name` could not be read now and is read again.
    package mutating func lookAgain(at name: String, from now: Instant) {
        touch(name, at: now)
        entries[name]?.lookAgain = now + timing.lacking
    }

    package mutating func finish(_ name: String) { entries[name] = nil }

    package mutating func removeAll() { entries = [:] }
}
