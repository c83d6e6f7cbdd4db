// SPDX-License-Identifier: Apache-2.0
import Agent
import CompiledPolicy
import Datapath
import PolicyModel
import Testing

/// The series of denied packets by policy, while policies come and go.
@Suite(.serialized) struct DeniedPolicyChurnTests {
    private static let prefix = "bulkhead_denied_packets_by_policy_total"

    private static func series(_ namespace: String, _ policy: String) -> String {
        prefix + #"{direction="ingress",kind="NetworkPolicy",namespace="\#(namespace)",policy="\#(policy)"}"#
    }

    private static let redis = series("shop", "redis")
    private static let others = prefix + #"{direction="ingress",kind="",namespace="",policy="other"}"#

    private func change(remove: [String] = [], add: [String] = []) throws -> ManifestChange {
        var change = ManifestChange()
        for text in remove { change.events += try AgentFixture.objects(text).map { .removed($0.key) } }
        for text in add { change.events += try AgentFixture.objects(text).map { .set($0) } }
        return change
    }

    /// The rule that denies because this policy isolates; the newest, if a former one is still in the tables.
    private func rule(_ policy: String, in namespace: String = "shop", _ kernel: FakeKernel) throws -> RuleID {
        let reference = PolicyReference(kind: "NetworkPolicy", namespace: namespace, name: policy)
        let rules = kernel.policy.rules.filter { $0.value.identity == .isolation(.ingress, by: [reference]) }
        return try #require(rules.keys.max())
    }

    private func count(_ packets: [RuleID: UInt64], _ kernel: FakeKernel) {
        kernel.state.withLock { $0.counters = packets.mapValues { RuleCounter(packets: $0) } }
    }

    private func shown(_ fixture: MetricsFixture) async throws -> [String: Double] {
        try await fixture.metrics().filter { $0.key.hasPrefix(Self.prefix) }
    }

    /// At once, although the compiler keeps the rules of a removed policy for another step.
    @Test func aSeriesEndsWithItsPolicy() async throws {
        try await MetricsFixture.serve { fixture in
            let old = try rule("redis", fixture.kernel)
            count([old: 5], fixture.kernel)
            #expect(try await shown(fixture) == [Self.redis: 5])
            try await fixture.removePolicy()
            #expect(try await shown(fixture).isEmpty)
            // It is another policy, as far as metrics go, once a scrape has found it missing.
            await fixture.agent.manifestsChanged(try change(add: [AgentFixture.policy]))
            count([try rule("redis", fixture.kernel): 9], fixture.kernel)
            #expect(try await shown(fixture) == [Self.redis: 9])
        }
    }

    /// The rule has another number then, whose counter may be above the old one by the next scrape.
    @Test func aPolicyThatIsAddedAgainBetweenTwoScrapesGoesOn() async throws {
        try await MetricsFixture.serve { fixture in
            let old = try rule("redis", fixture.kernel)
            count([old: 5], fixture.kernel)
            #expect(try await shown(fixture) == [Self.redis: 5])
            count([old: 6], fixture.kernel)
            try await fixture.removePolicy()
            // Removes the rule from the tables, and takes its counter.
            await fixture.agent.manifestsChanged(try change(add: [AgentFixture.policy]))
            let new = try rule("redis", fixture.kernel)
            #expect(new != old)
            count([new: 9], fixture.kernel)
            #expect(try await shown(fixture) == [Self.redis: 15])
            #expect(try await shown(fixture) == [Self.redis: 15])
        }
    }

    @Test func aRenamedPolicyIsAnother() async throws {
        try await MetricsFixture.serve { fixture in
            let old = try rule("redis", fixture.kernel)
            count([old: 5], fixture.kernel)
            #expect(try await shown(fixture) == [Self.redis: 5])
            let renamed = AgentFixture.policy.replacing("name: redis", with: "name: cache")
            await fixture.agent.manifestsChanged(try change(remove: [AgentFixture.policy], add: [renamed]))
            count([old: 5, try rule("cache", fixture.kernel): 1], fixture.kernel)
            #expect(try await shown(fixture) == [Self.series("shop", "cache"): 1])
        }
    }

