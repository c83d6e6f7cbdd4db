// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects

/// How far the journal had come when it was read.
public struct JournalPosition: Sendable, Hashable {
    /// The last record of each ring; 0: none.
    public var last: [JournalRing: UInt64]
    /// By the clocks of the node.
    public var time: JournalTime

    public init(last: [JournalRing: UInt64] = [:], time: JournalTime) {
        self.last = last
        self.time = time
    }
}

/// A moment of the past, as a place between two records.
public struct JournalMoment: Sendable, Hashable {
    /// The last record before it.
    public var sequence: UInt64
    /// When that was, by the clock of then.
    public var recordedAt: Int64
    /// What is known about the daemon's absence then; nil: it was running.
    public var absence: JournalAbsence?

    public init(sequence: UInt64, recordedAt: Int64, absence: JournalAbsence? = nil) {
        self.sequence = sequence
        self.recordedAt = recordedAt
        self.absence = absence
    }
}

/// Why a moment of the past is not known. Times are milliseconds since 1970.
public enum JournalPastError: Error, Sendable, Hashable {
    /// The journal is empty or cannot be read at all.
    case empty
    /// The moment is before the first one that is known; nil: nothing is.
    case beginsAt(Int64)
    /// Records after this one are missing, so that nothing before them is known.
    case missing(after: UInt64, at: Int64)
    /// The clock was set back, and showed this time more than once: after each of these records.
    case ambiguous([UInt64])
    /// The moment is not in the past.
    case notYet
    /// The journal has no record of this number; its last one has the other.
    case noRecord(UInt64, last: UInt64)
    /// What changed between these times is known only as a whole.
    case notRecorded(Int64, until: Int64)
    /// The node went down, and its last records may not have reached the disk.
    case lostWithNode(Int64)
    /// A record has no documents, or not those that it must have.
    case unusable(UInt64)
}

/// What the records say about the past, from the present backward.
public struct JournalPast: Sendable {
    /// The records of the ring of changes without a gap, up to the position.
    let changes: ArraySlice<JournalRecord>
    /// All readable records of the ring of pods, in order.
    private let pods: [JournalRecord]
    private let position: JournalPosition
    /// Where the knowledge ends: at a base, at a gap, or at the oldest record.
    private let isGap: Bool

    /// - Parameter records: in the order of their sequence numbers.
    public init(_ records: [JournalRecord], position: JournalPosition) {
        self.position = position
        let known = records.filter { $0.sequence <= position.last[$0.ring] ?? 0 }
        pods = known.filter { $0.ring == .pods }
        let all = known.filter { $0.ring == .changes }
        var start = all.count
        var next = position.last[.changes] ?? 0
        var isBase = false
        while start > 0, !isBase, all[start - 1].sequence == next {
            start -= 1
            next = all[start].previous
            if case .event(let event) = all[start].content { isBase = event.isBase }
        }
        changes = all[start...]
        isGap = start > 0 && !isBase
    }

    /// The first record whose time is known, and what comes before it.
    private var beginning: JournalPastError {
        guard let first = changes.first else { return .empty }
        return isGap ? .missing(after: first.previous, at: first.time.wall) : .beginsAt(first.time.wall)
    }

    /// The place of a record.
    public func moment(after sequence: UInt64) throws(JournalPastError) -> JournalMoment {
        guard let first = changes.first else { throw .empty }
        guard sequence >= first.sequence else { throw beginning }
        guard let last = changes.last(where: { $0.sequence <= sequence }), sequence <= greatest else {
            throw .noRecord(sequence, last: greatest)
        }
        if let loss = changes.last(where: { $0.sequence <= sequence && Self.isEvent($0, .lost) }),
            sequence == loss.sequence || sequence < end(of: loss)
        {
            let before = changes.last { $0.sequence < loss.sequence } ?? loss
            throw .notRecorded(before.time.wall, until: loss.time.wall)
        }
        return JournalMoment(sequence: sequence, recordedAt: last.time.wall, absence: absence(after: last))
    }

    /// The last record of what the missing changes changed together: between these, the state is one that never was.
    private func end(of loss: JournalRecord) -> UInt64 {
        var end = loss.sequence
        var step: UInt64?
        for record in changes where record.sequence > loss.sequence {
            guard record.time == loss.time else { break }
            switch record.content {
            case .change(let change) where step ?? change.step == change.step: step = change.step
            case .event(let event) where event.kind == .resolved: break
            case .change, .event, .effect: return end
            }
            end = record.sequence
        }
        return end
    }

    private var greatest: UInt64 { position.last.values.max() ?? 0 }

