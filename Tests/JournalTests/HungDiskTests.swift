// SPDX-License-Identifier: Apache-2.0
import Glibc
import Journal
import JournalFiles
import KubernetesObjects
import NetworkKit
import Testing
import WorldKit

/// A disk that keeps a write forever, and then goes on.
@Suite struct HungDiskTests {
    /// A journal whose thread waits for the disk, and what it then knows.
    private struct Hung {
        let gate = DiskGate()
        let fixture: JournalFixture

        init(changes: Int, bytes: Int = 8 << 20, objects: Int = 65_536) throws {
            var limits = JournalLimits()
            (limits.changes, limits.bytes, limits.objects) = (changes, bytes, objects)
            fixture = try JournalFixture(limits: limits, gate: gate)
        }

        /// Closes the gate, and waits until a write waits there.
        func hang() throws {
            gate.close()
            fixture.writer.add(JournalEvent(.repaired, "hangs"))
            try NetClock.wait("a write that waits", seconds: 60) { gate.isHit }
        }

        func end() {
            gate.open()
            fixture.writer.stop()
        }
    }

    private func records(_ snapshot: JournalSnapshot) -> [JournalRecord] { snapshot.contents.records.records }

    private func losses(_ snapshot: JournalSnapshot) -> [String] {
        records(snapshot).compactMap { record in
            if case .event(let event) = record.content, event.kind == .lost { event.text } else { nil }
        }
    }

