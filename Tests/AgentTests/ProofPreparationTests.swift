// SPDX-License-Identifier: Apache-2.0
import Agent
import ControlProtocol
import Datapath
import Manifests
import Testing

/// What takes long for the self-proof is done elsewhere: changes of policy go on meanwhile. What is proven is the order
/// of events; no time is measured.
@Suite(.serialized) struct ProofPreparationTests {
    private func remove(_ fixture: AgentFixture) async throws {
        let policy = try AgentFixture.objects(AgentFixture.policy)
        await fixture.agent.manifestsChanged(ManifestChange(events: policy.map { .removed($0.key) }))
    }

    @Test func aChangeIsNotHeldUpWhileTheKernelIsMadeReady() async throws {
        let fixture = try AgentFixture(selfProof: 100)
        let kernel = fixture.kernel
        kernel.state.withLock { $0.isPrepared = false }
        try await fixture.start()
        #expect(try await eventually { kernel.calls.contains("prepare") })
        let question = try AgentFixture.question("192.0.2.1", "shop/redis", 6379)
        let explained = Task { try await fixture.agent.explain(question) }
        let verified = Task { await fixture.agent.verify() }
        try await remove(fixture)
        let calls = kernel.calls
        #expect(calls.contains("program") && !calls.contains("prepared"))
        // Nothing was asked, and nothing is made ready twice.
        #expect(kernel.state.withLock { $0.asks } == 0)
        #expect(calls.count { $0 == "prepare" } == 1)
        kernel.gate.signal()
        let answer = try await explained.value
        #expect(answer.verdict.verdict == "allow" && answer.verdict.kernel?.agrees == true)
        #expect(await verified.value.checks.last?.result == .passed)
        #expect(try await eventually { kernel.state.withLock { $0.asks } > 40 })
        #expect(await fixture.agent.status().healthy)
        await fixture.agent.stop()
    }

    /// Tables that are replaced again and again do not make a question wait forever.
    @Test func aQuestionDoesNotWaitForever() async throws {
        let fixture = try AgentFixture()
        fixture.kernel.state.withLock { ($0.isPrepared, $0.isNeverPrepared) = (false, true) }
        for _ in 0..<100 { fixture.kernel.gate.signal() }
        try await fixture.start()
        let question = try AgentFixture.question("shop/web", "shop/redis", 6379)
        let answer = try await fixture.agent.explain(question)
        #expect(answer.verdict.verdict == "allow")
        #expect(answer.verdict.kernel?.notAsked?.contains("being loaded") == true)
        let proof = try #require(await fixture.agent.verify().checks.last)
        #expect(proof.result == .failed && proof.detail.contains("not ready"))
        #expect(fixture.kernel.state.withLock { $0.asks } == 0)
    }

    private func comparing(_ parts: (FakeKernel) -> [ComparedPart]) async throws -> AgentFixture {
        let fixture = try AgentFixture(selfProof: 100, comparisonInterval: .zero)
        let first = parts(fixture.kernel)
        fixture.kernel.state.withLock { $0.parts = first }
        try await fixture.start()
        return fixture
    }

    @Test func theTablesAreComparedElsewhereAndInSteps() async throws {
        let fixture = try await comparing { [.equal, .equal, $0.slowPart(), .changed, $0.slowPart(), .equal] }
        let kernel = fixture.kernel
        #expect(try await eventually { kernel.calls.contains("compare") })
        try await remove(fixture)
        #expect(kernel.calls.contains("program") && !kernel.calls.contains("compared"))
        kernel.gate.signal()
        kernel.gate.signal()
        #expect(try await eventually { kernel.state.withLock { $0.parts.isEmpty } })
        #expect(try await eventually { try await value(fixture, "bulkhead_selfproof_comparisons_total") > 3 })
        #expect(kernel.calls.count { $0 == "compared" } == 2)
        #expect(try await value(fixture, "bulkhead_disagreements_total") == 0)
        // Equal tables are not written again.
        #expect(kernel.calls.count { $0 == "resync" } == 1)
        await fixture.agent.stop()
    }

    @Test func tablesThatDifferAreWrittenAgain() async throws {
        let fixture = try await comparing { _ in [.equal, .finished(differences: ["program 3", "rule 7"])] }
        #expect(try await eventually { fixture.kernel.calls.count { $0 == "resync" } == 2 })
        #expect(try await value(fixture, "bulkhead_disagreements_total") == 1)
        #expect(await fixture.agent.verify().lastRepair?.things == ["program 3", "rule 7"])
        await fixture.agent.stop()
    }

    /// Tables that change all the time are compared all the same.
    @Test func tablesThatChangeAllTheTimeAreComparedAtOnce() async throws {
        let fixture = try AgentFixture(selfProof: 100, comparisonInterval: .milliseconds(1))
        let parts = [ComparedPart](repeating: .changed, count: 3)
        // A comparison that comes to its end is none of those in a row.
        fixture.kernel.state.withLock { $0.parts = parts + [.finished(differences: [])] + parts + [.changed] }
        try await fixture.start()
        #expect(try await eventually { fixture.kernel.calls.count { $0 == "resync" } == 2 })
        #expect(fixture.kernel.state.withLock { $0.parts.isEmpty })
        #expect(try await value(fixture, "bulkhead_selfproof_comparisons_total") >= 2)
        #expect(try await value(fixture, "bulkhead_disagreements_total") == 0)
        await fixture.agent.stop()
    }

    /// What others have changed explains a difference.
    @Test func whatOthersHaveChangedIsNoDisagreement() async throws {
        let fixture = try AgentFixture(selfProof: 100, comparisonInterval: .zero)
        try await fixture.start()
        fixture.kernel.state.withLock { ($0.parts, $0.changedByOthers) = ([.finished(differences: ["x"])], 2) }
        #expect(try await eventually { await fixture.agent.status().datapath.repaired == 2 })
        #expect(try await value(fixture, "bulkhead_disagreements_total") == 0)
        await fixture.agent.stop()
    }

    /// What others have changed elsewhere does not.
    @Test func aRepairElsewhereHidesNoDifference() async throws {
        let fixture = try AgentFixture(selfProof: 100, comparisonInterval: .zero)
        try await fixture.start()
        fixture.kernel.state.withLock { state in
            state.repair.repaired = ["a link"]
            state.parts = [.finished(differences: ["x"])]
        }
        #expect(try await eventually { try await value(fixture, "bulkhead_disagreements_total") == 1 })
        #expect(await fixture.agent.status().datapath.repaired == 1)
        await fixture.agent.stop()
    }

    private func value(_ fixture: AgentFixture, _ name: String) async throws -> Double {
        let family = try #require(await fixture.agent.metrics().first { $0.name == name })
        guard case .integer(let number) = try #require(family.samples.first).value else { return .nan }
        return Double(number)
    }
}
