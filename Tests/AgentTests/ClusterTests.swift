// SPDX-License-Identifier: Apache-2.0
import Agent
import CompiledPolicy
import ControlProtocol
import KubernetesClient
import KubernetesObjects
import NetworkTypes
import NodeNetwork
import PolicyModel
import Synchronization
import Testing

/// An agent that follows an API server: when the server's objects take effect.
/// One test at a time: each waits for answers and timers, which a busy machine delays.
@Suite(.serialized) struct ClusterTests {
    /// There is no server; the tests pass updates by hand.
    static func follower() -> ClusterFollower {
        ClusterFollower(
            APIServerConnection(
                ClusterAccess(source: "test", server: ClusterAccess.Server(host: "127.0.0.1", port: 1)),
                userAgent: "test"), logger: AgentFixture.silent)
    }

    private func update(_ stage: ClusterUpdate.Stage, _ manifests: String...) throws -> ClusterUpdate {
        ClusterUpdate(
            stage: stage, events: try manifests.flatMap { try AgentFixture.objects($0) }.map { .set($0) })
    }

    private static let guardrail = KubernetesObject.tierPolicy(
        TierPolicy(
            metadata: ObjectMeta(name: "metadata"), tier: .admin, subject: PodSelection(),
            egress: [TierRule(action: .deny, peers: [.networks([CIDR(host: IPAddress(v4: 0xa9fe_a9fe))])])]))
    private static let closed = """
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata: {name: redis, namespace: shop}
        spec: {podSelector: {matchLabels: {app: redis}}, policyTypes: [Ingress]}
        """

    private static func numbering() -> Numbering {
        var numbering = Numbering()
        numbering.endpoints[StableKey(high: 1, low: 2)] = EndpointID(rawValue: 3)
        return numbering
    }

    private static func network() throws -> NetworkState {
        var network = NetworkState()
        _ = network.observe(.link(Link(index: 5, name: "veth5", kind: "veth", peerNamespace: 1)))
        let route = Route(destination: CIDR(host: try IPAddress("10.1.0.1")), links: [5])
        _ = network.observe(.route(route, replaces: false))
        let gateway = LinkAddress(link: 5, address: try IPAddress("10.1.0.254"), prefixLength: 32)
        _ = network.observe(.address(gateway))
        return network
    }

