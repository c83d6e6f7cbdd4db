// SPDX-License-Identifier: Apache-2.0

/// A time in which the daemon did not run, or did not know all objects yet: the kernel had what was there before, if
/// others left it alone. Times are milliseconds since 1970.
public struct JournalAbsence: Sendable, Hashable {
    /// The last record of the run before.
    public var from: Int64
    /// Whether the daemon stopped then; otherwise it ended at some time after it.
    public var isOrderly = false
    /// When the next run started.
    public var started: Int64?
    /// Whether that run was there already, without all objects.
    public var isStarting = false
    /// Whether the node has booted in between.
    public var isBoot = false
    /// What the next run found in the kernel; nil: it did not record that.
    public var found: JournalEvent.Found?
    /// What was missing then.
    public var missing = ""

    public init(from: Int64) { self.from = from }
}

extension JournalPast {
    /// The absence of the daemon in which a record is the last one; nil: it was running.
    func absence(after record: JournalRecord) -> JournalAbsence? {
        guard let index = changes.lastIndex(where: { $0.sequence <= record.sequence }) else { return nil }
        let (last, start) = before(index)
        let next = index + 1 < changes.endIndex ? changes[index + 1] : nil
        guard let last = last ?? (next.map { Self.isEvent($0, .started) } ?? false ? index : nil) else { return nil }
        var absence = JournalAbsence(from: changes[last].time.wall)
        absence.isOrderly = Self.isEvent(changes[last], .stopped)
        absence.isStarting = start != nil
        let first = start ?? changes[(index + 1)...].firstIndex { Self.isEvent($0, .started) }
        guard let first else { return absence }
        absence.started = changes[first].time.wall
        absence.isBoot = Self.isBoot(changes[first], after: changes[last])
        for later in changes[(first + 1)...] {
            guard case .event(let event) = later.content else { continue }
            if event.kind == .adopted { (absence.found, absence.missing) = (event.found, event.text) }
            if [.adopted, .started, .known].contains(event.kind) { break }
        }
        return absence
    }

    /// - Returns: the last record of the run that knew all objects, if that run was over at a record; and the start of
    ///   the run since then, if one was under way.
    private func before(_ index: Int) -> (last: Int?, start: Int?) {
        var last: Int?
        var start: Int?
        var isOver = false
        for place in (changes.startIndex...index).reversed() {
            guard case .event(let event) = changes[place].content else { continue }
            switch event.kind {
            case .known: return (last, start)
            case .stopped:
                isOver = true
                last = place
            case .started:
                if !isOver, start == nil { start = place }
                last = place > changes.startIndex ? place - 1 : place
            default: continue
            }
        }
        return (last, start)
    }

    static func isEvent(_ record: JournalRecord, _ kind: JournalEvent.Kind) -> Bool {
        if case .event(let event) = record.content { event.kind == kind } else { false }
    }
}
