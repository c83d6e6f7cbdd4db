// SPDX-License-Identifier: Apache-2.0
import ClusterVerdicts
import Journal
import JournalFiles
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyResolver
import Testing
import WorldKit

/// The past from the journal against the past as it was.
@Suite struct JournalPastTests {
    /// A world at a record.
    private struct Recorded {
        var sequence: UInt64
        var objects: [ObjectKey: KubernetesObject]
        var flows: [Flow]
    }

    /// Pods of other nodes as the index has them.
    private static func seen(_ object: KubernetesObject) -> KubernetesObject {
        guard case .pod(var pod) = object, pod.nodeName != "node-0" else { return object }
        let isFinished = pod.phase == .succeeded || pod.phase == .failed
        (pod.metadata.uid, pod.staticUID, pod.nodeName, pod.hostIPs) = ("", "", "", [])
        pod.phase = isFinished ? .succeeded : .running
        if isFinished { (pod.hostNetwork, pod.podIPs) = (false, []) }
        return .pod(pod)
    }

    private static func documents(_ objects: [ObjectKey: KubernetesObject]) -> [ObjectKey: [UInt8]] {
        objects.mapValues { seen($0).journalDocument }
    }

    private static func world(_ generator: WorldGenerator) -> [ObjectKey: KubernetesObject] {
        Dictionary(generator.world.writable.objects.map { ($0.key, $0) }, uniquingKeysWith: { $1 })
    }

