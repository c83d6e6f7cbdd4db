// SPDX-License-Identifier: Apache-2.0
import Agent
import CompiledPolicy
import ControlProtocol
import Datapath
import KubernetesObjects
import PolicyModel
import Testing

/// What a rule has counted is that rule's alone, not that of the one that an edit has replaced.
@Suite struct EditedRuleTests {
    /// Three rules: 80, 81 and 82, each with its counter set to ten times its port.
    private static func policy(_ ports: [Int], pods: String = "{}", note: String = "a", name: String = "p") -> String {
        """
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata: {name: \(name), namespace: shop, labels: {note: \(note)}}
        spec:
          podSelector: \(pods)
          ingress: [\(ports.map { "{ports: [{port: \($0)}]}" }.joined(separator: ", "))]
        """
    }

    private func fixture() async throws -> AgentFixture {
        let fixture = try AgentFixture()
        try await fixture.start()
        try await put(fixture, Self.policy([80, 81, 82]))
        try count(fixture)
        return fixture
    }

    private func put(_ fixture: AgentFixture, _ text: String) async throws {
        _ = try await fixture.agent.apply(try AgentFixture.objects(text))
    }

    private func count(_ fixture: AgentFixture) throws {
        let rules = fixture.kernel.policy.rules.filter { $0.value.identity.policies.first?.name == "p" }
        #expect(rules.count >= 3)
        fixture.kernel.state.withLock { state in
            for (id, rule) in rules {
                guard case .rule(_, _, let index, _) = rule.identity else { continue }
                state.counters[id, default: RuleCounter()].packets += UInt64(10 * (index + 1))
            }
        }
    }

