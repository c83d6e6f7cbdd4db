// SPDX-License-Identifier: Apache-2.0
import Agent
import CompiledPolicy
import ControlProtocol
import Datapath
import Foundation
import KubernetesObjects
import Manifests
import NetworkTypes
import PolicyModel
import Testing
import WorldKit

/// What the agent adds to a description: counters and their age, changes, this node.
@Suite struct DescribeTests {
    private static let redis = "NetworkPolicy/shop/redis"

    private func describe(_ fixture: AgentFixture, _ text: String = redis) async throws -> PolicyDescription {
        let question = try #require(PolicyQuestion(text))
        let answer = try await fixture.agent.describe(policy: question)
        return try #require(answer.policies.first)
    }

    private static func rule(_ policy: CompiledPolicy, _ isWanted: (RuleIdentity) -> Bool) -> RuleID? {
        policy.rules.first { isWanted($0.value.identity) }?.key
    }

    private static func isWritten(_ rule: RuleIdentity) -> Bool { if case .rule = rule { true } else { false } }
    private static func isIsolation(_ rule: RuleIdentity) -> Bool { if case .isolation = rule { true } else { false } }

    @Test func countersOfRulesAndIsolation() async throws {
        let fixture = try AgentFixture()
        try await fixture.start()
        let (rule, isolation) = try (
            #require(Self.rule(fixture.kernel.policy, Self.isWritten)),
            #require(Self.rule(fixture.kernel.policy, Self.isIsolation))
        )
        fixture.kernel.state.withLock {
            $0.counters = [rule: RuleCounter(packets: 12, bytes: 1200), isolation: RuleCounter(packets: 3, bytes: 300)]
        }
        let policy = try await describe(fixture)
        #expect(policy.ingress[0].hits?.packets == 12 && policy.ingress[0].hits?.bytes == 1200)
        #expect(policy.ingress[0].hits?.earlier == nil)
        #expect(policy.denied?["ingress"]?.packets == 3 && policy.denied?["egress"] == nil)
        #expect(policy.endpoints == PodsAnswer(count: 1, names: ["shop/redis"]))
        #expect(policy.origin == "/manifests" && policy.changedAt == nil && policy.createdAt == nil)
        let pod = try await fixture.agent.describe(pod: EndpointName(namespace: "shop", name: "redis"))
        #expect(pod.endpoint?.id != nil && pod.node == "node" && pod.notes.isEmpty)
        #expect(pod.ingress.layers[0].policies[0].ingress[0].hits?.packets == 12)
        #expect(pod.ingress.layers[0].denied?.packets == 3)
        #expect(pod.ingress.always == ["from its own node: always allowed (probes)"])
        #expect(pod.egress.layers.isEmpty && pod.egress.always.count == 2)
    }

    /// What a restart takes over is older than the daemon, and says so; what is added later is not.
    @Test func agesOverARestart() async throws {
        let directory = try TemporaryDirectory()
        let first = try AgentFixture(in: directory)
        try await first.start()
        let before = first.kernel.policy
        let rule = try #require(Self.rule(before, Self.isWritten))
        await first.agent.stop()

        let second = try AgentFixture(in: directory)
        second.kernel.state.withLock { state in
            for (id, rule) in before.rules { state.numbering.rules[rule.key] = id }
            state.counters = [rule: RuleCounter(packets: 5, bytes: 500)]
        }
        let start = RFC3339.now()
        try await second.start()
        let adopted = try await describe(second)
        #expect(adopted.ingress[0].hits?.packets == 5 && adopted.ingress[0].hits?.earlier == true)
        let unused = try await second.agent.unused(namespace: nil)
        #expect(unused.policies.isEmpty && unused.rules.isEmpty && unused.started <= RFC3339.now())

        let web = try AgentFixture.objects(
            AgentFixture.policy.replacingOccurrences(of: "redis", with: "web").replacingOccurrences(
                of: "6379", with: "80"))
        _ = try await second.agent.apply(web)
        let added = try await describe(second, "shop/web")
        let hits = try #require(added.ingress[0].hits)
        #expect(hits.earlier == nil && hits.packets == 0 && hits.since >= start && added.changedAt != nil)
        let idle = try await second.agent.unused(namespace: nil)
        #expect(idle.policies.map(\.policy.name) == ["web"] && idle.policies[0].earlier == nil)
    }

    /// An edit that removes a rule and adds it again keeps sum and age.
    @Test func ageSurvivesAnEdit() async throws {
        let fixture = try AgentFixture()
        try await fixture.start()
        let old = try await describe(fixture).ingress[0].hits
        let change = ManifestChange(events: [
            .removed(ObjectKey(kind: .networkPolicy, namespace: "shop", name: "redis"))
        ])
        await fixture.agent.manifestsChanged(change)
        await fixture.agent.manifestsChanged(try AgentFixture.change(AgentFixture.policy))
        let policy = try await describe(fixture)
        #expect(policy.ingress[0].hits?.since == old?.since && policy.changedAt != nil)
    }