    @Test func theOldestAreDroppedAndCounted() async throws {
        let hung = try Hung(changes: 64)
        defer { hung.end() }
        let fixture = hung.fixture
        fixture.begin([numbered(0)])
        fixture.add([.set(numbered(1))])
        _ = try await fixture.read()
        let before = fixture.clock.now.wall
        try hung.hang()
        // Each replaces the one before, so the state is one policy.
        for number in 2...1000 { fixture.add([.set(numbered(number)), .removed(numbered(number - 1).key)]) }
        let lost = fixture.writer.status.lost
        #expect(lost >= 2 * 999 - 64 && lost <= 2 * 999 - 64 + 64 / 8 + 2)
        fixture.clock.advance(11_000)
        #expect(fixture.writer.status.problem == "a write has taken more than 10 seconds; the disk may hang")
        hung.gate.open()
        let (past, snapshot) = try await fixture.past()
        #expect(losses(snapshot).count == 1 && losses(snapshot)[0].contains(": \(lost) changes could not be"))
        #expect(fixture.writer.status.lost == lost && fixture.writer.status.problem == nil)
        let state = try #require(snapshot.state)
        #expect(Set(state.objects.keys) == [numbered(0).key, numbered(1000).key])
        // Before the hang, everything is known; of the gap, nothing; after it, everything.
        let then = try past.state(at: try past.moment(at: before), present: state)
        #expect(Set(then.objects.keys) == [numbered(0).key, numbered(1).key])
        let gap = #expect(throws: JournalPastError.self) { try past.moment(at: before + 5000) }
        guard case .notRecorded(let from, let until) = gap else {
            Issue.record("\(String(describing: gap))")
            return
        }
        #expect(from <= before + 1000 && until > before + 900_000)
        let later = try past.state(at: try past.moment(at: until + 1500), present: state)
        let known = later.objects.keys.compactMap { Int($0.name.dropFirst(2)) }.max() ?? 0
        #expect(later.objects.count == 2 && known > 900 && known < 1000)
        let loss = try #require(records(snapshot).first { $0.time.wall == until })
        #expect(throws: JournalPastError.self) { try past.moment(after: loss.sequence) }
        // Nor is there a moment between the changes that stand for those that are missing.
        let group = records(snapshot).filter { $0.sequence > loss.sequence && $0.time == loss.time }
        try #require(group.count == 2)
        #expect(throws: JournalPastError.notRecorded(from, until: until)) {
            try past.moment(after: group[0].sequence)
        }
        let whole = try past.state(at: try past.moment(after: group[1].sequence), present: state)
        #expect(whole.objects.count == 2)
    }

    @Test func bytesAreLimitedAsWell() async throws {
        let hung = try Hung(changes: 1 << 20, bytes: 100_000)
        defer { hung.end() }
        hung.fixture.begin([])
        _ = try await hung.fixture.read()
        try hung.hang()
        for number in 1...1000 { hung.fixture.add([.set(numbered(number))]) }
        let lost = hung.fixture.writer.status.lost
        #expect(lost > 500 && lost < 1000)
        hung.gate.open()
        let snapshot = try await hung.fixture.read()
        #expect(snapshot.state?.objects.count == 1000)
    }

    /// Too many objects to keep even their last versions.
    @Test func withoutItsStateTheJournalSaysSo() async throws {
        let hung = try Hung(changes: 64, objects: 100)
        defer { hung.end() }
        hung.fixture.begin([])
        _ = try await hung.fixture.read()
        try hung.hang()
        for number in 1...1000 { hung.fixture.add([.set(numbered(number))]) }
        hung.gate.open()
        let (past, snapshot) = try await hung.fixture.past()
        #expect(snapshot.state == nil && losses(snapshot).last?.contains("before the daemon's next start") == true)
        #expect(hung.fixture.writer.status.problem?.contains("next start") == true)
        #expect(throws: JournalPastError.self) { try past.moment(after: 2) }
        // A write that fails is another problem, and its end does not end this one.
        hung.gate.fail(true)
        hung.fixture.writer.add(JournalEvent(.repaired, "is not written"))
        _ = try await hung.fixture.read()
        #expect(hung.fixture.writer.status.problem?.contains("Input/output error") == true)
        hung.gate.fail(false)
        hung.fixture.clock.advance(60_000)
        for _ in 0..<2 {
            hung.fixture.writer.add(JournalEvent(.repaired, "is written"))
            _ = try await hung.fixture.read()
        }
        #expect(hung.fixture.writer.status.problem?.contains("next start") == true)
    }

    /// A burst of pods of other nodes displaces nothing else.
    @Test func podsElsewhereGiveWay() async throws {
        let hung = try Hung(changes: 128)
        defer { hung.end() }
        let fixture = hung.fixture
        fixture.begin([])
        _ = try await fixture.read()
        try hung.hang()
        for number in 1...40 { fixture.add([.set(numbered(number))]) }
        for number in 1...1000 { fixture.add([.set(Self.pod(number, node: "node-1"))]) }
        #expect(fixture.writer.status.lost == 1000 - 64)
        hung.gate.open()
        let snapshot = try await fixture.read()
        #expect(losses(snapshot).isEmpty && snapshot.state?.objects.count == 40)
        let texts = records(snapshot).compactMap { record -> String? in
            guard case .event(let event) = record.content, event.isElsewhere, event.text.contains("missing") else {
                return nil
            }
            return event.text
        }
        #expect(texts == ["936 changes of pods of other nodes came too fast and are missing"])
    }

    /// A list of the API server after an outage: one step, of which pods of other nodes alone exceed what may wait in
    /// bytes, though not in number. The disk is idle.
    @Test func manyPodsElsewhereInOneStep() async throws {
        let fixture = try JournalFixture()
        fixture.begin([numbered(1)])
        _ = try await fixture.read()
        let labels = { (version: Int) in
            Dictionary(uniqueKeysWithValues: (1...5).map { ("label-\($0)", "value-\(version)") })
        }
        let before = (1...5500).map { Self.pod($0, node: "node-1", labels: labels(1)) }
        let after = (1...5500).map { Self.pod($0, node: "node-1", labels: labels(2)) }
        fixture.add(
            [.set(numbered(2))] + after.map { .set($0) },
            before: Dictionary(uniqueKeysWithValues: before.map { ($0.key, $0) }))
        let snapshot = try await fixture.read()
        #expect(losses(snapshot).isEmpty && fixture.writer.status.lost == 5500)
        let changed = records(snapshot).compactMap { record in
            if case .change(let change) = record.content { change.key } else { nil }
        }
        #expect(changed == [numbered(2).key])
        // What was written no longer counts, however much it is together.
        for version in 3...8 {
            fixture.add((1...1000).map { .set(Self.pod($0, node: "node-1", labels: labels(version))) })
            _ = try await fixture.read()
        }
        #expect(fixture.writer.status.lost == 5500)
        fixture.writer.stop()
    }

    private static func pod(_ number: Int, node: String, labels: [String: String] = [:]) -> KubernetesObject {
        .pod(Pod(metadata: ObjectMeta(name: "far-\(number)", namespace: "shop", labels: labels), nodeName: node))
    }

    @Test func readersDoNotWaitForEver() async throws {
        let hung = try Hung(changes: 64)
        hung.fixture.begin([])
        _ = try await hung.fixture.read()
        try hung.hang()
        for _ in 0..<3 {
            await #expect(throws: JournalReadError.late) {
                try await hung.fixture.writer.read(within: .milliseconds(20))
            }
        }
        // The daemon ends although the disk does not answer.
        let start = ContinuousClock.now
        hung.fixture.writer.stop()
        #expect(ContinuousClock.now - start >= .seconds(2))
        await #expect(throws: JournalReadError.stopped) { try await hung.fixture.writer.read() }
        hung.gate.open()
    }

    /// Random worlds, a disk that hangs now and then, and a queue that holds little: in the end the journal has the
    /// state that is, and each moment that it answers for is what was.
    @Test(arguments: 1...8) func whatIsKnownIsRight(_ seed: Int) async throws {
        var random = WorldRandom(seed: UInt64(seed))
        var generator = WorldGenerator(seed: UInt64(seed), isAuthorized: seed % 2 == 0)
        let hung = try Hung(changes: 16)
        defer { hung.end() }
        let fixture = hung.fixture
        var present = Self.world(generator)
        fixture.begin(present.values.filter(Self.isKept))
        var was: [(wall: Int64, objects: [ObjectKey: KubernetesObject])] = []
        for step in 0..<200 {
            if step % 40 == 10 { try hung.hang() }
            if step % 40 == 30 {
                hung.gate.open()
                _ = try await fixture.read()
            }
            if random.chance(percent: 30) { _ = generator.change() }
            _ = generator.change()
            let before = present
            present = Self.world(generator)
            let keys = Set(before.keys).union(present.keys).filter { before[$0] != present[$0] }.sorted()
            fixture.add(
                keys.map { key in present[key].map { ObjectEvent.set($0) } ?? ObjectEvent.removed(key) }, before: before
            )
            was.append((fixture.clock.now.wall, present.filter { Self.isKept($0.value) }))
        }
        hung.gate.open()
        let (past, snapshot) = try await fixture.past()
        let state = try #require(snapshot.state)
        #expect(Self.documents(state.objects) == Self.documents(present.filter { Self.isKept($0.value) }))
        #expect(fixture.writer.status.lost > 0)
        var known = 0
        for then in was {
            guard let moment = try? past.moment(at: then.wall) else { continue }
            known += 1
            let found = try past.state(at: moment, present: state)
            #expect(Self.documents(found.objects) == Self.documents(then.objects), "seed \(seed), \(then.wall)")
        }
        // How many depends on the pace of the disk.
        #expect(known > 20 && known < 200, "\(known)")
    }

    private static func isKept(_ object: KubernetesObject) -> Bool {
        if case .pod(let pod) = object { pod.nodeName == "node-0" } else { true }
    }

    private static func world(_ generator: WorldGenerator) -> [ObjectKey: KubernetesObject] {
        Dictionary(generator.world.writable.objects.map { ($0.key, $0) }, uniquingKeysWith: { $1 })
    }

    private static func documents(_ objects: [ObjectKey: KubernetesObject]) -> [ObjectKey: [UInt8]] {
        objects.mapValues(\.journalDocument)
    }
}
