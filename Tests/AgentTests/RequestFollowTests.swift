// SPDX-License-Identifier: Apache-2.0
import Agent
import ControlProtocol
import ControlSocket
import FlowTelemetry
import Glibc
import KubernetesObjects
import RequestPolicy
import ServiceLifecycle
import Testing

/// The proxy's decider: what it follows, what it reports, and what its absence means.
@Suite(.serialized) struct RequestFollowTests {
    private func agent(_ world: String = RequestFixture.world) async throws -> AgentFixture {
        let fixture = try AgentFixture()
        try await fixture.start(world)
        return fixture
    }

    /// What a decider knows after as many batches.
    private func policy(
        of follower: RequestFollower, after count: Int = 1, _ during: () async throws -> Void = {}
    ) async throws -> RequestPolicy? {
        struct Enough: Error {}
        var lines = RequestPolicyLines()
        var batches = 0
        do {
            try await follower.batches { bytes in
                if try lines.read(bytes) { batches += 1 }
                if batches == count { throw Enough() }
                try await during()
            }
        } catch is Enough {}
        return lines.reader.policy
    }

    @Test func aSnapshotAndThenChanges() async throws {
        let fixture = try await agent()
        let follower = await fixture.agent.followRequests(decides: true)
        let reading = Task {
            try await policy(of: follower, after: 2) {
                await fixture.agent.manifestsChanged(
                    ManifestChange(
                        events: try AgentFixture.objects(RequestFixture.policy(methods: "POST, GET")).map {
                            .set($0)
                        }))
            }
        }
        let known = try #require(try await reading.value)
        #expect(known.endpoints.values.map(\.name) == ["shop/shoes"])
        #expect(known.hasSameRules(as: RequestPolicy(fixture.kernel.policy, generation: 0)))
        await fixture.agent.unfollow(follower)
    }

    @Test func nothingIsSentWithoutFlowsWhoseRequestsDecide() async throws {
        let fixture = try await agent(AgentFixture.shop)
        let follower = await fixture.agent.followRequests(decides: false)
        #expect(try await policy(of: follower)?.endpoints.isEmpty == true)
        #expect(await fixture.agent.status().requests == nil)
        await fixture.agent.unfollow(follower)
    }

    @Test func aMissingProxyIsAProblem() async throws {
        let fixture = try await agent()
        let before = await fixture.agent.status()
        #expect(before.requests?.endpoints == 1 && before.requests?.proxyReady == false)
        let condition = try #require(before.conditions.first { $0.kind == .requests })
        #expect(!condition.isProblem, "the proxy may be starting")
        #expect(condition.message.contains("no pod of this node has the service account kube-system/bulkhead-http"))
        await fixture.agent.manifestsChanged(try AgentFixture.change(RequestFixture.proxy))
        func message() async -> String {
            await fixture.agent.status().conditions.first { $0.kind == .requests }?.message ?? ""
        }
        #expect(await message().contains("its decider does not follow"))
        let follower = await fixture.agent.followRequests(decides: true)
        #expect(await fixture.agent.status().requests?.proxyReady == true)
        #expect(await message().contains("no interface of this node leads to its pod"))
        await fixture.agent.unfollow(follower)
        #expect(await fixture.agent.status().requests?.proxyReady == true, "it may come back at once")
        #expect(try await eventually { await message().contains("its decider does not follow") })
    }

    @Test func endpointsAndPoliciesSayWhatGoesThroughTheProxy() async throws {
        let fixture = try await agent()
        await fixture.agent.count(RequestFixture.counts(.allow, 3))
        await fixture.agent.count(RequestFixture.counts(.deny, 2))
        let endpoints = await fixture.agent.endpoints().endpoints
        #expect(endpoints.first { $0.name == "shoes" }?.requestPorts == ["8080"])
        #expect(endpoints.first { $0.name == "web" }?.requestPorts == nil)
        let policy = try #require(await fixture.agent.policies().policies.first)
        #expect(policy.tier == "Authorization" && policy.kind == "AuthorizationPolicy")
        #expect(policy.requests == ["allow": 3, "deny": 2])
        let counters = try #require(try await fixture.agent.counters().requests)
        #expect(counters.verdicts == ["allow": 3, "deny": 2])
        #expect(
            counters.rules.map { "\($0.requests) \($0.verdict) \($0.rule)" } == [
                "3 allow AuthorizationPolicy shop/shoes-writer ingress rule 1", "2 deny isolation by shop/shoes-writer",
            ])
    }

    @Test func deniedRequestsAreEvents() async throws {
        let fixture = try await agent()
        let follower = await fixture.agent.follow([.request])
        var counts = RequestFixture.counts(.deny, 1)
        var denied = RequestCounts.Denied(
            time: "2026-11-30T04:00:00.123Z", source: "10.1.0.1", sourcePort: 40_000, destination: "10.1.0.2",
            port: 8080, pod: "shop/shoes", method: "GET", host: "shoes", path: "/", verdict: .deny)
        denied.policy = .init(namespace: "shop", name: "shoes-writer")
        counts.denied = [denied]
        await fixture.agent.count(counts)
        await fixture.agent.unfollow(follower)
        var records: [FlowRecord] = []
        try await follower.batches { records += $0.elements }
        let told = try #require(records.first?.request)
        #expect(told.source == EventEnd(address: "10.1.0.1", port: 40_000, pod: "shop/inventory"))
        #expect(told.destination.pod == "shop/shoes" && told.method == "GET" && told.verdict == "deny")
        #expect(told.reason == "denied by isolation by shop/shoes-writer")
    }

    /// The proxy's socket serves nothing that reads or changes anything else.
    @Test func theProxysSocketServesItAlone() async throws {
        let base = try await agent()
        let path = base.directory.path + "/requests/requests.sock"
        let (ready, signal) = AsyncStream.makeStream(of: Void.self)
        let server = ControlServer(
            file: try SocketFile(path: path), backend: base.agent, scope: .requests(users: [12345]),
            logger: AgentFixture.silent
        ) { signal.finish() }
        let group = ServiceGroup(configuration: .init(services: [server], logger: AgentFixture.silent))
        let running = Task { try await group.run() }
        for await _ in ready {}
        let fixture = SocketFixture(base: base, path: path)
        var status = stat()
        #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o666)
        for target in ["/v1/status", "/v1/objects", "/v1/verdict"] {
            let answer = try await fixture.call("GET", target)
            #expect(answer.status == 404 && answer.errorCode == .unknownPath)
        }
        let body =
            #"{"generation":"1","counts":[{"verdict":"allow","requests":7}],"refused":{"not HTTP":2},"denied":[]}"#
        #expect(try await fixture.call("POST", "/v1/requests/counts", body).status == 204)
        #expect(try await base.agent.counters().requests?.verdicts == ["allow": 7, "refuse": 2])
        #expect(try await fixture.call("POST", "/v1/requests/counts", "{}").status == 400)
        let text = try await onOwnThread {
            let client = try RawClient(path)
            client.send(SocketFixture.request("GET", "/v1/requests/follow"))
            var bytes: [UInt8] = []
            while !String(decoding: bytes, as: UTF8.self).contains("\"commit\"") { bytes += client.receive() }
            return String(decoding: bytes, as: UTF8.self)
        }
        #expect(text.contains("shop/shoes") && text.contains("application/x-ndjson"))
        await base.agent.endFollowing()
        await group.triggerGracefulShutdown()
        try await running.value
        unlink(path)
        rmdir(base.directory.path + "/requests")
    }
}
