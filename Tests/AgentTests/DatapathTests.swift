// SPDX-License-Identifier: Apache-2.0
import Agent
import CompiledPolicy
import ControlProtocol
import Datapath
import Synchronization
import Testing

/// What the agent does about others: those who change its tables, and a datapath that ran before.
struct DatapathTests {
    @Test func whatOthersChangeIsPutRightAndCounted() async throws {
        let fixture = try AgentFixture(watchInterval: .milliseconds(20))
        try await fixture.start()
        let before = fixture.kernel.calls.count { $0 == "resync" }
        try await Task.sleep(for: .milliseconds(100))
        // Without changes nothing is compared.
        #expect(fixture.kernel.calls.count { $0 == "resync" } == before)
        fixture.kernel.changeByOthers(7)
        #expect(try await eventually { await fixture.agent.status().datapath.repaired == 7 })
        fixture.kernel.changeByOthers(2)
        #expect(try await eventually { await fixture.agent.status().datapath.repaired == 9 })
        #expect(await fixture.agent.status().datapath.reason == "for tests")
        await fixture.agent.stop()
        fixture.kernel.changeByOthers(1)
        try await Task.sleep(for: .milliseconds(100))
        #expect(await fixture.agent.status().datapath.repaired == 9)
    }

    /// However long the watch interval is, and while the kernel cannot be programmed.
    @Test func whatOthersRemoveIsPutBackSoonAndTold() async throws {
        let fixture = try AgentFixture()
        try await fixture.start()
        fixture.kernel.state.withLock { $0.repair.repaired = ["a link", "a table"] }
        let isCounted = try await eventually { await fixture.agent.status().datapath.repaired == 2 }
        #expect(isCounted)
        fixture.kernel.failNext(1000)
        await fixture.agent.manifestsChanged(
            ManifestChange(events: [.removed(try AgentFixture.objects(AgentFixture.policy)[0].key)]))
        fixture.kernel.state.withLock { $0.repair = RepairReport(repaired: ["a link"], failure: FakeKernel.failure) }
        let isCountedAgain = try await eventually { await fixture.agent.status().datapath.repaired == 3 }
        #expect(isCountedAgain)
        let health = await fixture.agent.health()
        #expect(health.missing.isEmpty && health.behind.count == 2, "\(health)")
        #expect(health.behind[0].contains("cannot be restored"), "\(health)")
        fixture.kernel.failNext(0)
        fixture.kernel.state.withLock { $0.repair = RepairReport() }
        let isHealthy = try await eventually { await fixture.agent.status().healthy }
        #expect(isHealthy)
        await fixture.agent.stop()
    }

    /// Until all objects of the cluster are known, what a previous run left stays; if it is removed, the guardrails
    /// hold.
    @Test func whereWhatAPreviousRunLeftIsGoneGuardrailsHold() async throws {
        let fixture = try AgentFixture(cluster: ClusterTests.follower())
        fixture.kernel.state.withLock { $0.numbering.endpoints[StableKey(high: 1, low: 2)] = EndpointID(rawValue: 3) }
        try await fixture.agent.start(ManifestChange())
        await fixture.agent.rulesetChanged()
        #expect(!fixture.kernel.calls.contains("resync"))
        fixture.kernel.state.withLock { $0.isGone = true }
        await fixture.agent.rulesetChanged()
        #expect(fixture.kernel.calls.contains("resync"))
        let keeps = await fixture.agent.status().cluster?.keepsPrevious
        #expect(keeps == false)
        await fixture.agent.stop()
    }

    @Test(arguments: [(949, 1000, false), (950, 1000, true), (5, 0, false)])
    func aFullTableOfConnectionsIsTold(count: Int, limit: Int, isTold: Bool) throws {
        let directory = try TemporaryDirectory()
        try write("\(count)\n", to: directory.path + "/nf_conntrack_count")
        #expect(ConnectionUse(settings: directory.path) == nil)
        try write("\(limit)\n", to: directory.path + "/nf_conntrack_max")
        let use = try #require(ConnectionUse(settings: directory.path))
        #expect(use.isNearlyFull == isTold)
        #expect(use.description.contains("\(count) of \(limit)") && use.description.contains("nf_conntrack_max"))
    }

    /// What another datapath has in the kernel.
    private final class Other: Sendable {
        let calls = Mutex(0)
        let failure = Mutex<DatapathError?>(nil)

        func remove() throws -> [String] {
            calls.withLock { $0 += 1 }
            if let failure = failure.withLock({ $0 }) { throw failure }
            return ["other"]
        }
        var count: Int { calls.withLock { $0 } }
    }

    @Test func theOtherDatapathIsRemovedOnceThisOneEnforcesAll() async throws {
        let other = Other()
        let fixture = try AgentFixture { try other.remove() }
        fixture.kernel.failNext(0)
        try await fixture.start()
        // The pods' interfaces are not known yet.
        #expect(other.count == 0)
        await fixture.agent.networkChanged(.success(.init()))
        #expect(other.count == 1)
        await fixture.agent.networkChanged(.success(.init()))
        #expect(other.count == 1)
        await fixture.agent.stop()
    }

    @Test func theOtherDatapathStaysWhileThisOneCannotBeProgrammed() async throws {
        let other = Other()
        let fixture = try AgentFixture { try other.remove() }
        let agent = fixture.agent
        await #expect(throws: AgentStartError.self) {
            fixture.kernel.failNext(1)
            try await agent.start(try AgentFixture.change(AgentFixture.shop))
        }
        try await agent.start(try AgentFixture.change(AgentFixture.shop))
        fixture.kernel.failNext(1)
        await agent.manifestsChanged(
            ManifestChange(events: [.removed(try AgentFixture.objects(AgentFixture.policy)[0].key)]))
        await agent.networkChanged(.success(.init()))
        #expect(other.count == 0)
        #expect(try await eventually { other.count == 1 })
        #expect(await agent.status().datapath.state == .programmed)
        await agent.stop()
    }

    @Test func aFailureToRemoveTheOtherIsTold() async throws {
        let other = Other()
        other.failure.withLock { $0 = .corrupt("stuck") }
        let fixture = try AgentFixture { try other.remove() }
        try await fixture.start()
        await fixture.agent.networkChanged(.success(.init()))
        let status = await fixture.agent.status()
        #expect(!status.healthy && status.datapath.notReplaced?.contains("stuck") == true)
        other.failure.withLock { $0 = nil }
        await fixture.agent.networkChanged(.success(.init()))
        #expect(await fixture.agent.status().healthy)
        #expect(await fixture.agent.status().datapath.notReplaced == nil)
        await fixture.agent.stop()
    }
}
