// SPDX-License-Identifier: Apache-2.0
import Agent
import CompiledPolicy
import ControlProtocol
import Datapath
import NetworkTypes
import PolicyModel
import RequestPolicy
import Testing

/// The metrics that name pods and policies have a bounded number of series.
@Suite(.serialized) struct DeniedMetricsTests {
    private static let pod = EndpointName(namespace: "shop", name: "redis")

    private static func series(_ direction: Direction, _ namespace: String, _ policy: String) -> String {
        #"bulkhead_denied_packets_by_policy_total{direction="\#(direction.rawValue)",kind="NetworkPolicy","#
            + #"namespace="\#(namespace)",policy="\#(policy)"}"#
    }

    private func isolation(_ kernel: FakeKernel) throws -> RuleID {
        try #require(kernel.policy.rules.first { if case .isolation = $0.value.identity { true } else { false } }).key
    }

    @Test func aPolicyHasASeriesOnceItHasDenied() async throws {
        try await MetricsFixture.serve { fixture in
            let series = Self.series(.ingress, "shop", "redis")
            let quiet: [String: Double] = try await fixture.metrics()
            #expect(quiet[series] == nil)
            let rule = try isolation(fixture.kernel)
            fixture.kernel.state.withLock { $0.counters = [rule: RuleCounter(packets: 5)] }
            let some: [String: Double] = try await fixture.metrics()
            #expect(some[series] == 5)
            // The kernel's counter started again.
            fixture.kernel.state.withLock { $0.counters = [rule: RuleCounter(packets: 2)] }
            let more: [String: Double] = try await fixture.metrics()
            #expect(more[series] == 7)
        }
    }

    /// Each of the policies that isolate a pod is a reason why a packet did not pass.
    @Test func aPacketCountsForEachPolicyThatIsolates() async throws {
        let second = AgentFixture.policy.replacing("name: redis", with: "name: second")
        try await MetricsFixture.serve(AgentFixture.shop + "\n---\n" + second) { fixture in
            let rule = try isolation(fixture.kernel)
            fixture.kernel.state.withLock { $0.counters = [rule: RuleCounter(packets: 3)] }
            let metrics: [String: Double] = try await fixture.metrics()
            #expect(metrics[Self.series(.ingress, "shop", "redis")] == 3)
            #expect(metrics[Self.series(.ingress, "shop", "second")] == 3)
        }
    }

    @Test func whatAuditWouldDenyIsNotDenied() async throws {
        try await MetricsFixture.serve(AgentFixture.auditedShop) { fixture in
            let rule = try isolation(fixture.kernel)
            fixture.kernel.state.withLock { $0.counters = [rule: RuleCounter(packets: 4)] }
            let metrics: [String: Double] = try await fixture.metrics()
            #expect(!metrics.keys.contains { $0.hasPrefix("bulkhead_denied_packets_by_policy_total") })
        }
    }

    @Test func policiesAreCapped() async throws {
        try await MetricsFixture.serve(MetricsFixture.isolatedNamespaces(130)) { fixture in
            let denying = fixture.kernel.policy.rules.filter {
                if case .isolation = $0.value.identity { true } else { false }
            }
            #expect(denying.count == 130)
            for turn in 1...2 {
                fixture.kernel.state.withLock {
                    $0.counters = denying.mapValues { _ in RuleCounter(packets: UInt64(turn * 2)) }
                }
                let series = try await fixture.metrics().filter { $0.key.contains("denied_packets_by_policy_total") }
                #expect(series.count == 101)
                #expect(series.values.reduce(0, +) == Double(turn * 260))
                #expect(series.first { $0.key.contains(#"policy="other""#) }?.value == Double(turn * 60))
            }
        }
    }

    @Test func podsWithTheMostDeniedFlowsOfFiveMinutes() {
        var denied = DeniedFlows()
        let start = ContinuousClock.now
        func pod(_ number: Int) -> EndpointName { EndpointName(namespace: "shop", name: "p\(number)") }
        for number in 0..<20 {
            for _ in 0...number { denied.note(pod(number), .egress, at: start + .seconds(number)) }
        }
        denied.note(pod(19), .ingress, at: start + .seconds(70))
        let greatest = denied.greatest(at: start + .seconds(71))
        #expect(greatest.map(\.key) == (10..<20).reversed().map { DeniedFlows.Key(pod($0), .egress) })
        #expect(greatest.map(\.count) == (11...20).reversed())
        // The first minute is over five minutes old, the second is not.
        let late = denied.greatest(at: start + .seconds(301))
        #expect(late.map(\.key) == [DeniedFlows.Key(pod(19), .ingress)])
        #expect(denied.greatest(at: start + .seconds(400)).isEmpty)
    }

    @Test func podsThatComeAndGoTakeBoundedMemory() {
        var denied = DeniedFlows()
        let start = ContinuousClock.now
        for number in 0..<DeniedFlows.keyLimit {
            denied.note(EndpointName(namespace: "shop", name: "p\(number)"), .egress, at: start)
        }
        for _ in 0..<3 { denied.note(EndpointName(namespace: "shop", name: "late"), .egress, at: start) }
        denied.note(EndpointName(namespace: "shop", name: "p7"), .egress, at: start)
        let greatest = denied.greatest(at: start)
        #expect(greatest.count == 10 && greatest[0].key.pod.name == "p7" && greatest[0].count == 2)
        #expect(!greatest.contains { $0.key.pod.name == "late" })
    }

    @Test func reportedDropsAndRequestsAreCounted() async throws {
        try await MetricsFixture.serve { fixture in
            let redis = try #require(fixture.kernel.policy.endpoints.first { $0.value.name == Self.pod })
            let flow = Flow(
                source: try IPAddress("10.1.0.1"), destination: try IPAddress("10.1.0.2"), ipProtocol: .tcp,
                destinationPort: 80)
            let rule = try #require(fixture.kernel.policy.evaluate(flow).ingress).rule
            func event(_ cause: DropEvent.Cause) -> DropEvent {
                DropEvent(
                    cause: cause, direction: .ingress, flow: flow, sourcePort: 40_000, endpoint: redis.key, rule: rule,
                    interfaceIndex: 5, monotonicNanoseconds: 1_000_000_000)
            }
            let follower = await fixture.agent.follow([.drop, .request])
            // What passes does not count, and neither does a packet that no policy judged.
            fixture.kernel.tell([event(.audit), event(.new), event(.spoofed), event(.rule), event(.rule)])
            let series = #"bulkhead_top_denied_flows{direction="ingress",namespace="shop",pod="redis"}"#
            let areCounted = try await eventually {
                let metrics: [String: Double]? = try? await fixture.metrics()
                return metrics?[series] == 2
            }
            #expect(areCounted)
            var counts = RequestCounts(generation: 1)
            counts.denied = [.deny, .refuse, .wouldDeny].map { verdict in
                RequestCounts.Denied(
                    time: "2026-11-24T11:16:18.372Z", source: "10.1.0.1", sourcePort: 40_000, destination: "10.1.0.2",
                    port: 80, pod: nil, method: "GET", host: "shop", path: "/", verdict: verdict)
            }
            await fixture.agent.count(counts)
            let all: [String: Double] = try await fixture.metrics()
            #expect(all[series] == 4)
            await fixture.agent.unfollow(follower)
        }
    }
}
