// SPDX-License-Identifier: Apache-2.0
import Agent
import CompiledPolicy
import ControlProtocol
import Datapath
import NetworkTypes
import NodeNetwork
import Testing

/// One test at a time: each waits for answers and timers, which a busy machine delays.
@Suite(.serialized) struct AgentOrderTests {
    @Test func startOpensThenWritesTheWholeOnce() async throws {
        let fixture = try AgentFixture()
        try await fixture.start()
        #expect(fixture.kernel.calls == ["open", "resync"])
        #expect(fixture.kernel.policy.endpoints.values.map(\.name.name).sorted() == ["redis", "web"])
        let status = await fixture.agent.status()
        #expect(status.healthy)
        #expect(status.datapath.state == .programmed)
        #expect(status.tables.endpoints == 2)
        #expect(status.manifests.objects == 4)
    }

    @Test func aKernelThatCannotBeOpenedIsAnError() async throws {
        let fixture = try AgentFixture()
        fixture.kernel.failNext(1)
        await #expect(throws: AgentStartError.self) { try await fixture.start() }
        #expect(fixture.kernel.calls == ["open"])
    }

    @Test func eachBatchIsOnePassAndRetiredSpaceIsFreedWhenQuiet() async throws {
        let fixture = try AgentFixture()
        try await fixture.start()
        let more = """
            apiVersion: v1
            kind: Pod
            metadata: {name: cart, namespace: shop}
            spec: {nodeName: node, containers: [{name: c, image: i}]}
            status: {phase: Running, podIPs: [{ip: 10.1.0.3}]}
            """
        await fixture.agent.manifestsChanged(try AgentFixture.change(more))
        #expect(fixture.kernel.calls.filter { $0 == "program" }.count == 1)
        #expect(fixture.kernel.policy.endpoints.count == 3)
        #expect(try await eventually { fixture.kernel.calls.last == "reclaim" })
        // And then it rests.
        let calls = fixture.kernel.calls.count
        try await Task.sleep(for: .milliseconds(700))
        #expect(fixture.kernel.calls.count == calls)
    }

    @Test func aChangeThatChangesNothingIsNotProgrammed() async throws {
        let fixture = try AgentFixture()
        try await fixture.start()
        await fixture.agent.manifestsChanged(try AgentFixture.change(AgentFixture.policy))
        #expect(fixture.kernel.calls == ["open", "resync"])
    }

    @Test func aFailureIsToldAndTheWholeIsWrittenAgain() async throws {
        let fixture = try AgentFixture()
        try await fixture.start(AgentFixture.policy)
        fixture.kernel.failNext(3)
        await fixture.agent.manifestsChanged(try AgentFixture.change(AgentFixture.shop))
        let failed = await fixture.agent.status()
        #expect(!failed.healthy)
        #expect(failed.datapath.state == .retrying)
        #expect(failed.datapath.failures == 1)
        #expect(failed.datapath.error == "write: out of memory (errno 12): told to fail")
        #expect(failed.datapath.retryInSeconds.map { $0 > 0 && $0 <= 0.25 } ?? false)
        #expect(fixture.kernel.policy.endpoints.isEmpty)

        #expect(try await eventually { await fixture.agent.status().datapath.state == .programmed })
        #expect(fixture.kernel.calls.filter { $0 == "resync" }.count == 4)
        #expect(fixture.kernel.calls.filter { $0 == "program" }.count == 1)
        #expect(fixture.kernel.policy.endpoints.count == 2)
        #expect(await fixture.agent.status().datapath.failures == 0)
    }

    @Test func aChangeWhileTheKernelFailsIsWrittenAsAWhole() async throws {
        let fixture = try AgentFixture()
        try await fixture.start(AgentFixture.policy)
        fixture.kernel.failNext(1)
        await fixture.agent.manifestsChanged(try AgentFixture.change(AgentFixture.shop))
        await #expect(throws: Never.self) { try await fixture.agent.apply(AgentFixture.objects(Self.other)) }
        #expect(fixture.kernel.calls.filter { $0 != "reclaim" } == ["open", "resync", "program", "resync"])
        #expect(fixture.kernel.policy.endpoints.count == 3)
    }

    private static let other = """
        apiVersion: v1
        kind: Pod
        metadata: {name: cart, namespace: shop}
        spec: {nodeName: node, containers: [{name: c, image: i}]}
        status: {phase: Running, podIPs: [{ip: 10.1.0.3}]}
        """

    @Test func interfacesAreSetWhenTheRoutesSaySo() async throws {
        let fixture = try AgentFixture()
        try await fixture.start()
        var network = NetworkState()
        _ = network.observe(.link(Link(index: 5, name: "vethweb", kind: "veth")))
        _ = network.observe(
            .route(
                Route(destination: CIDR(host: try IPAddress("10.1.0.1")), metric: 0, links: [5], hasGateway: false),
                replaces: false))
        await fixture.agent.networkChanged(.success(network))
        let endpoints = await fixture.agent.endpoints().endpoints
        let web = try #require(endpoints.first { $0.name == "web" })
        #expect(web.interface == InterfaceAnswer(index: 5, name: "vethweb"))
        #expect(endpoints.first { $0.name == "redis" }?.interface == nil)
        #expect(fixture.kernel.calls.contains("setPlace \(web.id) vethweb"))

        // The same state again causes no work, nor does a route that leads elsewhere. A link that is gone is reported.
        let calls = fixture.kernel.calls.count
        await fixture.agent.networkChanged(.success(network))
        #expect(fixture.kernel.calls.count == calls)
        _ = network.observe(.link(Link(index: 6, name: "other", kind: "veth")))
        _ = network.observe(
            .route(Route(destination: CIDR(host: try IPAddress("10.1.0.1")), metric: 0, links: [6]), replaces: true))
        await fixture.agent.networkChanged(.success(network))
        #expect(fixture.kernel.calls.count == calls)
        _ = network.observe(.linkRemoved(index: 6))
        _ = network.observe(.linkRemoved(index: 5))
        await fixture.agent.networkChanged(.success(network))
        #expect(fixture.kernel.calls.last == "setPlace \(web.id) -")
    }
}
