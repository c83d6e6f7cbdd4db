// SPDX-License-Identifier: Apache-2.0
import Agent
import ControlProtocol
import KubernetesObjects
import NetworkTypes
import NodeNetwork
import PolicyModel
import Testing

/// Pods that the network shows before any object names them.
/// One test at a time: each waits for answers and timers, which a busy machine delays.
@Suite(.serialized) struct UnknownPodTests {
    private static let guardrail = KubernetesObject.tierPolicy(
        TierPolicy(
            metadata: ObjectMeta(name: "metadata"), tier: .admin, subject: PodSelection(),
            egress: [
                TierRule(
                    name: "no-metadata", action: .deny,
                    peers: [.networks([CIDR(host: IPAddress(v4: 0xa9fe_a9fe))])])
            ]))

    /// Two pairs whose other ends are elsewhere, with a route to one address each.
    private static func network() throws -> NetworkState {
        var network = NetworkState()
        for (index, address) in [(UInt32(5), "10.1.0.1"), (6, "10.1.0.2")] {
            _ = network.observe(
                .link(Link(index: index, name: "veth\(index)", kind: "veth", peerNamespace: Int32(index))))
            let route = Route(destination: CIDR(host: try IPAddress(address)), links: [index])
            _ = network.observe(.route(route, replaces: false))
        }
        return network
    }

    private func names(_ fixture: AgentFixture) async -> [String] {
        await fixture.agent.endpoints().endpoints.map { "\($0.namespace)/\($0.name)" }
    }

    private static let standIns = ["(unknown)/veth5", "(unknown)/veth6"]

    @Test func theyStandInUntilAnObjectTellsOfThem() async throws {
        let fixture = try AgentFixture()
        try await fixture.agent.start(ManifestChange(), guardrails: ManifestChange(events: [.set(Self.guardrail)]))
        #expect(await names(fixture).isEmpty)
        await fixture.agent.networkChanged(.success(try Self.network()))
        #expect(await names(fixture) == Self.standIns)
        #expect(await fixture.agent.endpoints().endpoints.allSatisfy { $0.unknown == true && $0.interface == nil })
        #expect(await fixture.agent.status().policies.unknownEndpoints == 2)
        #expect(!fixture.kernel.calls.contains { $0.hasPrefix("setPlace") && $0.contains("veth") })

        // The pods take over: web's address is never without an endpoint.
        await fixture.agent.manifestsChanged(try AgentFixture.change(AgentFixture.shop))
        #expect(await names(fixture) == ["shop/redis", "shop/web"])
        let endpoints = await fixture.agent.endpoints().endpoints
        #expect(endpoints.allSatisfy { $0.unknown == nil && $0.interface != nil })
        #expect(await fixture.agent.status().policies.unknownEndpoints == 0)

        // And give back what is still there when its object goes.
        await fixture.agent.manifestsChanged(
            ManifestChange(events: [.removed(ObjectKey(kind: .pod, namespace: "shop", name: "web"))]))
        #expect(await names(fixture) == ["(unknown)/veth5", "shop/redis"])
        await fixture.agent.guardrailsChanged(ManifestChange(events: [.removed(Self.guardrail.key)]))
        #expect(await names(fixture) == ["shop/redis"])
        await fixture.agent.stop()
    }

    @Test func withoutAPolicyForAllThereAreNone() async throws {
        let fixture = try AgentFixture()
        guard case .tierPolicy(var some) = Self.guardrail else { return }
        some.subject.namespaces.matchExpressions = [
            LabelRequirement(key: Namespace.nameLabel, operator: .notIn, values: ["kube-system"])
        ]
        try await fixture.agent.start(ManifestChange(events: [.set(.tierPolicy(some))]))
        await fixture.agent.networkChanged(.success(try Self.network()))
        #expect(await names(fixture).isEmpty)
        _ = try await fixture.agent.apply([
            .tierPolicy(TierPolicy(metadata: ObjectMeta(name: "all"), tier: .baseline, subject: PodSelection()))
        ])
        #expect(await names(fixture) == Self.standIns)
        await fixture.agent.stop()
    }

    /// NetworkPolicy neither isolates them nor takes them for peers, however wide its selectors are.
    @Test func theyAreNobodysPeers() async throws {
        let fixture = try AgentFixture()
        let wide = """
            ---
            apiVersion: networking.k8s.io/v1
            kind: NetworkPolicy
            metadata: {name: wide, namespace: shop}
            spec:
              podSelector: {}
              policyTypes: [Ingress, Egress]
              ingress: [{from: [{namespaceSelector: {}}]}]
              egress: [{to: [{namespaceSelector: {matchExpressions: [{key: x, operator: DoesNotExist}]}}]}]
            """
        let shop = AgentFixture.shop.split(separator: "---")[0] + "---" + AgentFixture.shop.split(separator: "---")[2]
        try await fixture.agent.start(
            try AgentFixture.change(shop + wide), guardrails: ManifestChange(events: [.set(Self.guardrail)]))
        await fixture.agent.networkChanged(.success(try Self.network()))
        #expect(await names(fixture) == ["(unknown)/veth5", "shop/redis"])
        let flows = [("10.1.0.1", "10.1.0.2"), ("10.1.0.2", "10.1.0.1"), ("10.1.0.9", "10.1.0.1")]
        var verdicts: [String] = []
        for (from, to) in flows {
            let answer = try await fixture.agent.verdict(AgentFixture.question(from, to, 80))
            let sides = [answer.egress, answer.ingress].map { $0?.kind == "noPod" ? "-" : $0?.verdict ?? "?" }
            verdicts.append(sides.joined(separator: " "))
        }
        #expect(verdicts == ["allow deny", "deny allow", "- allow"])
        await fixture.agent.stop()
    }

    /// Resolved policy may be pushed for an address without a known Pod object.
    @Test func resolvedPolicyTakesOver() async throws {
        let fixture = try AgentFixture()
        try await fixture.agent.start(ManifestChange(events: [.set(Self.guardrail)]))
        await fixture.agent.networkChanged(.success(try Self.network()))
        let body = ResolvedBody(endpoints: [ResolvedEndpointBody(name: "vm", addresses: ["10.1.0.1"])])
        _ = try await fixture.agent.setResolved(body)
        #expect(await names(fixture) == ["/vm", "(unknown)/veth6"])
        _ = try await fixture.agent.setResolved(nil)
        #expect(await names(fixture) == Self.standIns)
        await fixture.agent.stop()
    }
}
