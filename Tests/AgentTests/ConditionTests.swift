// SPDX-License-Identifier: Apache-2.0
import Agent
import ControlProtocol
import KubernetesObjects
import NodeNetwork
import PrometheusText
import Testing

/// "Nothing is protected" never looks healthy.
@Suite struct ConditionTests {
    private static let nodes = """
        apiVersion: v1
        kind: Node
        metadata: {name: other}
        ---
        apiVersion: v1
        kind: Node
        metadata: {name: third}
        """

    private static let elsewhere = AgentFixture.shop.replacingNode(with: "other")

    private static func network(_ addresses: String...) -> FakeNetwork {
        let network = FakeNetwork()
        for (index, address) in addresses.enumerated() {
            network.add("veth\(index + 1)", index: UInt32(index + 5), address: address)
        }
        return network
    }

    private func status(
        _ manifests: String, _ network: FakeNetwork? = nil, grace: Duration = .seconds(3600)
    ) async throws -> StatusAnswer {
        let fixture = try AgentFixture(interfaceGrace: grace)
        try await fixture.start(manifests)
        if let network { await fixture.agent.networkChanged(.success(network.state)) }
        return await fixture.agent.status()
    }

    private func kinds(_ status: StatusAnswer) -> [StatusCondition.Kind] { status.conditions.map(\.kind) }

    @Test func aNodeThatIsProtectedHasNone() async throws {
        let status = try await status(AgentFixture.shop, Self.network("10.1.0.1", "10.1.0.2"), grace: .zero)
        #expect(status.conditions.isEmpty && status.healthy)
    }

    /// The host's name is often not the node's.
    @Test func aWrongNodeName() async throws {
        let status = try await status(Self.nodes + "\n---\n" + Self.elsewhere)
        #expect(kinds(status) == [.unknownNode] && !status.healthy)
        let message = try #require(status.conditions.first?.message)
        #expect(message.contains("'node'") && message.contains("other, third") && message.contains("--node-name"))
        // The same without any Node object: the pods behind the interfaces are said to be elsewhere.
        let here = try await self.status(Self.elsewhere, Self.network("10.1.0.1", "10.1.0.2"))
        #expect(kinds(here) == [.noEndpoints] && !here.healthy)
        // Nothing of them is here to be seen: it may be so.
        let unseen = try await self.status(Self.elsewhere, Self.network())
        #expect(kinds(unseen) == [.noEndpoints] && unseen.healthy)
    }

    @Test func podsThatNobodyKnows() async throws {
        let network = Self.network("10.9.0.1", "10.9.0.2", "10.9.0.3", "10.9.0.4")
        let early = try await status(AgentFixture.policy, network)
        #expect(kinds(early) == [.noEndpoints] && early.healthy, "a first pod is being made, perhaps")
        let late = try await status(AgentFixture.policy, network, grace: .zero)
        #expect(kinds(late) == [.noEndpoints] && !late.healthy)
        #expect(late.conditions.first?.message.contains("veth1, veth2, veth3 and 1 more") == true)
        let some = try await status(AgentFixture.shop, Self.network("10.1.0.1", "10.1.0.2", "10.9.0.1"), grace: .zero)
        #expect(kinds(some) == [.interfacesWithoutPod] && some.healthy)
    }

    @Test func podsThatPolicyMayNotHoldFor() async throws {
        // Policy selects redis alone.
        let redis = try await status(AgentFixture.shop, Self.network("10.1.0.1"), grace: .zero)
        #expect(kinds(redis) == [.podsWithoutInterface] && !redis.healthy)
        #expect(redis.conditions.first?.message.contains("shop/redis") == true)
        let web = try await status(AgentFixture.shop, Self.network("10.1.0.2"), grace: .zero)
        #expect(kinds(web) == [.podsWithoutInterface] && web.healthy)
        let early = try await status(AgentFixture.shop, Self.network("10.1.0.1"))
        #expect(kinds(early) == [.podsWithoutInterface] && early.healthy)
    }

    @Test func noPolicyAndNoSource() async throws {
        let fixture = try AgentFixture()
        try await fixture.start(AgentFixture.shop)
        #expect(await kinds(fixture.agent.status()).isEmpty)
        let keys = try AgentFixture.objects(AgentFixture.policy).map(\.key)
        await fixture.agent.manifestsChanged(ManifestChange(events: keys.map { .removed($0) }))
        let status = await fixture.agent.status()
        #expect(kinds(status) == [.noPolicy] && status.healthy)

        let bare = try AgentFixture(withDirectories: false)
        try await bare.start("apiVersion: v1\nkind: List\nitems: []")
        let nothing = await bare.agent.status()
        #expect(kinds(nothing) == [.noSource] && !nothing.healthy)
        _ = try await bare.agent.apply(try AgentFixture.objects(AgentFixture.shop))
        let pushed = await bare.agent.status()
        #expect(pushed.conditions.isEmpty && pushed.healthy)
    }

    @Test func metricsHaveThem() async throws {
        let fixture = try AgentFixture()
        try await fixture.start(Self.nodes)
        func value(_ name: String, _ kind: StatusCondition.Kind? = nil) async throws -> MetricFamily.Sample.Value {
            let family = try #require(await fixture.agent.metrics().first { $0.name == name })
            let sample = family.samples.first { kind == nil || $0.labels.first?.value == kind?.rawValue }
            return try #require(sample).value
        }
        #expect(try await value("bulkhead_healthy") == .number(0))
        #expect(try await value("bulkhead_condition", .unknownNode) == .number(2))
        #expect(try await value("bulkhead_condition", .noPolicy) == .number(1))
        #expect(try await value("bulkhead_condition", .noSource) == .number(0))
    }
}

extension String {
    fileprivate func replacingNode(with name: String) -> String {
        split(separator: "nodeName: node,", omittingEmptySubsequences: false).joined(separator: "nodeName: \(name),")
    }
}