    @Test func whatAPreviousRunLeftStaysUntilAllIsKnown() async throws {
        let fixture = try AgentFixture(cluster: Self.follower())
        fixture.kernel.state.withLock { $0.numbering = Self.numbering() }
        try await fixture.agent.start(ManifestChange(), guardrails: ManifestChange(events: [.set(Self.guardrail)]))
        await fixture.agent.networkChanged(.success(try Self.network()))
        await fixture.agent.clusterChanged(try update(.gathering, AgentFixture.shop))
        await fixture.agent.rulesetChanged()
        await fixture.agent.guardrailsChanged(ManifestChange(events: [.removed(Self.guardrail.key)]))
        await fixture.agent.guardrailsChanged(ManifestChange(events: [.set(Self.guardrail)]))
        #expect(fixture.kernel.calls == ["open"])
        var status = await fixture.agent.status()
        #expect(await fixture.agent.health().behind.count == 1)
        #expect(status.cluster?.complete == false && status.cluster?.keepsPrevious == true && !status.healthy)
        #expect(status.cluster?.server == "https://127.0.0.1:1" && status.cluster?.watches.count == 8)
        let refused = await #expect(throws: ErrorAnswer.self) { _ = try await fixture.agent.resync() }
        #expect(refused?.error.code == .waitingForCluster && refused?.error.code.status == 503)

        await fixture.agent.clusterChanged(ClusterUpdate(stage: .complete, events: []))
        #expect(fixture.kernel.calls.filter { $0 == "resync" || $0 == "program" } == ["resync"])
        #expect(fixture.kernel.policy.endpoints.count == 2)
        #expect(
            try await fixture.verdicts(
                of: [("shop/web", 6379), ("shop/web", 80), ("10.1.0.254", 80), ("10.1.0.253", 80)], to: "shop/redis")
                == ["allow", "deny", "allow", "deny"], "the node's own address is known from its interface")
        status = await fixture.agent.status()
        #expect(status.cluster?.complete == true && status.cluster?.keepsPrevious == false && status.healthy)
        #expect(status.policies.count == 2)
        #expect(await fixture.agent.health().behind.isEmpty)
        let names = await fixture.agent.metrics().map(\.name)
        #expect(names.contains("bulkhead_cluster_complete") && names.contains("bulkhead_watch_silence_seconds"))
        await fixture.agent.stop()
    }

    /// If nothing is enforced, guardrails take effect at once, also for pods without a known Pod object.
    @Test func guardrailsHoldBeforeAllIsKnown() async throws {
        let fixture = try AgentFixture(cluster: Self.follower())
        try await fixture.agent.start(ManifestChange(), guardrails: ManifestChange(events: [.set(Self.guardrail)]))
        await fixture.agent.networkChanged(.success(try Self.network()))
        #expect(fixture.kernel.policy.endpoints.values.map(\.name.name) == ["veth5"])
        let calls = fixture.kernel.calls.count
        await fixture.agent.clusterChanged(try update(.gathering, AgentFixture.shop))
        #expect(fixture.kernel.calls.count == calls)
        #expect(fixture.kernel.policy.endpoints.count == 1)
        // A change of the guardrails brings nothing of the cluster along.
        await fixture.agent.guardrailsChanged(ManifestChange(events: [.removed(Self.guardrail.key)]))
        await fixture.agent.guardrailsChanged(ManifestChange(events: [.set(Self.guardrail)]))
        #expect(fixture.kernel.policy.endpoints.values.map(\.name.name) == ["veth5"])
        await fixture.agent.clusterChanged(ClusterUpdate(stage: .complete, events: []))
        #expect(Set(fixture.kernel.policy.endpoints.values.map(\.name.name)) == ["web", "redis"])
        #expect(fixture.kernel.calls.dropFirst(calls).filter { $0 == "resync" }.count == 1)
        await fixture.agent.stop()
    }

    /// Pods without a known Pod object keep the guardrails through the step that enforces the cluster's policy.
    @Test func unknownPodsAreNeverLetGo() async throws {
        let fixture = try AgentFixture(cluster: Self.follower())
        try await fixture.agent.start(ManifestChange(), guardrails: ManifestChange(events: [.set(Self.guardrail)]))
        await fixture.agent.networkChanged(.success(try Self.network()))
        let calls = fixture.kernel.calls.count
        await fixture.agent.clusterChanged(ClusterUpdate(stage: .complete, events: []))
        #expect(fixture.kernel.policy.endpoints.values.map(\.name.name) == ["veth5"])
        #expect(!fixture.kernel.calls.dropFirst(calls).contains("program"))
        await fixture.agent.stop()
    }

    @Test func changesAreFollowed() async throws {
        let fixture = try AgentFixture(cluster: Self.follower())
        try await fixture.agent.start(ManifestChange())
        await fixture.agent.clusterChanged(try update(.complete, AgentFixture.shop))
        #expect(try await fixture.verdicts(of: [("shop/web", 6379)], to: "shop/redis") == ["allow"])
        await fixture.agent.clusterChanged(try update(.following, Self.closed))
        #expect(try await fixture.verdicts(of: [("shop/web", 6379)], to: "shop/redis") == ["deny"])
        #expect(await fixture.agent.policies().policies.map(\.origin) == ["https://127.0.0.1:1"])
        let key = try AgentFixture.objects(Self.closed)[0].key
        await fixture.agent.clusterChanged(ClusterUpdate(stage: .following, events: [.removed(key)]))
        #expect(try await fixture.verdicts(of: [("shop/web", 80)], to: "shop/redis") == ["allow"])
        #expect(await fixture.agent.policies().policies.isEmpty)
    }

    @Test func aGuardrailStandsBeforeTheClusters() async throws {
        let fixture = try AgentFixture(cluster: Self.follower())
        let guardrail = try AgentFixture.objects(Self.closed)
        try await fixture.agent.start(ManifestChange(), guardrails: ManifestChange(events: guardrail.map { .set($0) }))
        await fixture.agent.clusterChanged(try update(.complete, AgentFixture.shop))
        #expect(try await fixture.verdicts(of: [("shop/web", 6379)], to: "shop/redis") == ["deny"])
        let status = await fixture.agent.status()
        #expect(status.cluster?.problems.map(\.object) == ["NetworkPolicy shop/redis"] && !status.healthy)
        #expect(await fixture.agent.reports().map(\.reason) == ["GuardrailBefore"])
        await fixture.agent.guardrailsChanged(ManifestChange(events: [.removed(guardrail[0].key)]))
        #expect(try await fixture.verdicts(of: [("shop/web", 6379)], to: "shop/redis") == ["allow"])
        #expect(await fixture.agent.status().healthy)
    }

    /// Policies of every kind that a newer API has parts for: counted, listed with what it is, and reported.
    @Test func whatIsNotUnderstoodIsTold() async throws {
        let fixture = try AgentFixture(cluster: Self.follower())
        try await fixture.agent.start(ManifestChange())
        let policies: [KubernetesObject] = [
            .networkPolicy(
                NetworkPolicy(
                    metadata: ObjectMeta(name: "new", namespace: "shop"), podSelector: LabelSelector(),
                    policyTypes: [.ingress], unknown: ["spec.ingress[0].from[0]: unknown field"])),
            .tierPolicy(
                TierPolicy(
                    metadata: ObjectMeta(name: "newer"), tier: .admin, subject: PodSelection(),
                    egress: [TierRule(action: .deny, peers: [], unknown: ["spec.egress[0].to[0]: unknown field"])])),
            Self.guardrail,
        ]
        await fixture.agent.clusterChanged(try update(.gathering, AgentFixture.shop))
        await fixture.agent.clusterChanged(ClusterUpdate(stage: .complete, events: policies.map { .set($0) }))
        #expect(await fixture.agent.status().policies.partial == 2)
        let partial = await fixture.agent.policies().policies.compactMap { $0.partial.map { $0.joined() } }
        #expect(
            Set(partial) == ["spec.ingress[0].from[0]: unknown field", "spec.egress[0].to[0]: unknown field"])
        #expect(await fixture.agent.reports().map(\.reason) == ["PartlyUnderstood", "PartlyUnderstood"])
        await fixture.agent.stop()
    }

    /// Guardrails may go while the cluster is gathered: what they stood before is in force with the rest.
    @Test func aGuardrailGoesWhileGathering() async throws {
        let fixture = try AgentFixture(cluster: Self.follower())
        let guardrail = try AgentFixture.objects(Self.closed)
        try await fixture.agent.start(ManifestChange(), guardrails: ManifestChange(events: guardrail.map { .set($0) }))
        await fixture.agent.clusterChanged(try update(.gathering, AgentFixture.shop))
        await fixture.agent.guardrailsChanged(ManifestChange(events: [.removed(guardrail[0].key)]))
        await fixture.agent.clusterChanged(ClusterUpdate(stage: .complete, events: []))
        #expect(
            try await fixture.verdicts(of: [("shop/web", 6379), ("shop/web", 80)], to: "shop/redis") == [
                "allow", "deny",
            ])
    }

    @Test func pushesGiveWayToTheCluster() async throws {
        let fixture = try AgentFixture(cluster: Self.follower())
        let kept = KeptPushes(objects: try AgentFixture.objects(AgentFixture.shop))
        try await fixture.agent.start(ManifestChange(), kept: kept)
        // Of what was pushed before, pods and namespaces are the API server's now.
        #expect(await fixture.agent.status().pushed.objects == 1)
        let pods = try AgentFixture.objects(AgentFixture.shop).filter { !$0.kind.isPolicy }
        let refused = await #expect(throws: ErrorAnswer.self) { _ = try await fixture.agent.apply(pods) }
        #expect(refused?.error.code == .ownedByCluster && refused?.error.problems.count == 3)
        await fixture.agent.clusterChanged(
            ClusterUpdate(stage: .complete, events: pods.map { .set($0) }))
        #expect(
            try await fixture.verdicts(of: [("shop/web", 6379), ("shop/web", 80)], to: "shop/redis") == [
                "allow", "deny",
            ])
        await fixture.agent.clusterChanged(try update(.following, Self.closed))
        #expect(try await fixture.verdicts(of: [("shop/web", 6379)], to: "shop/redis") == ["deny"])
        #expect(await fixture.agent.status().pushed.objects == 0)
    }

    /// Surprises for a policy's author are reported.
    @Test func reportsTell() async throws {
        let fixture = try AgentFixture(cluster: Self.follower())
        try await fixture.agent.start(ManifestChange())
        let policy = NetworkPolicy(
            metadata: ObjectMeta(name: "new", namespace: "shop", uid: "u-1"), policyTypes: [.ingress],
            unknown: ["spec.ingress[0].from[0].later: unknown field"])
        await fixture.agent.clusterChanged(ClusterUpdate(stage: .gathering, events: [.set(.networkPolicy(policy))]))
        #expect(await fixture.agent.reports().isEmpty)
        await fixture.agent.clusterChanged(try update(.complete, AgentFixture.shop))
        let reports = await fixture.agent.reports()
        #expect(reports.map(\.reason) == ["PartlyUnderstood"])
        #expect(reports.first?.uid == "u-1" && reports.first?.message.contains("later") == true)
    }

    /// Nothing of what another datapath enforces goes before all is known.
    @Test func theOtherDatapathStaysUntilAllIsKnown() async throws {
        let removals = Mutex(0)
        let fixture = try AgentFixture(
            removeOther: {
                removals.withLock { $0 += 1 }
                return ["table"]
            }, cluster: Self.follower())
        try await fixture.agent.start(ManifestChange())
        await fixture.agent.networkChanged(.success(try Self.network()))
        #expect(removals.withLock { $0 } == 0)
        await fixture.agent.clusterChanged(try update(.complete, AgentFixture.shop))
        #expect(removals.withLock { $0 } == 1)
    }
}
