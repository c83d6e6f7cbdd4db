// SPDX-License-Identifier: Apache-2.0
import Agent
import CompiledPolicy
import ControlProtocol
import KubernetesObjects
import Logging
import Manifests
import PolicyModel
import Synchronization
import Testing

/// Keeps what is logged.
private final class LogLines: Sendable {
    private let lines = Mutex<[String]>([])

    var logger: Logger { Logger(label: "test") { _ in Handler(lines: self) } }

    func text(_ prefix: String) -> [String] { lines.withLock { $0.filter { $0.hasPrefix(prefix) } } }

    private struct Handler: LogHandler {
        let lines: LogLines
        var metadata: Logger.Metadata = [:]
        var metadataProvider: Logger.MetadataProvider?
        var logLevel: Logger.Level = .info

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let fields = (event.metadata ?? [:]).sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
            lines.lines.withLock { $0.append((["\(event.message)"] + fields).joined(separator: " ")) }
        }
    }
}

/// What an operator finds in the log, the counters and the metrics after policy has changed.
/// One test at a time: each waits for answers and timers, which a busy machine delays.
@Suite(.serialized) struct PolicyHistoryTests {
    private let key = ObjectKey(kind: .networkPolicy, namespace: "shop", name: "redis")

    /// Isolates the same pod as the policy of the fixture.
    private static let second = """
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata: {name: second, namespace: shop}
        spec: {podSelector: {matchLabels: {app: redis}}}
        """

    @Test func everyChangeIsLoggedByName() async throws {
        let lines = LogLines()
        let fixture = try AgentFixture(logger: lines.logger)
        try await fixture.start()
        #expect(
            lines.text("policy ") == ["policy added kind=NetworkPolicy policy=shop/redis source=/manifests"])
        let changed = AgentFixture.policy.replacing("6379", with: "6380")
        await fixture.agent.manifestsChanged(try AgentFixture.change(changed))
        await fixture.agent.manifestsChanged(ManifestChange(events: [.removed(key)]))
        #expect(
            lines.text("policy ").dropFirst() == [
                "policy changed kind=NetworkPolicy policy=shop/redis source=/manifests",
                "policy removed kind=NetworkPolicy policy=shop/redis source=/manifests",
            ])
        #expect(lines.text("all policies are gone").count == 1)
        _ = try await fixture.agent.apply(try AgentFixture.objects(Self.second))
        #expect(lines.text("policy ").last == "policy added kind=NetworkPolicy policy=shop/second source=socket")
        await fixture.agent.stop()
    }

    @Test func aRefusedPushIsNotLoggedAsAChange() async throws {
        let lines = LogLines()
        let fixture = try AgentFixture(logger: lines.logger)
        try await fixture.start()
        await #expect(throws: ErrorAnswer.self) {
            try await fixture.agent.apply(try AgentFixture.objects(AgentFixture.policy))
        }
        #expect(lines.text("policy ").count == 1)
        await fixture.agent.stop()
    }

    @Test func aBurstIsSummed() async throws {
        let lines = LogLines()
        let fixture = try AgentFixture(logger: lines.logger)
        try await fixture.start("apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}")
        let many = (1...60).map { Self.second.replacing("second", with: "p\($0)") }.joined(separator: "\n---\n")
        await fixture.agent.manifestsChanged(try AgentFixture.change(many))
        #expect(lines.text("policy added").count == 20)
        #expect(try await eventually { !lines.text("more policies changed").isEmpty })
        #expect(lines.text("more policies changed") == ["more policies changed in the same second added=40"])
        await fixture.agent.stop()
    }

    @Test func countersSurviveAnEditThatIsTakenBack() async throws {
        try await MetricsFixture.serve { fixture in
            let agent = fixture.agent
            let first: RuleID = try #require(Self.isolation(fixture.kernel, by: ["redis"]))
            fixture.kernel.count(2, for: first)
            // A second policy that selects the pod makes another rule of its isolation.
            _ = try await agent.apply(try AgentFixture.objects(Self.second))
            _ = await agent.settle()
            fixture.kernel.count(0, for: nil)
            var rows = try await agent.counters().rules
            #expect(rows.first { $0.gone == true }?.packets == 2)
            #expect(rows.contains { $0.gone == nil && $0.packets == 0 && $0.rule.by?.count == 2 })
            _ = try await agent.delete([ObjectKey(kind: .networkPolicy, namespace: "shop", name: "second")])
            _ = await agent.settle()
            let again: RuleID = try #require(Self.isolation(fixture.kernel, by: ["redis"]))
            fixture.kernel.count(3, for: again)
            rows = try await agent.counters().rules
            #expect(rows.first { $0.gone == nil && $0.rule.by?.map(\.name) == ["redis"] }?.packets == 5)
            // The metrics do not depend on the time of the first request.
            let metrics: [String: Double] = try await fixture.metrics()
            #expect(
                metrics[
                    #"bulkhead_denied_packets_total{direction="ingress",tier="NetworkPolicy",namespace="shop"}"#] == 5)
        }
    }

    private static func isolation(_ kernel: FakeKernel, by names: [String]) -> RuleID? {
        kernel.policy.rules.first { _, rule in
            guard case .isolation(.ingress, let by) = rule.identity else { return false }
            return by.map(\.name) == names
        }?.key
    }

    @Test func datapathReportsDropsOnlyWhileSomebodyFollows() async throws {
        let fixture = try AgentFixture()
        try await fixture.start()
        #expect(!fixture.kernel.calls.contains { $0.hasPrefix("listening") })
        let first = await fixture.agent.follow([.drop])
        let second = await fixture.agent.follow([.drop])
        await fixture.agent.unfollow(first)
        #expect(fixture.kernel.calls.filter { $0.hasPrefix("listening") } == ["listening true"])
        await fixture.agent.unfollow(second)
        await fixture.agent.unfollow(second)
        #expect(
            fixture.kernel.calls.filter { $0.hasPrefix("listening") } == ["listening true", "listening false"])
        await fixture.agent.stop()
    }
}
