// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import Journal
import JournalFiles
import KubernetesObjects

extension Agent where Plane: ~Copyable {
    /// What the journal has recorded.
    public func history(_ question: HistoryQuestion) async throws(ErrorAnswer) -> HistoryAnswer {
        guard let writer = settings.journal else { throw Self.journalIsOff }
        let read = try await Self.read(writer)
        var answer = await Self.history(question, read)
        let status = writer.status
        answer.lost = status.lost
        answer.problem = status.problem
        return answer
    }

    /// Everything that the journal has.
    static func read(_ writer: JournalWriter) async throws(ErrorAnswer) -> JournalSnapshot {
        do throws(JournalReadError) {
            return try await writer.read()
        } catch {
            switch error {
            case .stopped: throw ErrorAnswer(.stopping, "the daemon is stopping")
            case .late:
                throw ErrorAnswer(
                    .deadlineExceeded,
                    "the journal could not be read within \(JournalWriter.readLimit / .seconds(1)) seconds: its disk "
                        + "hangs or is very slow; see 'bulkheadctl status'")
            }
        }
    }

    static var journalIsOff: ErrorAnswer {
        ErrorAnswer(.notFound, "the journal is off (--journal), so nothing of the past is known")
    }

    private nonisolated static func history(_ question: HistoryQuestion, _ read: JournalSnapshot) async -> HistoryAnswer
    {
        HistoryAnswer(question, read)
    }
}

extension HistoryAnswer {
    init(_ question: HistoryQuestion, _ read: JournalSnapshot) {
        let (records, damaged) = read.contents.records
        var entries = HistoryEntry.all(records, read.position)
        self.init(begins: entries.first?.time, entries: [], damaged: damaged)
        if let moment = question.since {
            // Whatever the clock said later: what comes after the first one in time also happened after it.
            let start = moment.milliseconds(now: read.position.time.wall).map { wall in
                records.first { $0.time.wall >= wall }?.sequence ?? .max
            }
            let first: UInt64 = if case .record(let number) = moment { number } else { start ?? 0 }
            entries.removeAll { $0.sequence < first }
        }
        if let subject = question.subject {
            entries.removeAll { !$0.concerns(subject) }
        } else if !question.includesPodsElsewhere {
            entries.removeAll { $0.elsewhere == true }
        }
        omitted = max(0, entries.count - question.last)
        self.entries = Array(entries.suffix(question.last))
    }
}

extension HistoryEntry {
    /// All records as entries; what a step changed is added to its first one.
    fileprivate static func all(_ records: [JournalRecord], _ position: JournalPosition) -> [HistoryEntry] {
        var entries: [HistoryEntry] = []
        var index: [UInt64: Int] = [:]
        var last: [JournalRing: UInt64] = [:]
        var before: JournalTime?
        for record in records {
            let gap = last[record.ring].map { record.previous != $0 } ?? false
            last[record.ring] = record.sequence
            if case .effect(let effect) = record.content {
                if let place = index[effect.step] { entries[place].add(effect) }
                continue
            }
            guard var entry = HistoryEntry(record) else { continue }
            entry.gap = gap ? true : nil
            entry.clock = before.flatMap { ClockStep(from: $0, to: record.time) }.map(\.words)
            before = record.time
            index[record.sequence] = entries.count
            entries.append(entry)
        }
        return entries
    }

    private mutating func add(_ effect: JournalEffect) {
        if effect.podCount > 0 { (pods, podCount) = (effect.pods, effect.podCount) }
        if effect.verdictCount > 0 { (verdicts, verdictCount) = (effect.verdicts, effect.verdictCount) }
    }

    /// Nil for what only the journal itself needs.
    private init?(_ record: JournalRecord) {
        let time = RFC3339.text(wallMilliseconds: record.time.wall)
        switch record.content {
        case .effect: return nil
        case .change(let change):
            self.init(sequence: record.sequence, time: time, what: change.kind.rawValue)
            kind = change.key.kind.rawValue
            namespace = change.key.namespace.isEmpty ? nil : change.key.namespace
            name = change.key.name
            source = change.source
            whileStopped = change.whileStopped ? true : nil
            elsewhere = change.isElsewhere ? true : nil
            resourceVersion = change.version?.resourceVersion
            generation = change.version.flatMap { $0.generation > 0 ? $0.generation : nil }
            text = change.isElided ? "its document was too large for the journal" : nil
        case .event(let event):
            self.init(sequence: record.sequence, time: time, what: event.kind.rawValue)
            text = event.text.isEmpty ? nil : event.text
            elsewhere = event.isElsewhere ? true : nil
            take(event)
        }
    }

    private mutating func take(_ event: JournalEvent) {
        switch event.kind {
        case .attached, .detached: (kind, source) = ("Pod", "runtime")
        case .started:
            text = "\(event.text), version \(event.subject)"
            return
        case .resolved: text = "\(event.resolvedAfter) endpoints, before \(event.resolvedBefore)"
        case .known, .stopped, .refused, .repaired, .failed, .recovered, .adopted, .lost: break
        }
        guard !event.subject.isEmpty else { return }
        // `Kind namespace/name`, or without the kind.
        let words = event.subject.split(separator: " ", maxSplits: 1)
        if words.count == 2 { kind = String(words[0]) }
        let parts = (words.last ?? "").split(separator: "/", maxSplits: 1)
        namespace = parts.count == 2 ? String(parts[0]) : nil
        name = parts.last.map { String($0) }
    }

    fileprivate func concerns(_ subject: String) -> Bool {
        guard let name else { return pods?.contains(subject) ?? false }
        let isIn = kind == "Namespace" ? false : subject == namespace.map { "\($0)/\(name)" }
        return isIn || subject == name || pods?.contains(subject) ?? false
    }
}

extension ClockStep {
    /// For a person.
    var words: String {
        switch self {
        case .back(let milliseconds): "the clock was set back by \(Self.seconds(milliseconds)) before this"
        case .forward(let milliseconds): "the clock was set forward by \(Self.seconds(milliseconds)) before this"
        }
    }

    private static func seconds(_ milliseconds: Int64) -> String { "\((milliseconds + 500) / 1000) s" }
}
