// SPDX-License-Identifier: Apache-2.0
import Agent
import CompiledPolicy
import ControlProtocol
import Datapath
import PolicyModel
import Testing

/// `status --verify`: each check says what is wrong, and nothing else.
@Suite(.serialized) struct VerifyTests {
    private func results(_ answer: VerifyAnswer) -> [VerifyCheck.Name: VerifyCheck.Result] {
        Dictionary(uniqueKeysWithValues: answer.checks.map { ($0.name, $0.result) })
    }

    private func started(_ manifests: String = AgentFixture.shop, pods: [String] = ["10.1.0.1", "10.1.0.2"])
        async throws
        -> AgentFixture
    {
        let network = FakeNetwork()
        for (number, address) in pods.enumerated() {
            network.add("veth\(number)", index: UInt32(number + 5), address: address)
        }
        let fixture = try AgentFixture(readNetwork: { network.state })
        try await fixture.start(manifests)
        return fixture
    }

    /// Connection tracking is this machine's, whatever the fake says.
    private static let fine: [VerifyCheck.Name: VerifyCheck.Result] = [
        .hooks: .passed, .policy: .passed, .tables: .passed, .limits: .passed, .interfaces: .passed,
        .bridges: .skipped, .requests: .skipped, .proof: .passed,
    ]

    private func differences(_ answer: VerifyAnswer) -> [VerifyCheck.Name: VerifyCheck.Result] {
        results(answer).filter { $0.key != .connections && Self.fine[$0.key] != $0.value }
    }

    @Test func everythingIsChecked() async throws {
        let fixture = try await started()
        let answer = await fixture.agent.verify()
        #expect(answer.checks.map(\.name) == VerifyCheck.Name.allCases)
        #expect(differences(answer).isEmpty, "\(answer)")
        let proof = try #require(answer.checks.last)
        #expect(proof.detail.hasSuffix("agree about 2048 flows"), "\(proof.detail)")
        #expect(fixture.kernel.state.withLock { $0.asks } >= 16)
    }

    @Test func whatIsMissing() async throws {
        let fixture = try await started()
        fixture.kernel.state.withLock { $0.isGone = true }
        let answer = await fixture.agent.verify()
        #expect(differences(answer) == [.hooks: .failed] && !answer.passed)
        #expect(answer.checks[0].detail.contains("the fake table") && answer.checks[0].remedy != nil)
    }

    @Test func whatOthersHaveChangedIsRepaired() async throws {
        let fixture = try await started()
        fixture.kernel.state.withLock { $0.repair = RepairReport(repaired: ["link4"]) }
        let first = await fixture.agent.verify()
        #expect(differences(first) == [.hooks: .repaired] && !first.passed)
        #expect(first.checks[0].repair?.things == ["link4"] && first.lastRepair == nil)
        fixture.kernel.changeByOthers(40)
        let second = await fixture.agent.verify()
        #expect(differences(second) == [.hooks: .repaired])
        let repair = try #require(second.checks[0].repair)
        #expect(repair.count == 40 && repair.things.count == RepairRecord.namedLimit)
        #expect(repair.things.first == "fake change 0")
        #expect(second.lastRepair == first.checks[0].repair)
        let third = await fixture.agent.verify()
        #expect(differences(third).isEmpty && third.checks.allSatisfy { $0.repair == nil })
        #expect(third.lastRepair == repair)
    }

    @Test func aWriteThatFails() async throws {
        let fixture = try await started()
        fixture.kernel.failNext(1)
        let answer = await fixture.agent.verify()
        #expect(differences(answer) == [.tables: .failed] && !answer.passed)
    }

    /// The newest version of a refused document is not in force.
    @Test func aRefusedDocument() async throws {
        let fixture = try await started()
        let problem = Problem(file: "/manifests/a.yaml", object: "", field: "spec", reason: "unknown field")
        await fixture.agent.manifestsChanged(ManifestChange(problems: [problem]))
        let answer = await fixture.agent.verify()
        #expect(differences(answer) == [.policy: .failed] && !answer.passed)
    }

    @Test func aPodWithoutAnInterface() async throws {
        let fixture = try await started(pods: ["10.1.0.1"])
        let answer = await fixture.agent.verify()
        #expect(differences(answer) == [.interfaces: .failed])
        #expect(answer.checks.first { $0.name == .interfaces }?.detail.contains("shop/redis") == true)
    }

    @Test func aLie() async throws {
        let fixture = try await started()
        var lie = fixture.kernel.policy
        for id in lie.endpoints.keys { lie.endpoints[id]?.ingress = .none }
        // What is wrong after the comparison of the tables, which would end the lie.
        fixture.kernel.state.withLock { [lie] in ($0.lie, $0.insists) = (lie, true) }
        let answer = await fixture.agent.verify()
        #expect(differences(answer) == [.proof: .failed])
        #expect(answer.checks.last?.detail.contains("10.1.0.2") == true)
        fixture.kernel.state.withLock { $0.insists = false }
        #expect(await fixture.agent.verify().checks.allSatisfy { $0.name == .connections || $0.result != .failed })
        #expect(differences(await fixture.agent.verify()).isEmpty)
    }

    @Test func noPods() async throws {
        let fixture = try await started("apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n", pods: [])
        #expect(differences(await fixture.agent.verify()) == [.proof: .skipped])
    }

    @Test func theCommand() async throws {
        let base = try AgentFixture()
        try await SocketFixture.serve(base, AgentFixture.shop) { fixture in
            let arguments = ["status", "--verify", "--socket", fixture.path]
            let wrong = try await onOwnThread { try CommandLine.run("bulkheadctl", arguments, input: "") }
            #expect(wrong.status == 1)
            #expect(
                wrong.output.contains("interfaces") && wrong.output.contains("not as it should be: interfaces failed"))
            let json = try await onOwnThread {
                try CommandLine.run("bulkheadctl", arguments + ["-o", "json"], input: "")
            }
            #expect(json.status == 1 && json.output.contains(#""passed" : false"#))
            let network = FakeNetwork()
            network.add("veth1", index: 5, address: "10.1.0.1")
            network.add("veth2", index: 6, address: "10.1.0.2")
            await fixture.agent.networkChanged(.success(network.state))
            let right = try await onOwnThread { try CommandLine.run("bulkheadctl", arguments, input: "") }
            // Connection tracking is this machine's.
            let isTracked = !right.output.contains("connections failed")
            #expect(right.status == (isTracked ? 0 : 1), "\(right.output)")
            #expect(right.output.contains("kernel and policy agree about"))
            fixture.kernel.state.withLock { ($0.changedByOthers, $0.nameOfChanges) = (2, "change\u{1b}[1m") }
            let repaired = try await onOwnThread { try CommandLine.run("bulkheadctl", arguments, input: "") }
            #expect(repaired.status == 1)
            #expect(repaired.output.contains("\nrepaired:\n  hooks: change"), "\(repaired.output)")
            #expect(repaired.output.contains("[1m 1\n") && !repaired.output.contains("\u{1b}"))
            let after = try await onOwnThread { try CommandLine.run("bulkheadctl", arguments, input: "") }
            #expect(after.output.contains("last repair before, at 20") && after.output.contains("[1m 1\n"))
        }
    }
}