    private func hits(_ fixture: AgentFixture) async throws -> [HitsAnswer] {
        let question = try #require(PolicyQuestion("shop/p"))
        let policy = try #require(await fixture.agent.describe(policy: question).policies.first)
        return try policy.ingress.map { try #require($0.hits) }
    }

    @Test func onlyTheEditedRuleStartsAnew() async throws {
        let fixture = try await fixture()
        let before = try await hits(fixture)
        #expect(before.map(\.packets) == [10, 20, 30])
        // Times have milliseconds.
        try await Task.sleep(for: .milliseconds(5))
        try await put(fixture, Self.policy([80, 8081, 82]))
        let after = try await hits(fixture)
        #expect(after.map(\.packets) == [10, 0, 30])
        #expect(after[0].since == before[0].since && after[1].since > before[1].since)
        try count(fixture)
        #expect(try await hits(fixture).map(\.packets) == [20, 20, 60])
        let counters = try await fixture.agent.counters().rules.filter { $0.rule.policy?.name == "p" }
        #expect(Set(counters.map(\.packets)) == [20, 60])
        let idle = try await fixture.agent.unused(namespace: nil).rules.map { "\($0.rule)" }
        #expect(!idle.contains { $0.hasPrefix("shop/p ") })
    }

    @Test func whatIsNoEditChangesNothing() async throws {
        let fixture = try await fixture()
        try await put(fixture, Self.policy([80, 81, 82], note: "b"))
        try await put(fixture, Self.policy([80, 81, 82, 83], note: "b"))
        #expect(try await hits(fixture).map(\.packets) == [10, 20, 30, 0])
        #expect(fixture.kernel.calls.count { $0.hasPrefix("restart") } == 1)
    }

    @Test func aRuleThatMoves() async throws {
        let fixture = try await fixture()
        try await put(fixture, Self.policy([81, 82]))
        #expect(try await hits(fixture).map(\.packets) == [0, 0])
        // What stood there once is not remembered either.
        try await put(fixture, Self.policy([81, 82, 9]))
        #expect(try await hits(fixture).map(\.packets) == [0, 0, 0])
    }

    @Test func otherPods() async throws {
        let fixture = try await fixture()
        try await put(fixture, Self.policy([80, 81, 82], pods: "{matchLabels: {app: redis}}"))
        #expect(try await hits(fixture).map(\.packets) == [0, 0, 0])
    }

    /// A policy that is deleted and comes back as it was goes on; as another one, it counts from zero.
    @Test func aPolicyThatComesBack() async throws {
        let fixture = try await fixture()
        let key = ObjectKey(kind: .networkPolicy, namespace: "shop", name: "p")
        _ = try await hits(fixture)
        _ = try await fixture.agent.delete([key])
        try await put(fixture, Self.policy([80, 81, 82]))
        #expect(try await hits(fixture).map(\.packets) == [10, 20, 30])
        _ = try await fixture.agent.delete([key])
        try await put(fixture, Self.policy([80, 81, 9082]))
        #expect(try await hits(fixture).map(\.packets) == [10, 20, 0])
    }

    @Test func resolvedPolicy() async throws {
        let fixture = try AgentFixture()
        try await fixture.start()
        func put(_ ports: [Int]) async throws {
            let rules = ports.map {
                ResolvedRuleBody(action: "allow", ports: [PortBody(protocol: "TCP", port: $0)])
            }
            let endpoint = ResolvedEndpointBody(
                namespace: "own", name: "p", addresses: ["10.9.0.1"],
                ingress: ResolvedDirectionBody(rules: rules, default: "deny"))
            _ = try await fixture.agent.setResolved(ResolvedBody(endpoints: [endpoint]))
        }
        func packets() async throws -> [Int: UInt64] {
            let rules = try await fixture.agent.counters().rules.filter {
                $0.rule.policy?.name == "p" && $0.gone != true
            }
            return Dictionary(uniqueKeysWithValues: rules.map { ($0.rule.index ?? -1, $0.packets) })
        }
        try await put([80, 81, 82])
        try count(fixture)
        #expect(try await packets() == [0: 10, 1: 20, 2: 30])
        try await put([80, 8081, 82])
        let after = try await packets()
        #expect(after[0] == 10 && (after[1] ?? 0) == 0 && after[2] == 30, "\(after)")
    }

    /// The kernel still enforces and counts the old rule while it cannot be written.
    @Test func aFailingKernelIsWaitedFor() async throws {
        let fixture = try await fixture()
        _ = try await hits(fixture)
        fixture.kernel.failNext(1)
        _ = try? await fixture.agent.apply(try AgentFixture.objects(Self.policy([8080, 81, 82])))
        #expect(!fixture.kernel.calls.contains { $0.hasPrefix("restart") })
        #expect(try await eventually { fixture.kernel.calls.contains { $0.hasPrefix("restart") } })
        #expect(try await hits(fixture).map(\.packets) == [0, 20, 30])
    }

    /// Sums for metrics never decrease, and count each packet once.
    @Test func metricsGoOn() async throws {
        func deny(_ port: Int) -> String {
            """
            apiVersion: policy.networking.k8s.io/v1alpha2
            kind: ClusterNetworkPolicy
            metadata: {name: p}
            spec:
              tier: Admin
              priority: 1
              subject: {namespaces: {}}
              ingress:
              - {action: Deny, from: [{namespaces: {}}], protocols: [{tcp: {destinationPort: {number: \(port)}}}]}
            """
        }
        try await MetricsFixture.serve { fixture in
            try await put(fixture.base, deny(80))
            let rule = try #require(
                fixture.kernel.policy.rules.first { $0.value.identity.policies.first?.name == "p" }?.key)
            fixture.kernel.state.withLock { $0.counters[rule] = RuleCounter(packets: 7, bytes: 700) }
            try await put(fixture.base, deny(81))
            #expect(fixture.kernel.state.withLock { $0.counters[rule] } == nil)
            fixture.kernel.state.withLock { $0.counters[rule] = RuleCounter(packets: 9, bytes: 900) }
            let series = try await fixture.metrics().filter {
                $0.key.hasPrefix("bulkhead_denied_packets_total{") && $0.key.contains(#"tier="Admin""#)
            }
            #expect(series.values.map { $0 } == [16], "\(series)")
        }
    }
}
