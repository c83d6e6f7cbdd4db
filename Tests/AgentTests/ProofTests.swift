// SPDX-License-Identifier: Apache-2.0
import Agent
import CompiledPolicy
import ControlProtocol
import ControlSocket
import Datapath
import FlowTelemetry
import KubernetesObjects
import PolicyModel
import PrometheusText
import Testing

/// The self-proof over a kernel that can lie. One test at a time: each waits for many turns.
@Suite(.serialized) struct ProofTests {
    private func proving(_ manifests: String = AgentFixture.shop) async throws -> AgentFixture {
        let fixture = try AgentFixture(selfProof: 100)
        try await fixture.start(manifests)
        return fixture
    }

    private func value(_ fixture: AgentFixture, _ name: String) async throws -> Double {
        let family = try #require(await fixture.agent.metrics().first { $0.name == name })
        return family.samples.reduce(0) { sum, sample in
            switch sample.value {
            case .integer(let number): sum + Double(number)
            case .number(let number): sum + number
            case .histogram: sum
            }
        }
    }

    /// The policy of the shop with every cell turned round.
    private func lie(_ kernel: FakeKernel) -> CompiledPolicy {
        var policy = kernel.policy
        for id in policy.programs.keys {
            let cells = policy.programs[id]?.cells ?? []
            policy.programs[id]?.cells = cells.map { Cell($0.verdict == .deny ? .allow : .deny, by: $0.rule) }
        }
        return policy
    }

    private func notices(_ follower: EventFollower, untilOneHas text: String) async throws -> [String] {
        struct Enough: Error {}
        var notices: [String] = []
        do {
            try await follower.batches { batch in
                notices += batch.elements.compactMap(\.notice)
                if notices.contains(where: { $0.contains(text) }) { throw Enough() }
            }
        } catch is Enough {}
        return notices
    }

    @Test func itAsksAllTheTimeAndIsContent() async throws {
        let fixture = try await proving()
        #expect(try await eventually { try await value(fixture, "bulkhead_verified_total") > 500 })
        #expect(try await value(fixture, "bulkhead_disagreements_total") == 0)
        #expect(try await value(fixture, "bulkhead_selfproof_possible") == 1)
        #expect(try await value(fixture, "bulkhead_selfproof_seconds_total") > 0)
        #expect(await fixture.agent.status().healthy)
        await fixture.agent.stop()
    }

    @Test func itIsOffWithoutAShare() async throws {
        let fixture = try AgentFixture()
        try await fixture.start()
        #expect(try await value(fixture, "bulkhead_selfproof_possible") == 0)
        #expect(await fixture.agent.status().healthy)
        #expect(fixture.kernel.state.withLock { $0.asks } == 0)
    }

    @Test func aLieIsFoundToldAndRepaired() async throws {
        let fixture = try await proving()
        let follower = await fixture.agent.follow([.drop])
        let before = fixture.kernel.calls.count { $0 == "resync" }
        let lie = lie(fixture.kernel)
        fixture.kernel.state.withLock { $0.lie = lie }
        let told = try await notices(follower, untilOneHas: "again: repaired")
        #expect(told.contains { $0.contains("otherwise than policy") && $0.contains("10.1.0.2") }, "\(told)")
        #expect(fixture.kernel.calls.count { $0 == "resync" } == before + 1)
        #expect(try await value(fixture, "bulkhead_disagreements_total") > 0)
        #expect(try await value(fixture, "bulkhead_disagreements") == 0)
        #expect(await fixture.agent.status().healthy)
        await fixture.agent.stop()
    }

