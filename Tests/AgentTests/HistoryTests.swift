// SPDX-License-Identifier: Apache-2.0
import Agent
import ClusterVerdicts
import ControlProtocol
import Datapath
import JournalFiles
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyResolver
import Testing
import WorldKit

/// What the journal answers through the agent, the socket and the command.
@Suite(.serialized) struct HistoryTests {
    /// The journal of a run in a directory that outlives it.
    private static func journal(_ directory: TemporaryDirectory, _ limit: Int = JournalDirectory.defaultByteLimit)
        throws
        -> JournalWriter
    {
        try #require(
            AgentJournal.start(
                path: directory.path, byteLimit: limit, node: "node", policy: PolicySettings(),
                logger: AgentFixture.silent))
    }

    private static func fixture(_ directory: TemporaryDirectory) throws -> AgentFixture {
        try AgentFixture(journal: journal(directory))
    }

    private func entries(_ agent: Agent<FakeDatapath>, _ subject: String? = nil) async throws -> [HistoryEntry] {
        try await agent.history(HistoryQuestion(subject: subject)).entries
    }

    @Test func changesWithTheirEffects() async throws {
        let directory = try TemporaryDirectory()
        let fixture = try Self.fixture(directory)
        try await fixture.start()
        let open = AgentFixture.policy.replacing("port: 6379", with: "port: 6380")
        try await fixture.agent.manifestsChanged(AgentFixture.change(open))
        let found = try await entries(fixture.agent)
        #expect(found.map(\.what) == ["started", "adopted", "known", "changed"])
        let change = try #require(found.last)
        #expect(change.kind == "NetworkPolicy" && change.namespace == "shop" && change.name == "redis")
        #expect(change.source == "/manifests" && change.pods == ["shop/redis"] && change.podCount == 1)
        let verdicts = try #require(change.verdicts)
        #expect(verdicts.contains("shop/redis: now denies from shop/web on 6379/TCP"), "\(verdicts)")
        #expect(verdicts.contains("shop/redis: now allows from shop/web on 6380/TCP"), "\(verdicts)")
        #expect(try await entries(fixture.agent, "shop/redis").count == 1)
        #expect(try await entries(fixture.agent, "shop/none").isEmpty)
        await fixture.agent.stop()
    }

    /// What the store no longer has is not the socket's: the files that had it are named.
    @Test func aRemovalNamesWhereTheObjectWas() async throws {
        let directory = try TemporaryDirectory()
        let fixture = try Self.fixture(directory)
        try await fixture.start()
        let key = ObjectKey(kind: .networkPolicy, namespace: "shop", name: "redis")
        await fixture.agent.manifestsChanged(ManifestChange(events: [.removed(key)]))
        let last = try #require(try await entries(fixture.agent).last)
        #expect(last.what == "removed" && last.name == "redis" && last.source == "/manifests")
        await fixture.agent.stop()
    }

    @Test func failuresAndRepairs() async throws {
        let directory = try TemporaryDirectory()
        let fixture = try Self.fixture(directory)
        try await fixture.start()
        fixture.kernel.failNext(1)
        let open = AgentFixture.policy.replacing("port: 6379", with: "port: 6380")
        try await fixture.agent.manifestsChanged(AgentFixture.change(open))
        #expect(try await eventually { try await entries(fixture.agent).map(\.what).last == "recovered" })
        fixture.kernel.changeByOthers(2)
        _ = try await fixture.agent.resync()
        let words = try await entries(fixture.agent).map(\.what)
        #expect(words == ["started", "adopted", "known", "failed", "changed", "recovered", "repaired"], "\(words)")
        await fixture.agent.stop()
    }

    /// A random history over restarts, against verdicts by the objects of then.
    @Test func verdictsOfThePast() async throws {
        let directory = try TemporaryDirectory()
        var generator = WorldGenerator(seed: 21)
        var recorded: [(sequence: UInt64, objects: [KubernetesObject], flows: [Flow])] = []
        var answered = 0
        for _ in 0..<2 {
            // A generator's node is node-0; this agent's is node.
            let fixture = try Self.fixture(directory)
            var objects = Self.objects(generator)
            try await fixture.agent.start(ManifestChange(events: objects.map { .set($0) }))
            for _ in 0..<12 {
                _ = generator.change()
                let next = Self.objects(generator)
                let gone = Set(objects.map(\.key)).subtracting(next.map(\.key)).sorted()
                let events = next.filter { !objects.contains($0) }.map(ObjectEvent.set) + gone.map(ObjectEvent.removed)
                objects = next
                await fixture.agent.manifestsChanged(ManifestChange(events: events))
                let last = try await fixture.agent.history(HistoryQuestion(includesPodsElsewhere: true)).entries.last
                recorded.append((try #require(last).sequence, objects, generator.flows(6)))
            }
            for then in recorded {
                var was = ClusterVerdict(objects: then.objects)
                let hosts = Self.hosts(then.objects)
                for flow in then.flows where hosts.isDisjoint(with: [flow.source, flow.destination]) {
                    let question = FlowQuestion(
                        from: .address(flow.source), to: .address(flow.destination), ipProtocol: flow.ipProtocol,
                        port: flow.destinationPort)
                    let wanted = try was.answer(question).verdict.rawValue
                    guard
                        let told = try? await fixture.agent.verdict(
                            question, request: nil, at: .record(then.sequence)),
                        told.verdict != DirectionAnswer.undecided
                    else { continue }
                    answered += 1
                    #expect(told.verdict == wanted, "record \(then.sequence): \(flow): \(told)")
                }
            }
            await fixture.agent.stop()
        }
        #expect(answered > 50, "\(answered)")
    }

    /// Without pods that claim one address, whose claims elsewhere only the present knows.
    private static func objects(_ generator: WorldGenerator) -> [KubernetesObject] {
        var taken: Set<IPAddress> = []
        return generator.world.writable.objects.compactMap { object in
            guard case .pod(var pod) = object else {
                guard case .node(var node) = object else { return object }
                node.metadata.name = name(node.metadata.name)
                return .node(node)
            }
            pod.nodeName = name(pod.nodeName)
            if !pod.hostNetwork { pod.podIPs.removeAll { !taken.insert($0).inserted } }
            return .pod(pod)
        }
    }

    /// Addresses of nodes. Node objects lack some of them, and the node of a pod elsewhere is not known here.
    private static func hosts(_ objects: [KubernetesObject]) -> Set<IPAddress> {
        Set(
            objects.flatMap { object -> [IPAddress] in
                guard case .pod(let pod) = object else { return [] }
                return pod.hostIPs + (pod.hostNetwork ? pod.podIPs : [])
            })
    }

    private static func name(_ node: String) -> String { node == "node-0" ? "node" : node }

    @Test func limitsAreSaid() async throws {
        let directory = try TemporaryDirectory()
        let fixture = try Self.fixture(directory)
        try await fixture.start()
        let question = try AgentFixture.question("shop/web", "shop/redis", 6379)
        let early = await refusal { try await fixture.agent.verdict(question, request: nil, at: .ago(3_600_000)) }
        #expect(early?.error.message.hasPrefix("the journal begins at ") == true)
        let late = await refusal { try await fixture.agent.verdict(question, request: nil, at: .time(1 << 50)) }
        #expect(late?.error.message == "this moment is not in the past")
        let nobody = try AgentFixture.question("shop/web", "shop/nobody", 6379)
        let missing = await refusal { try await fixture.agent.verdict(nobody, request: nil, at: .ago(0)) }
        #expect(missing?.error.message == "there was no pod shop/nobody at that time")
        _ = try await fixture.agent.setResolved(
            ResolvedBody(endpoints: [.init(namespace: "vm", name: "one", addresses: ["10.9.0.1"])]))
        let undecided = try await fixture.agent.verdict(question, request: nil, at: .ago(0))
        #expect(undecided.verdict == "undecided" && undecided.ingress?.reason.contains("resolved policy") == true)
        await fixture.agent.stop()
        let without = try AgentFixture()
        try await without.start()
        let off = await refusal { try await without.agent.history(HistoryQuestion()) }
        #expect(off?.error.code == .notFound)
    }

    private func refusal<Answer: Sendable>(_ body: () async throws -> Answer) async -> ErrorAnswer? {
        do {
            _ = try await body()
            return nil
        } catch {
            return error as? ErrorAnswer
        }
    }

    @Test func overTheSocketAndTheCommand() async throws {
        let directory = try TemporaryDirectory()
        try await SocketFixture.serve(try Self.fixture(directory), AgentFixture.shop) { fixture in
            let closed = AgentFixture.policy.replacing("app: web", with: "app: none")
            try await fixture.agent.manifestsChanged(AgentFixture.change(closed))
            let answer = try await fixture.call("GET", "/v1/history?last=1")
            #expect(answer.status == 200 && Self.text(answer).contains(#""what":"changed""#))
            for query in ["last=0", "since=never", "pods=some", "what=x"] {
                #expect(try await fixture.call("GET", "/v1/history?" + query).status == 400, "\(query)")
            }
            let record = try #require(try await entries(fixture.agent).last).sequence
            let path = "/v1/verdict?from=shop/web&to=shop/redis&port=6379"
            #expect(try await Self.text(fixture.call("GET", path)).contains(#""verdict":"deny"}"#))
            let before = try await fixture.call("GET", path + "&at=%23\(record - 1)")
            #expect(Self.text(before).hasSuffix(#""verdict":"allow"}"# + "\n"), "\(Self.text(before))")
            try await commands(fixture, record)
            try await timesOfTheDayAreUTC(fixture)
            await fixture.agent.stop()
        }
    }

    private static func text(_ answer: RawAnswer) -> String { String(decoding: answer.body, as: UTF8.self) }

    private func commands(_ fixture: SocketFixture, _ record: UInt64) async throws {
        func control(_ arguments: String...) async throws -> CommandLine {
            let arguments = arguments.prefix(1) + ["--socket", fixture.path] + arguments.dropFirst()
            return try await onOwnThread { try CommandLine.run("bulkheadctl", Array(arguments)) }
        }
        let history = try await control("history", "--since", "10m")
        #expect(history.status == 0 && history.complaints.isEmpty && history.output.contains("TIME (UTC)"))
        #expect(
            history.output.contains("changed  NetworkPolicy shop/redis; by /manifests; changed rules of shop/redis"))
        let json = try await control("history", "--last", "1", "-o", "json")
        let line = Array(json.output.utf8)
        #expect(line.last == UInt8(ascii: "\n") && line.count { $0 == UInt8(ascii: "\n") } == 1)
        let then = try await control("verdict", "--at", "#\(record - 1)", "shop/web", "shop/redis", "6379")
        #expect(then.output.hasPrefix("allow  ") && then.output.contains("note: by the journal, after record #"))
        let now = try await control("verdict", "--exit-code", "--at", "0s", "shop/web", "shop/redis", "6379")
        #expect(now.status == 3)
        let early = try await control("verdict", "--at", "2d", "shop/web", "shop/redis", "6379")
        #expect(early.status == 1 && early.complaints.hasPrefix("error: the journal begins at "))
        let own = try await control("history", "-n", "shop", "--no-headers", "-o", "wide")
        #expect(own.output.contains("changed  NetworkPolicy shop/redis") && !own.output.contains("started"))
        #expect(!own.output.contains("TIME"))
        #expect(try await control("history", "-n", "other").output == "nothing is recorded\n")
        let one = try await control("history", "-n", "shop", "--last", "1", "-o", "json")
        #expect(one.output == json.output)
        #expect(try await control("verdict", "--at", "noon", "a", "b", "80").status == 2)
        #expect(try await control("verdict", "--at", "1m", "--kernel", "a", "b", "80").status == 2)
        #expect(try await control("history", "--since", "25:00").status == 2)
    }

    /// As they are printed, whatever the zone of the machine. Nine hours off, the journal had not begun.
    private func timesOfTheDayAreUTC(_ fixture: SocketFixture) async throws {
        // Times have no fraction of a second.
        try await Task.sleep(for: .milliseconds(1100))
        let time = RFC3339.now().dropFirst(11).prefix(8)
        for zone in ["UTC0", "EAST-9", "WEST9"] {
            let line =
                "TZ=\(zone) \"$0\" verdict --socket \(fixture.path) --at \(time) shop/web shop/redis 6379/tcp 2>&1"
            let output = try await onOwnThread { try CommandLine.runShell(line, program: "bulkheadctl") }
            #expect(output.hasPrefix("deny  "), "\(zone): \(output)")
        }
    }
}
