// SPDX-License-Identifier: Apache-2.0
import Agent
import ControlProtocol
import Datapath
import Journal
import JournalFiles
import KubernetesClient
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyResolver
import Synchronization
import Testing

/// What the journal says about labels, versions, and the time without a daemon.
@Suite(.serialized) struct PastTests {
    /// A clock that a test sets, the same for all runs of a daemon.
    private final class Clock: Sendable {
        private let time = Mutex(JournalTime(wall: 1_000_000_000_000, uptime: 5000))
        func advance(_ seconds: Int64) {
            time.withLock {
                $0.wall += seconds * 1000
                $0.uptime += seconds * 1000
            }
        }
        var wall: Int64 { time.withLock { $0.wall } }
        var clock: JournalClock { JournalClock(boot: "boot") { self.time.withLock { $0 } } }
    }

    private let directory: TemporaryDirectory
    private let clock = Clock()

    init() throws { directory = try TemporaryDirectory() }

    private func fixture(cluster: ClusterFollower? = nil, isOtherInForce: Bool = false) throws -> AgentFixture {
        let journal = try #require(
            AgentJournal.start(
                path: directory.path, node: "node", policy: PolicySettings(), clock: clock.clock,
                logger: AgentFixture.silent))
        return try AgentFixture(cluster: cluster, journal: journal, isOtherInForce: isOtherInForce)
    }

    private func last(_ agent: Agent<FakeDatapath>) async throws -> HistoryEntry {
        try #require(try await agent.history(HistoryQuestion(includesPodsElsewhere: true)).entries.last)
    }

    private static func pod(_ name: String, _ address: String, node: String, _ labels: String) -> String {
        """
        apiVersion: v1
        kind: Pod
        metadata: {name: \(name), namespace: shop, labels: {\(labels)}}
        spec: {nodeName: \(node), containers: [{name: c, image: i}]}
        status: {phase: Running, podIPs: [{ip: \(address)}]}
        """
    }

    /// A pod's new labels change what its peers and its own policies say, here and elsewhere.
    @Test func labelsHaveSamples() async throws {
        let fixture = try fixture()
        let agent = fixture.agent
        try await fixture.start()
        func change(_ text: String) async throws -> HistoryEntry {
            clock.advance(10)
            try await agent.manifestsChanged(AgentFixture.change(text))
            return try await last(agent)
        }
        let web = try await change(Self.pod("web", "10.1.0.1", node: "node", "app: other"))
        #expect(web.what == "changed" && web.kind == "Pod" && web.name == "web")
        #expect(web.verdicts == ["shop/redis: now denies from shop/web on 6379/TCP"] && web.verdictCount == 1)
        let same = try await change(Self.pod("web", "10.1.0.1", node: "node", "app: other, more: a"))
        #expect(same.what == "changed" && same.verdicts == nil)
        _ = try await change(Self.pod("far", "10.2.0.1", node: "other", "app: other"))
        let far = try await change(Self.pod("far", "10.2.0.1", node: "other", "app: web"))
        #expect(far.elsewhere == true && far.name == "far")
        #expect(far.verdicts == ["shop/redis: now allows from shop/far on 6379/TCP"])
        // Its own policy ends with its label.
        let redis = try await change(Self.pod("redis", "10.1.0.2", node: "node", "app: free"))
        #expect(redis.verdicts?.contains("shop/redis: now allows from any other address on 6379/TCP") == true)
        // Within a second of the last samples there is no time for more.
        try await agent.manifestsChanged(
            AgentFixture.change(Self.pod("redis", "10.1.0.2", node: "node", "app: redis")))
        #expect(try await last(agent).verdicts == nil)
        await agent.stop()
    }

    private struct Away {
        var between: Int64
        var agent: Agent<FakeDatapath>
        /// The first run, if it ended without a word.
        var silent: Agent<FakeDatapath>?

        func end() async {
            await agent.stop()
            await silent?.stop()
        }
    }

    /// A run, a time without a daemon, and a second run that finds this in the kernel.
    private func away(_ takeover: Takeover, stops: Bool = true, isOtherInForce: Bool = false) async throws -> Away {
        let first = try fixture()
        try await first.start()
        clock.advance(60)
        if stops {
            await first.agent.stop()
        } else {
            // Its journal ends without a word.
            _ = try await last(first.agent)
        }
        clock.advance(60)
        let between = clock.wall
        clock.advance(60)
        let second = try fixture(isOtherInForce: isOtherInForce)
        second.kernel.state.withLock { $0.takeover = takeover }
        try await second.start()
        clock.advance(60)
        return Away(between: between, agent: second.agent, silent: stops ? nil : first.agent)
    }

    private func ask(_ away: Away, _ port: UInt16) async throws -> VerdictAnswer {
        try await away.agent.verdict(
            AgentFixture.question("shop/web", "shop/redis", port), request: nil, at: .time(away.between))
    }

    @Test func theKernelKeptThePolicy() async throws {
        let away = try await away(.whole)
        let answer = try await ask(away, 80)
        #expect(answer.verdict == "deny")
        let note = try #require(answer.note)
        let span = "from 2001-09-09T01:47:40.000Z to 2001-09-09T01:49:40.000Z"
        #expect(note.contains("; the daemon was not running \(span);"), "\(note)")
        let found = "hooks and tables of the run before were in place"
        #expect(
            note.hasSuffix("; at its start \(found); what others wrote into them meanwhile is not known"), "\(note)")
        #expect(try await ask(away, 6379).verdict == "allow")
        await away.end()
    }

    @Test func othersRemovedIt() async throws {
        let away = try await away(.part(["the chain forward"]))
        let answer = try await ask(away, 80)
        #expect(answer.verdict == "undecided", "\(answer)")
        #expect(answer.ingress?.reason == "the kernel may have enforced something else then")
        #expect(answer.note?.hasSuffix("this was missing and was put back: the chain forward") == true)
        #expect(try await ask(away, 6379).verdict == "allow")
        let entries = try await away.agent.history(HistoryQuestion()).entries
        #expect(entries.map(\.what) == ["started", "adopted", "known", "stopped", "started", "adopted", "known"])
        #expect(entries[1].text == "nothing of a run before was in place")
        await away.end()
    }

    @Test func nothingWasLeft() async throws {
        let away = try await away(.nothing)
        #expect(try await ask(away, 80).verdict == "undecided")
        await away.end()
    }

    /// The run before had the other datapath, which enforced until this one took its place.
    @Test func theOtherDatapathWasLeft() async throws {
        let away = try await away(.nothing, isOtherInForce: true)
        let answer = try await ask(away, 80)
        #expect(answer.verdict == "undecided")
        let note = try #require(answer.note)
        #expect(note.hasSuffix("; at its start tables were in place that this daemon does not read"), "\(note)")
        await away.end()
        // What this datapath had itself is what counts.
        let own = try await self.away(.whole, isOtherInForce: true)
        #expect(try await ask(own, 80).verdict == "deny")
        await own.end()
    }

    @Test func aRunThatEndedWithoutAWord() async throws {
        let away = try await away(.whole, stops: false)
        let answer = try await ask(away, 80)
        #expect(answer.verdict == "deny" && answer.note?.contains("; the daemon ended at some time after ") == true)
        await away.end()
    }

    @Test func versionsOfTheAPIServer() async throws {
        let fixture = try fixture(cluster: ClusterTests.follower())
        let agent = fixture.agent
        try await agent.start(ManifestChange())
        let shop = try AgentFixture.objects(AgentFixture.shop)
        await agent.clusterChanged(ClusterUpdate(stage: .complete, events: shop.map { .set($0) }))
        let key = ObjectKey(kind: .networkPolicy, namespace: "shop", name: "redis")
        let open = AgentFixture.policy.replacing("port: 6379", with: "port: 6380")
        await agent.clusterChanged(
            ClusterUpdate(
                stage: .following, events: try AgentFixture.objects(open).map { .set($0) },
                versions: [key: ObjectVersion(resourceVersion: "4711", generation: 3)]))
        var entry = try await last(agent)
        #expect(entry.what == "changed" && entry.resourceVersion == "4711" && entry.generation == 3)
        await agent.clusterChanged(
            ClusterUpdate(
                stage: .following, events: [.removed(key)], versions: [key: ObjectVersion(resourceVersion: "4712")]))
        entry = try await last(agent)
        #expect(entry.what == "removed" && entry.resourceVersion == "4712" && entry.generation == nil)
        // Of two changes that come together, only the last one's version is known.
        let both = try AgentFixture.objects(AgentFixture.policy) + AgentFixture.objects(open)
        await agent.clusterChanged(
            ClusterUpdate(
                stage: .following, events: both.map { .set($0) },
                versions: [key: ObjectVersion(resourceVersion: "4714", generation: 2)]))
        let changes = try await agent.history(HistoryQuestion(subject: "shop/redis")).entries.filter {
            $0.kind == "NetworkPolicy"
        }
        #expect(changes.suffix(2).map(\.what) == ["added", "changed"])
        #expect(changes.suffix(2).map(\.resourceVersion) == [nil, "4714"])
        #expect(changes.suffix(2).map(\.generation) == [nil, 2])
        await agent.stop()
        // Found at the next start, with the versions of the first list.
        let second = try self.fixture(cluster: ClusterTests.follower())
        try await second.agent.start(ManifestChange())
        await second.agent.clusterChanged(
            ClusterUpdate(
                stage: .gathering, events: shop.map { .set($0) },
                versions: [key: ObjectVersion(resourceVersion: "4720", generation: 1)]))
        await second.agent.clusterChanged(ClusterUpdate(stage: .complete, events: []))
        let found = try await second.agent.history(HistoryQuestion(subject: "shop/redis")).entries.last {
            $0.kind == "NetworkPolicy"
        }
        #expect(found?.whileStopped == true && found?.generation == 1 && found?.resourceVersion == "4720")
        await second.agent.stop()
    }

    /// A number below zero is a value, not an option.
    @Test(arguments: [
        (["flows", "--last", "-5"], "--last must be a number from 0 to"),
        (["history", "--last", "-5"], "--last is from 1"),
        (["verdict", "--at", "-10x", "a", "b", "80"], "'-10x' is not a moment"),
        (["flows", "--since", "#5"], "--since must be a duration"),
    ]) func negativeNumbers(_ words: [String], _ problem: String) async throws {
        let answer = try await onOwnThread { try CommandLine.run("bulkheadctl", words) }
        #expect(answer.status == 2 && answer.complaints.contains(problem), "\(answer)")
    }

    @Test func aRecordThatIsNotThere() async throws {
        let fixture = try fixture()
        try await fixture.start()
        let question = try AgentFixture.question("shop/web", "shop/redis", 80)
        let error = await #expect(throws: ErrorAnswer.self) {
            _ = try await fixture.agent.verdict(question, request: nil, at: .record(99))
        }
        #expect(error?.error.message.hasPrefix("the journal has no record #99: the last one is #") == true)
        await fixture.agent.stop()
    }

    @Test(arguments: [
        ("10m", PastMoment.ago(600_000)), ("-10m", .ago(600_000)), ("1h30m", .ago(5_400_000)), ("600", .ago(600_000)),
        ("0s", .ago(0)), ("3d", .ago(259_200_000)), ("#7", .record(7)),
        ("2001-09-09T01:46:40Z", .time(1_000_000_000_000)), ("2001-09-09T01:46:40.25Z", .time(1_000_000_000_250)),
    ]) func moments(_ text: String, _ moment: PastMoment) { #expect(PastMoment(text) == moment) }

    @Test(arguments: ["", "-", "m", "1h30", "10 m", "#0", "#", "12345678901", "40000d", "9999-01-01T00:00:00Z", "١m"])
    func noMoments(_ text: String) { #expect(PastMoment(text) == nil) }
}