    /// The place of a time of day.
    ///
    /// - Parameter wall: milliseconds since 1970.
    public func moment(at wall: Int64) throws(JournalPastError) -> JournalMoment {
        guard let first = changes.first else { throw .empty }
        guard wall <= position.time.wall else { throw .notYet }
        let timeline = timeline
        var found: [Int] = []
        for (index, span) in timeline.enumerated() where span.contains(wall) { found.append(index) }
        guard let index = found.last else {
            if wall < first.time.wall { throw beginning }
            throw .beginsAt(first.time.wall)
        }
        guard found.count == 1 else { throw .ambiguous(found.map { timeline[$0].record.sequence }) }
        let span = timeline[index]
        if span.isLost, wall > span.record.time.wall { throw .lostWithNode(span.record.time.wall) }
        if let end = span.lostUntil, wall > span.record.time.wall {
            throw .notRecorded(span.record.time.wall, until: end)
        }
        return JournalMoment(
            sequence: span.record.sequence, recordedAt: span.record.time.wall, absence: absence(after: span.record))
    }

    /// The time between two records, as the clock showed it.
    private struct Span {
        var record: JournalRecord
        var ranges: [Range<Int64>]
        /// Whether the node went down in it, and the daemon did not say before that it stops.
        var isLost: Bool
        /// The end of a time of which not all changes are known one by one.
        var lostUntil: Int64?
        func contains(_ wall: Int64) -> Bool { ranges.contains { $0.contains(wall) } }
    }

    /// A clock that differs by more than this from the time since boot was set.
    public static let tolerance: Int64 = 2000

    private var timeline: [Span] {
        guard let first = changes.first else { return [] }
        // Pods elsewhere divide the time as well.
        let records = (Array(changes) + pods.filter { $0.sequence > first.sequence })
            .sorted { $0.sequence < $1.sequence }
        // The present belongs to the last one.
        var now = position.time
        now.wall += 1
        return records.indices.map { index in
            let record = records[index]
            let next = index + 1 < records.count ? records[index + 1] : nil
            let boot = next.map { Self.isBoot($0, after: record) } ?? false
            return Span(
                record: record, ranges: Self.ranges(record.time, next?.time ?? now, isBoot: boot),
                isLost: boot && !Self.isEvent(record, .stopped),
                lostUntil: next.flatMap { Self.isEvent($0, .lost) ? $0.time.wall : nil })
        }
    }

    /// Whether the node booted between two records.
    static func isBoot(_ next: JournalRecord, after record: JournalRecord) -> Bool {
        guard case .event(let event) = next.content, event.kind == .started else { return false }
        return event.text == JournalEvent.newBoot || next.time.uptime < record.time.uptime
    }

    private static func ranges(_ start: JournalTime, _ end: JournalTime, isBoot: Bool) -> [Range<Int64>] {
        if end.wall >= start.wall, isBoot || end.wall - start.wall >= end.uptime - start.uptime - tolerance {
            return [start.wall..<end.wall]
        }
        // Set back: at any moment in between, so each of these times was possibly shown twice.
        let passed = max(0, end.uptime - start.uptime)
        guard !isBoot else { return [start.wall..<start.wall + 1] }
        let before = start.wall..<start.wall + passed + 1
        let after = end.wall - passed..<end.wall + 1
        return before.overlaps(after)
            ? [min(before.lowerBound, after.lowerBound)..<before.upperBound] : [before, after]
    }
}

extension JournalPast {
    /// The state at a moment.
    ///
    /// - Parameter present: the state at the position.
    public func state(at moment: JournalMoment, present: JournalState) throws(JournalPastError) -> JournalState {
        guard let first = changes.first, moment.sequence >= first.sequence else { throw beginning }
        var state = present
        for record in changes.reversed() {
            guard record.sequence > moment.sequence else { break }
            guard state.revert(record) else { throw .unusable(record.sequence) }
        }
        return state
    }

    /// Pods of other nodes at a moment, as far as they have changed since.
    public struct PodsElsewhere: Sendable {
        /// By key; nil: there was no such pod on another node.
        public var pods: [ObjectKey: KubernetesObject?] = [:]
        /// Whether all other pods are the same now as then.
        public var isComplete = false
    }

    /// Pods of other nodes that have changed since a moment.
    public func podsElsewhere(at moment: JournalMoment) -> PodsElsewhere {
        var result = PodsElsewhere()
        var last: UInt64?
        for record in pods where record.sequence > moment.sequence {
            // The first one may come after any record before the moment; each later one after the one before.
            guard last.map({ record.previous == $0 }) ?? (record.previous <= moment.sequence) else { return result }
            last = record.sequence
            switch record.content {
            case .event(let event): if event.isBase { return result }
            case .effect: continue
            case .change(let change):
                guard result.pods[change.key] == nil else { continue }
                guard !change.isElided else { return result }
                let object = KubernetesObject(journalDocument: change.before)
                guard object != nil || change.before.isEmpty else { return result }
                result.pods[change.key] = .some(object)
            }
        }
        result.isComplete = (last ?? min(position.last[.pods] ?? 0, moment.sequence)) == position.last[.pods] ?? 0
        return result
    }
}

extension JournalEvent {
    /// The text of `started` after the node has booted.
    public static let newBoot = "the node has booted"
}
