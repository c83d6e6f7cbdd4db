// SPDX-License-Identifier: Apache-2.0
import Journal
import KubernetesObjects

/// What the journal's thread does: numbers records, knows the state at their end, and writes them.
struct JournalCore {
    /// Samples of what changed in verdicts: from the state before, the state after, and the pods in question.
    typealias Differ = @Sendable (JournalState, JournalState, [ObjectKey], [String]) -> [String]

    let node: String
    let clock: JournalClock
    let report: @Sendable (JournalReport) -> Void
    let differ: Differ?
    var store: JournalStore
    var status = JournalStatus()
    var sequence: UInt64 = 0
    var last: [JournalRing: UInt64] = [:]
    /// The state at the end of the journal; nil until it is known.
    var state: JournalState?
    /// Namespaces, nodes and this node's pods, while the first lists arrive.
    var next: [ObjectKey: KubernetesObject] = [:]
    /// The name of the last boot that the journal has seen.
    var lastBoot = ""
    /// Whether the numbers in use are known.
    var hasRead = false
    /// When to try again after a failure, in milliseconds since boot.
    var retryAt: Int64?
    /// Why nothing more is recorded before the next start, whatever the disk does; nil: that is not so.
    var stopped: String?
    /// When the disk must have everything.
    var syncAt: Int64?
    /// When the next difference may be computed.
    var differAt: Int64 = 0

    /// How long the disk may lack what was written.
    static let syncInterval: Int64 = 5000
    static let retryInterval: Int64 = 10_000
    static let differInterval: Int64 = 1000
    /// Limits of what one record lists.
    static let verdictLimit = 8

    init(
        node: String, directory: JournalDirectory, clock: JournalClock, differ: Differ?,
        report: @escaping @Sendable (JournalReport) -> Void
    ) {
        self.node = node
        self.clock = clock
        self.differ = differ
        self.report = report
        store = JournalStore(directory: directory)
    }

    // MARK: - Records

    /// Writes a record. If it cannot be written, its number stays free, which shows that it is missing.
    @discardableResult
    mutating func append(_ content: JournalContent, at time: JournalTime) -> UInt64 {
        sequence += 1
        var record = JournalRecord(sequence: sequence, time: time, content: content)
        record.previous = last[record.ring] ?? 0
        last[record.ring] = sequence
        if case .event(let event) = content, !event.isElsewhere, event.kind == .known || event.kind == .resolved {
            state?.resolved = event.resolvedAfter
        }
        write(record)
        return sequence
    }

    private mutating func write(_ record: JournalRecord) {
        guard retryAt == nil else {
            status.lost += 1
            return
        }
        var frame: [UInt8] = []
        JournalSegment.append(record, to: &frame)
        do throws(JournalFileError) {
            let begins = try store.append(frame, record.ring, sequence: record.sequence)
            status.written += 1
            status.bytes += UInt64(frame.count)
            if syncAt == nil { syncAt = clock.now().uptime + Self.syncInterval }
            if begins, record.ring == .changes { writeCheckpoint() }
        } catch {
            status.lost += 1
            fail(error)
        }
    }

    mutating func fail(_ error: JournalFileError) {
        // Space that comes and goes must not give a file each time: old ones would have to go for them.
        if !error.isFull { store.closeAll() }
        retryAt = clock.now().uptime + Self.retryInterval
        // A problem of the disk is reported once, until it is over.
        if status.problem == stopped { report(.off("\(error)")) }
        status.problem = "\(error)"
    }

    /// Keeps the state at this place, so that the next start knows it.
    mutating func writeCheckpoint() {
        guard let state, retryAt == nil else { return }
        do throws(JournalFileError) {
            try store.write(JournalCheckpoint(sequence: last[.changes] ?? 0, state: state))
        } catch {
            report(.checkpointFailed("\(error)"))
        }
    }

    // MARK: - Time

    /// Does what is due.
    ///
    /// - Returns: milliseconds until something else is; nil: nothing is.
    mutating func tend() -> Int64? {
        let now = clock.now().uptime
        if let due = retryAt, due <= now { retry() }
        if let due = syncAt, due <= now { sync() }
        return [retryAt, syncAt].compactMap { $0 }.min().map { max(1, $0 - now) }
    }

    private mutating func retry() {
        do throws(JournalFileError) {
            try store.directory.make()
            if !hasRead { try findSequence(store.directory) }
        } catch {
            return fail(error)
        }
        retryAt = nil
        writeCheckpoint()
        append(
            .event(JournalEvent(.recovered, "the journal could not be written: \(status.problem ?? "")")),
            at: clock.now())
        guard retryAt == nil else { return }
        status.problem = stopped
        report(stopped.map { .off($0) } ?? .on(lost: status.lost))
    }

    mutating func sync() {
        syncAt = nil
        do throws(JournalFileError) {
            try store.sync()
        } catch {
            fail(error)
        }
    }

    mutating func stop() {
        append(.event(JournalEvent(.stopped, "the daemon stopped; policy stays in force")), at: clock.now())
        writeCheckpoint()
        sync()
        store.closeAll()
    }
}