    /// What isolates with another policy denies under a new rule; the policy and its series are the same.
    @Test func anotherPolicyForThePodEndsNothing() async throws {
        try await MetricsFixture.serve { fixture in
            let old = try rule("redis", fixture.kernel)
            count([old: 5], fixture.kernel)
            #expect(try await shown(fixture) == [Self.redis: 5])
            let second = AgentFixture.policy.replacing("name: redis", with: "name: second")
            // Packets that the old program judges at the last moment.
            count([old: 7], fixture.kernel)
            await fixture.agent.manifestsChanged(try change(add: [second]))
            #expect(try await shown(fixture) == [Self.redis: 7])
            await fixture.agent.manifestsChanged(try change(remove: [second]))
            count([old: 7, try rule("redis", fixture.kernel): 8], fixture.kernel)
            #expect(try await shown(fixture) == [Self.redis: 15])
        }
    }

    /// While the kernel cannot be written, it enforces the policy that is removed.
    @Test func aSeriesStaysWhileTheKernelHoldsItsPolicy() async throws {
        try await MetricsFixture.serve { fixture in
            count([try rule("redis", fixture.kernel): 5], fixture.kernel)
            #expect(try await shown(fixture) == [Self.redis: 5])
            fixture.kernel.failNext(.max)
            try await fixture.removePolicy()
            #expect(try await shown(fixture) == [Self.redis: 5])
            fixture.kernel.failNext(0)
            #expect(try await eventually { try await shown(fixture).isEmpty })
        }
    }

    private static func tenant(_ number: Int) -> (pod: String, policy: String) {
        (
            """
            apiVersion: v1
            kind: Pod
            metadata: {name: p, namespace: n\(number)}
            spec: {nodeName: node, containers: [{name: c, image: i}]}
            status: {phase: Running, podIPs: [{ip: 10.2.\(number / 250).\(number % 250)}]}
            """,
            """
            apiVersion: networking.k8s.io/v1
            kind: NetworkPolicy
            metadata: {name: deny, namespace: n\(number)}
            spec: {podSelector: {}, policyTypes: [Ingress]}
            """
        )
    }

    /// The limit holds for policies in force: those that ended make room at once, and what was absorbed stays counted.
    @Test func policiesThatEndMakeRoomForOthers() async throws {
        let tenants = (100..<300).map { Self.tenant($0) }
        let start = (tenants.map(\.pod) + tenants.prefix(150).map(\.policy)).joined(separator: "\n---\n")
        try await MetricsFixture.serve(start) { fixture in
            var packets: [Int: UInt64] = [:]
            func deny(_ numbers: Range<Int>) async throws -> [String: Double] {
                packets = packets.filter { numbers.contains($0.key) }
                for number in numbers { packets[number, default: 0] += 2 }
                var counters: [RuleID: UInt64] = [:]
                for (number, packets) in packets {
                    counters[try rule("deny", in: "n\(number)", fixture.kernel)] = packets
                }
                count(counters, fixture.kernel)
                return try await shown(fixture)
            }
            let full = try await deny(100..<250)
            #expect(full.count == 101 && full[Self.others] == 100)
            #expect(full[Self.series("n199", "deny")] == 2 && full[Self.series("n200", "deny")] == nil)
            // In one step, 60 with series of their own end and 50 new ones begin: 140, of which 40 keep their series.
            await fixture.agent.manifestsChanged(
                try change(remove: tenants[..<60].map(\.policy), add: tenants[150...].map(\.policy)))
            let churned = try await deny(160..<300)
            #expect(churned.count == 101 && churned[Self.series("n159", "deny")] == nil)
            #expect(churned[Self.series("n160", "deny")] == 4 && churned[Self.series("n259", "deny")] == 2)
            #expect(churned[Self.series("n260", "deny")] == nil && churned[Self.others] == 180)
            // With few left, each has a series of its own; the sum of others stays.
            await fixture.agent.manifestsChanged(try change(remove: tenants[60..<160].map(\.policy)))
            let few = try await deny(260..<300)
            #expect(few.count == 41 && few[Self.others] == 180)
            #expect(few.filter { $0.key != Self.others }.values.allSatisfy { $0 == 2 })
        }
    }
}