    @Test func onlyADifferenceIsAChange() async throws {
        let fixture = try AgentFixture()
        try await fixture.start()
        await fixture.agent.manifestsChanged(try AgentFixture.change(AgentFixture.policy))
        let same = try await describe(fixture)
        #expect(same.changedAt == nil)
        let other = AgentFixture.policy.replacingOccurrences(of: "6379", with: "6380").replacingOccurrences(
            of: "metadata: {", with: "metadata: {creationTimestamp: 2026-01-02T03:04:05Z, ")
        await fixture.agent.manifestsChanged(try AgentFixture.change(other))
        let changed = try await describe(fixture)
        #expect(changed.changedAt != nil && changed.createdAt == "2026-01-02T03:04:05.000Z")
        let listed = await fixture.agent.policies().policies.first
        #expect(listed?.changedAt == changed.changedAt && listed?.createdAt == changed.createdAt)
        let pod = try await fixture.agent.describe(pod: EndpointName(namespace: "shop", name: "redis"))
        #expect(pod.changedAt == changed.changedAt)
    }

    @Test func podsOfOtherNodesAreDescribedWithoutCounters() async throws {
        let fixture = try AgentFixture()
        let here = "labels: {app: redis}}\nspec: {nodeName: node,"
        let far = here.replacingOccurrences(of: "nodeName: node", with: "nodeName: far")
        try await fixture.start(AgentFixture.shop.replacingOccurrences(of: here, with: far))
        let pod = try await fixture.agent.describe(pod: EndpointName(namespace: "shop", name: "redis"))
        #expect(pod.node == nil && pod.endpoint == nil && pod.notes.count == 1)
        #expect(pod.ingress.layers[0].policies[0].ingress[0].peers?[0].pods?.names == ["shop/web"])
        #expect(pod.ingress.layers[0].policies[0].ingress[0].hits == nil && pod.ingress.layers[0].denied == nil)
    }

    @Test func wrongNamesGetSuggestions() async throws {
        let fixture = try AgentFixture()
        try await fixture.start()
        let pod = await #expect(throws: ErrorAnswer.self) {
            try await fixture.agent.describe(pod: EndpointName(namespace: "shop", name: "rediss"))
        }
        #expect(pod?.error.code == .notFound && pod?.error.message.hasSuffix("did you mean shop/redis?") == true)
        for (text, meant) in [("redsi", true), ("web/redis", true), ("unlike", false)] {
            let question = try #require(PolicyQuestion(text))
            let policy = await #expect(throws: ErrorAnswer.self) {
                try await fixture.agent.describe(policy: question)
            }
            let message = "no policy \(text)" + (meant ? "; did you mean NetworkPolicy shop/redis?" : "")
            #expect(policy?.error.message == message)
        }
    }
}

/// What `unused` lists is what random traffic has not met.
@Suite struct UnusedTests {
    private let settings = WorldSettings(environment: ProcessInfo.processInfo.environment)

    @Test func theSameAsCountingEachPacket() async throws {
        var seen = (policies: 0, rules: 0)
        for seed in settings.seeds.prefix(25) {
            var generator = WorldGenerator(seed: seed)
            let fixture = try AgentFixture()
            try await fixture.agent.start(ManifestChange(events: Self.moved(generator.world).events))
            let policy = fixture.kernel.policy
            var counted: [RuleID: UInt64] = [:]
            for flow in generator.flows(120) {
                let decision = policy.evaluate(flow)
                for rule in [decision.egress?.rule, decision.ingress?.rule].compactMap({ $0 }) {
                    counted[rule, default: 0] += 1
                }
            }
            let counters = counted.mapValues { RuleCounter(packets: $0, bytes: $0 * 60) }
            fixture.kernel.state.withLock { $0.counters = counters }
            let answer = try await fixture.agent.unused(namespace: nil)

            let used = Set(counted.keys.compactMap { policy.rules[$0]?.identity })
            let all = Set(policy.rules.values.map(\.identity))
            let usedPolicies = Set(used.flatMap(\.policies))
            let idle = Set(all.flatMap(\.policies)).subtracting(usedPolicies)
            #expect(Set(answer.policies.map(\.policy)) == Set(idle.map(PolicyName.init)), "seed \(seed)")
            let rules = all.subtracting(used).filter { rule in
                guard case .rule(let policy, _, _, _) = rule else { return false }
                return usedPolicies.contains(policy)
            }
            #expect(Set(answer.rules.map(\.rule)) == Set(rules.map(RuleAnswer.init)), "seed \(seed)")
            seen.policies += answer.policies.count
            seen.rules += answer.rules.count
            await fixture.agent.stop()
        }
        #expect(seen.policies > 10 && seen.rules > 20, "\(seen)")
    }

    /// The world with its deciding node under the name of the agent's.
    private static func moved(_ world: World) -> World {
        var world = world
        for index in world.pods.indices where world.pods[index].nodeName == world.nodeName {
            world.pods[index].nodeName = "node"
        }
        for index in world.nodes.indices where world.nodes[index].metadata.name == world.nodeName {
            world.nodes[index].metadata.name = "node"
        }
        return world
    }

    @Test func aFailingDatapathIsAnError() async throws {
        let fixture = try AgentFixture()
        try await fixture.start()
        fixture.kernel.failNext(1)
        let failure = await #expect(throws: ErrorAnswer.self) { try await fixture.agent.unused(namespace: nil) }
        #expect(failure?.error.code == .datapathFailed)
    }
}
