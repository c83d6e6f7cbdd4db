// SPDX-License-Identifier: Apache-2.0
import Journal
import KubernetesObjects

extension JournalCore {
    /// Reads what a previous run wrote, and writes that this one has started. Nothing here stops the daemon.
    mutating func open(version: String, at time: JournalTime) {
        let directory = store.directory
        do throws(JournalFileError) {
            try directory.make()
            try read(directory)
        } catch {
            fail(error)
        }
        let isNewBoot = !lastBoot.isEmpty && lastBoot != clock.boot
        append(
            .event(
                JournalEvent(
                    .started, subject: version, isNewBoot ? JournalEvent.newBoot : "the daemon started",
                    boot: clock.boot)),
            at: time)
        // Pods of other nodes may have changed meanwhile, unseen.
        append(.event(JournalEvent(.known, "pods of other nodes", isBase: true, isElsewhere: true)), at: time)
    }

    private mutating func read(_ directory: JournalDirectory) throws(JournalFileError) {
        var records: [JournalRecord] = []
        var damaged = 0
        var ends: [JournalRing: (JournalDirectory.Segment, Int)] = [:]
        for segment in try directory.list() {
            // The names alone keep numbers from being used again.
            sequence = max(sequence, segment.first)
            let bytes: [UInt8]
            do {
                bytes = try directory.bytes(of: segment)
            } catch {
                damaged += 1
                continue
            }
            switch JournalSegment.headKind(bytes) {
            case .newer: report(.setAside(directory.setAside(segment.name)))
            case .unreadable:
                damaged += 1
                ends[segment.ring] = nil
            case .readable:
                let found = JournalSegment.records(in: bytes)
                records += found.records
                damaged += found.damaged
                // Nothing is written after damage: it would not be found.
                ends[segment.ring] = found.damaged == 0 ? (segment, bytes.count) : nil
            }
        }
        records.sort { $0.sequence < $1.sequence }
        sequence = max(sequence, records.last?.sequence ?? 0)
        for record in records {
            last[record.ring] = record.sequence
            if case .event(let event) = record.content, event.kind == .started { lastBoot = event.boot }
        }
        hasRead = true
        status.damaged = UInt64(damaged)
        state = recovered(records)
        for (segment, size) in ends.values { try store.resume(segment, size: size) }
        report(.opened(records: records.count, damaged: Int(status.damaged)))
    }

    /// Finds the last number in use, if the files could not be read at the start.
    mutating func findSequence(_ directory: JournalDirectory) throws(JournalFileError) {
        for segment in try directory.list() {
            let records = JournalSegment.records(in: try directory.bytes(of: segment)).records
            sequence = max(sequence, segment.first, records.last?.sequence ?? 0)
        }
        hasRead = true
    }

    /// The state at the end of the previous run: the checkpoint, and all changes since. Nil if one of them is missing.
    private func recovered(_ records: [JournalRecord]) -> JournalState? {
        let path = store.directory.checkpointPath
        guard let bytes = try? JournalFile.bytes(of: path, limit: store.directory.checkpointLimit) else { return nil }
        if case .newer = JournalSegment.headKind(bytes) {
            report(.setAside(store.directory.setAside("checkpoint")))
            return nil
        }
        guard let checkpoint = JournalCheckpoint(bytes) else { return nil }
        var state = checkpoint.state
        var reached = checkpoint.sequence
        for record in records where record.ring == .changes && record.sequence > checkpoint.sequence {
            guard record.previous == reached, state.apply(record) else { return nil }
            reached = record.sequence
        }
        return state
    }

    // MARK: - All objects

    /// Takes namespaces, nodes and this node's pods of the first lists.
    mutating func gather(_ events: [ObjectEvent]) {
        for event in events {
            switch event {
            case .set(let object) where covers(object): next[object.key] = object
            case .set, .removed: next[event.key] = nil
            }
        }
    }

    /// Whether the state has such objects.
    func covers(_ object: KubernetesObject) -> Bool {
        if case .pod(let pod) = object { pod.nodeName == node } else { true }
    }

    /// Takes all objects as the state, and writes how they differ from those of the previous run.
    mutating func begin(_ beginning: JournalBeginning, at time: JournalTime) {
        var objects = next
        next = [:]
        for object in beginning.others + beginning.policies where covers(object) { objects[object.key] = object }
        let previous = state
        let known = JournalEvent(
            .known, beginning.text, isBase: previous == nil, resolvedBefore: previous?.resolved ?? 0,
            resolvedAfter: beginning.resolved)
        if let previous { appendDifferences(from: previous, to: objects, beginning.versions, time) }
        state = JournalState(objects: objects, resolved: beginning.resolved)
        // Whatever was missed before, this is everything.
        if status.problem == stopped { status.problem = nil }
        stopped = nil
        append(.event(known), at: time)
        writeCheckpoint()
    }

    private mutating func appendDifferences(
        from previous: JournalState, to objects: [ObjectKey: KubernetesObject],
        _ versions: [ObjectKey: ObjectVersion], _ time: JournalTime
    ) {
        let step = sequence + 1
        for key in Set(previous.objects.keys).union(objects.keys).sorted() {
            // Documents, because what was read back lacks what they do not say.
            let before = previous.objects[key].map(\.journalDocument) ?? []
            let after = objects[key].map(\.journalDocument) ?? []
            guard before != after else { continue }
            // One by one, because a checkpoint may be due.
            state?.objects[key] = objects[key]
            let version = objects[key].flatMap { _ in versions[key] }
            let input = JournalInput(.removed(key), source: "found at the start", version: version)
            append(change(key, before, after, input, step, whileStopped: true), at: time)
        }
    }

    func change(
        _ key: ObjectKey, _ before: [UInt8], _ after: [UInt8], _ input: JournalInput, _ step: UInt64,
        whileStopped: Bool = false, isElsewhere: Bool = false
    ) -> JournalContent {
        var change = JournalChange(
            key: key, before: before, after: after, source: input.source, step: step, whileStopped: whileStopped,
            isElsewhere: isElsewhere, version: input.version)
        // One object must not displace everything else.
        if before.count + after.count > store.directory.segmentLimit(of: isElsewhere ? .pods : .changes) {
            (change.before, change.after, change.isElided) = ([], [], true)
        }
        return .change(change)
    }
}