    @Test func aLieThatStaysMakesItUnhealthyUntilItEnds() async throws {
        let fixture = try await proving()
        let lie = lie(fixture.kernel)
        fixture.kernel.state.withLock { ($0.lie, $0.insists) = (lie, true) }
        #expect(try await eventually { !(await fixture.agent.status().healthy) })
        let problem = try #require(await fixture.agent.health().behind.first)
        #expect(
            problem.hasPrefix("the kernel decides otherwise than policy: 10.") && problem.contains("the kernel says"))
        // It is repaired again and again, ever less often.
        let resyncs = fixture.kernel.calls.count { $0 == "resync" }
        #expect(try await eventually { fixture.kernel.calls.count { $0 == "resync" } >= resyncs + 2 })
        #expect(await fixture.agent.status().problems.count == 1)
        fixture.kernel.state.withLock { $0.lie = nil }
        #expect(try await eventually { await fixture.agent.status().healthy })
        #expect(try await value(fixture, "bulkhead_disagreements") == 0)
        await fixture.agent.stop()
    }

    /// A repair that replaces the tables is followed by a question, not by another repair.
    @Test func aRepairThatRebuildsIsNotMadeTwice() async throws {
        let fixture = try await proving()
        let lie = lie(fixture.kernel)
        for _ in 0..<100 { fixture.kernel.gate.signal() }
        fixture.kernel.state.withLock { ($0.lie, $0.insists, $0.replacesTables) = (lie, true, true) }
        #expect(try await eventually { fixture.kernel.state.withLock { $0.asksBeforeResyncs.count } >= 4 })
        let asks = fixture.kernel.state.withLock { $0.asksBeforeResyncs }
        #expect(zip(asks, asks.dropFirst()).allSatisfy { $0 < $1 }, "\(asks)")
        await fixture.agent.stop()
    }

    /// What others have changed is repaired and counted as that.
    @Test func aChangeByOthersIsNoDisagreement() async throws {
        let fixture = try await proving()
        let lie = lie(fixture.kernel)
        fixture.kernel.state.withLock { ($0.lie, $0.changedByOthers) = (lie, 3) }
        #expect(try await eventually { await fixture.agent.status().datapath.repaired == 3 })
        #expect(try await value(fixture, "bulkhead_disagreements_total") == 0)
        #expect(await fixture.agent.status().healthy)
        await fixture.agent.stop()
    }

    @Test func changesOfPolicyAreNoDisagreement() async throws {
        let fixture = try await proving()
        let policy = try AgentFixture.objects(AgentFixture.policy)
        let pods = try AgentFixture.objects(AgentFixture.shop).filter { $0.key.kind == .pod }
        for round in 0..<200 {
            let object = round % 3 == 0 ? pods[round / 3 % pods.count] : policy[0]
            await fixture.agent.manifestsChanged(
                ManifestChange(events: [round % 2 == 0 ? .removed(object.key) : .set(object)]))
            if round % 20 == 0 { fixture.kernel.failNext(1) }
            try await Task.sleep(for: .milliseconds(2))
        }
        let verified = try await value(fixture, "bulkhead_verified_total")
        await fixture.agent.manifestsChanged(try AgentFixture.change(AgentFixture.shop))
        #expect(try await eventually { try await value(fixture, "bulkhead_verified_total") > verified + 100 })
        #expect(try await value(fixture, "bulkhead_disagreements_total") == 0)
        await fixture.agent.stop()
    }

    @Test func aKernelThatCannotBeAskedIsAWarning() async throws {
        let fixture = try AgentFixture(selfProof: 100)
        fixture.kernel.state.withLock { $0.askFailure = .unsupported(what: "a question", remedy: "use another kernel") }
        try await fixture.start()
        #expect(try await eventually { !(await fixture.agent.status().conditions.isEmpty) })
        let status = await fixture.agent.status()
        #expect(status.conditions.map(\.kind) == [.notProven] && status.healthy)
        #expect(status.conditions[0].message.contains("use another kernel"))
        #expect(try await value(fixture, "bulkhead_selfproof_possible") == 0)
        #expect(try await value(fixture, "bulkhead_verified_total") == 0)
        await fixture.agent.stop()
    }

    /// Something else decides in the kernel than what was loaded.
    @Test func aKernelThatIsNotWhatWasLoadedIsAProblem() async throws {
        let fixture = try AgentFixture(selfProof: 100)
        fixture.kernel.state.withLock { $0.askFailure = .corrupt("another program is attached") }
        try await fixture.start()
        #expect(try await eventually { !(await fixture.agent.status().healthy) })
        #expect(try await eventually { fixture.kernel.calls.count { $0 == "resync" } == 2 })
        fixture.kernel.state.withLock { $0.askFailure = nil }
        _ = await fixture.agent.verify()
        #expect(await fixture.agent.status().healthy)
        await fixture.agent.stop()
    }
}