    /// The objects at a moment, from the journal and the present pods of other nodes.
    private static func objects(
        at sequence: UInt64, _ past: JournalPast, _ snapshot: JournalSnapshot, present: [ObjectKey: KubernetesObject]
    ) throws -> [ObjectKey: KubernetesObject] {
        let moment = try past.moment(after: sequence)
        let state = try past.state(at: moment, present: try #require(snapshot.state))
        let elsewhere = past.podsElsewhere(at: moment)
        #expect(elsewhere.isComplete)
        var objects = state.objects
        for (key, object) in present where objects[key] == nil && elsewhere.pods[key] == nil {
            if case .pod(let pod) = object, pod.nodeName != "node-0" { objects[key] = object }
        }
        for case (let key, let pod?) in elsewhere.pods where objects[key] == nil { objects[key] = pod }
        return objects
    }

    @Test(arguments: 1...24) func equalsWhatWas(_ seed: Int) async throws {
        var generator = WorldGenerator(seed: UInt64(seed), isAuthorized: seed % 2 == 0)
        let fixture = try JournalFixture()
        var present = Self.world(generator)
        fixture.begin(present.values.filter(Self.isKept))
        var recorded: [Recorded] = []
        for _ in 0..<30 {
            let before = present
            _ = generator.change()
            present = Self.world(generator)
            let keys = Set(before.keys).union(present.keys).filter { before[$0] != present[$0] }.sorted()
            fixture.add(
                keys.map { key in present[key].map { ObjectEvent.set($0) } ?? ObjectEvent.removed(key) },
                before: before.filter { !Self.isKept($0.value) })
            let position = try await fixture.read().position
            recorded.append(
                Recorded(
                    sequence: position.last.values.max() ?? 0, objects: present, flows: generator.flows(4)))
        }
        let (past, snapshot) = try await fixture.past()
        for then in recorded {
            let found = try Self.objects(at: then.sequence, past, snapshot, present: present)
            #expect(Self.documents(found) == Self.documents(then.objects), "seed \(seed), record \(then.sequence)")
            var was = ClusterVerdict(objects: then.objects.values.map(Self.seen))
            var told = ClusterVerdict(objects: found.values.map(Self.seen))
            for flow in then.flows {
                let question = FlowQuestion(
                    from: .address(flow.source), to: .address(flow.destination), ipProtocol: flow.ipProtocol,
                    port: flow.destinationPort)
                let (answer, wanted) = (try told.answer(question), try was.answer(question))
                #expect(answer.verdict == wanted.verdict, "seed \(seed): \(flow)")
            }
        }
        fixture.writer.stop()
    }

    /// Whether the journal keeps it as a whole.
    private static func isKept(_ object: KubernetesObject) -> Bool {
        if case .pod(let pod) = object { pod.nodeName == "node-0" } else { true }
    }

    /// A restart hides what happened to pods of other nodes meanwhile, and only that.
    @Test func podsElsewhereAreNotKnownAcrossARestart() async throws {
        let first = try JournalFixture()
        let pod = KubernetesObject.pod(Pod(metadata: ObjectMeta(name: "far", namespace: "shop"), nodeName: "node-1"))
        first.begin([numbered(1)])
        first.add([.set(pod)])
        let created = try await first.read().position
        first.writer.stop()
        let second = try JournalFixture(in: first.folder, clock: first.clock)
        second.begin([numbered(1)])
        let (past, _) = try await second.past()
        let before = past.podsElsewhere(at: try past.moment(after: (created.last[.pods] ?? 1) - 1))
        #expect(before.pods[pod.key] == .some(nil) && !before.isComplete)
        let after = past.podsElsewhere(at: try past.moment(after: created.last[.pods] ?? 0))
        #expect(after.pods.isEmpty && !after.isComplete)
        let position = try await second.read().position
        #expect(past.podsElsewhere(at: try past.moment(after: position.last.values.max() ?? 0)).isComplete)
        second.writer.stop()
    }

    @Test func clockSetBack() async throws {
        let fixture = try JournalFixture()
        fixture.begin([])
        fixture.add([.set(numbered(1))], after: 60_000)
        let first = fixture.clock.now.wall
        fixture.clock.advance(60_000)
        fixture.clock.set(by: -100_000)
        fixture.add([.set(numbered(2))], after: 10_000)
        fixture.add([.set(numbered(3))], after: 100_000)
        let (past, snapshot) = try await fixture.past()
        let records = snapshot.contents.records.records
        let names = records.compactMap { record -> String? in
            guard case .change(let change) = record.content else { return nil }
            return change.key.name
        }
        #expect(names == ["p-1", "p-2", "p-3"], "in the order of what happened")
        let steps = zip(records, records.dropFirst()).compactMap { ClockStep(from: $0.time, to: $1.time) }
        #expect(steps == [.back(100_000)])
        // Shown before the step and after it.
        let ambiguous = try #require(throws: JournalPastError.self) { try past.moment(at: first + 5000) }
        guard case .ambiguous(let sequences) = ambiguous else {
            Issue.record("\(ambiguous)")
            return
        }
        #expect(sequences.count == 2)
        let moments = try sequences.map {
            try past.state(at: past.moment(after: $0), present: try #require(snapshot.state))
        }
        #expect(moments.map(\.objects.count) == [1, 2])
        fixture.writer.stop()
    }

    @Test func limitsOfKnowledge() async throws {
        let fixture = try JournalFixture()
        fixture.begin([numbered(1)])
        let begins = fixture.clock.now.wall
        fixture.add([.set(numbered(2))])
        let (past, snapshot) = try await fixture.past()
        #expect(throws: JournalPastError.beginsAt(begins)) { try past.moment(at: begins - 1) }
        #expect(throws: JournalPastError.notYet) { try past.moment(at: fixture.clock.now.wall + 1) }
        let last = try #require(snapshot.position.last[.changes])
        #expect(throws: JournalPastError.noRecord(1 << 40, last: last)) { try past.moment(after: 1 << 40) }
        let then = try past.state(at: try past.moment(at: begins + 999), present: try #require(snapshot.state))
        #expect(Array(then.objects.keys) == [numbered(1).key])
        let now = try past.state(at: try past.moment(at: begins + 1000), present: try #require(snapshot.state))
        #expect(now.objects.count == 2)
        fixture.writer.stop()
    }

    /// The node lost power: its last moments are not known.
    @Test func aNewBootHidesTheLastMoments() async throws {
        let first = try JournalFixture()
        first.begin([numbered(1)])
        first.add([.set(numbered(2))])
        _ = try await first.read()
        let last = first.clock.now.wall
        first.clock.boot(after: 60_000)
        let second = try JournalFixture(in: first.folder, clock: first.clock, boot: "boot-2")
        second.begin([numbered(1), numbered(2)])
        second.clock.advance(1000)
        let (past, _) = try await second.past()
        #expect(throws: JournalPastError.lostWithNode(last)) { try past.moment(at: last + 30_000) }
        let absence = try #require(try past.moment(at: last).absence)
        #expect(absence.isBoot && !absence.isOrderly && absence.from == last)
        first.writer.stop()
        second.writer.stop()
    }
}
