// SPDX-License-Identifier: Apache-2.0
import Agent
import ControlProtocol
import KubernetesObjects
import Manifests
import Testing

/// Policies of the directory of static guardrails, beside those from elsewhere.
/// One test at a time: each waits for answers and timers, which a busy machine delays.
@Suite(.serialized) struct GuardrailTests {
    /// No pod reaches redis.
    private static let closed = """
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata: {name: redis, namespace: shop}
        spec: {podSelector: {matchLabels: {app: redis}}, policyTypes: [Ingress]}
        """
    private static let key = ObjectKey(kind: .networkPolicy, namespace: "shop", name: "redis")

    private func verdict(_ fixture: AgentFixture) async throws -> String {
        try await fixture.verdicts(of: [("shop/web", 6379)], to: "shop/redis")[0]
    }

    @Test func aGuardrailWinsAndGivesWay() async throws {
        let fixture = try AgentFixture()
        try await fixture.agent.start(
            try AgentFixture.change(AgentFixture.shop), guardrails: try AgentFixture.change(Self.closed))
        #expect(try await verdict(fixture) == "deny")
        var status = await fixture.agent.status()
        #expect(status.guardrails?.objects == 1 && status.manifests.objects == 4)
        #expect(!status.healthy)
        let problem = try #require(status.manifests.problems.first)
        #expect(problem.object == "NetworkPolicy shop/redis" && problem.reason.contains("guardrail"))
        #expect(await fixture.agent.policies().policies.map(\.origin) == ["/guardrails"])
        #expect(await fixture.agent.policies().problems == [problem])

        // What the manifest says now stays behind it.
        await fixture.agent.manifestsChanged(try AgentFixture.change(AgentFixture.policy))
        #expect(try await verdict(fixture) == "deny")
        await fixture.agent.guardrailsChanged(ManifestChange(events: [.removed(Self.key)]))
        #expect(try await verdict(fixture) == "allow")
        status = await fixture.agent.status()
        #expect(status.healthy && status.guardrails?.objects == 0)
        #expect(await fixture.agent.policies().policies.map(\.origin) == ["/manifests"])
    }

    @Test func aGuardrailStaysWhenEverythingElseGoes() async throws {
        let fixture = try AgentFixture()
        try await fixture.agent.start(
            try AgentFixture.change(AgentFixture.shop), guardrails: try AgentFixture.change(Self.closed))
        await fixture.agent.manifestsChanged(
            ManifestChange(events: try AgentFixture.objects(AgentFixture.shop).map { .removed($0.key) }))
        #expect(fixture.kernel.policy.endpoints.isEmpty)
        #expect(await fixture.agent.policies().policies.map(\.name) == ["redis"])
        let pods = try AgentFixture.objects(AgentFixture.shop).filter { $0.key != Self.key }
        _ = try await fixture.agent.apply(pods)
        #expect(try await verdict(fixture) == "deny")
    }

    @Test func aPushOfItsNameIsRefusedAndAnEarlierOneIsTakenOver() async throws {
        let fixture = try AgentFixture()
        try await fixture.start("apiVersion: v1\nkind: Namespace\nmetadata: {name: other}")
        let objects = try AgentFixture.objects(AgentFixture.shop)
        _ = try await fixture.agent.apply(objects)
        #expect(try await verdict(fixture) == "allow")
        await fixture.agent.guardrailsChanged(try AgentFixture.change(Self.closed))
        #expect(try await verdict(fixture) == "deny")
        #expect(await fixture.agent.status().pushed.objects == 3)
        for call in [
            { try await fixture.agent.apply(objects) }, { try await fixture.agent.delete([Self.key]) },
        ] as [() async throws -> ObjectsAnswer] {
            let refused = await #expect(throws: ErrorAnswer.self) { _ = try await call() }
            #expect(refused?.error.code == .ownedByGuardrail && refused?.error.code.status == 409)
            #expect(refused?.error.problems.map(\.object) == ["NetworkPolicy shop/redis"])
        }
        #expect(try await verdict(fixture) == "deny")
    }

    @Test func keptPushesGiveWay() async throws {
        let fixture = try AgentFixture()
        let kept = KeptPushes(objects: try AgentFixture.objects(AgentFixture.shop))
        try await fixture.agent.start(
            ManifestChange(), guardrails: try AgentFixture.change(Self.closed), kept: kept)
        #expect(try await verdict(fixture) == "deny")
        #expect(await fixture.agent.status().pushed.objects == 3)
    }

    @Test func onlyPoliciesAreAllowed() throws {
        var set = ManifestSet(kinds: ObjectKind.policies)
        let events = set.apply([
            "a.yaml": .content(Array(AgentFixture.shop.utf8)), "b.yaml": .content(Array(Self.closed.utf8)),
        ])
        // The pods' documents are refused, the policies' are not; the second file's repeats the first one's name.
        #expect(events.count == 1 && set.objects.map(\.key) == [Self.key])
        let refused = set.problems.filter { $0.error.reason.contains("does not belong here") }
        #expect(refused.map(\.error.document) == [1, 2, 3])
        #expect(refused[1].error.reason == "Pod shop/web does not belong here")
        #expect(refused[1].error.line == 5)
        #expect(refused[1].error.hint?.contains("ClusterNetworkPolicy, NetworkPolicy") == true)
        // A list with one pod is refused whole.
        let list = """
            {"apiVersion":"v1","kind":"List","items":[
            {"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":{"name":"x","namespace":"s"},
             "spec":{"podSelector":{}}},
            {"apiVersion":"v1","kind":"Namespace","metadata":{"name":"s"}}]}
            """
        var other = ManifestSet(kinds: ObjectKind.policies)
        #expect(other.apply(["l.json": .content(Array(list.utf8))]).isEmpty)
        #expect(other.problems.map(\.error.reason) == ["Namespace s does not belong here"])
    }

    @Test func wrongUsageOfTheDaemon() async throws {
        let directory = try TemporaryDirectory()
        func run(_ arguments: String...) async throws -> CommandLine {
            let always = ["--node-name", "n", "--socket", directory.path + "/s", "--datapath", "nftables"]
            return try await onOwnThread { try CommandLine.run("bulkheadd", always + arguments) }
        }
        let missing = try await run("--guardrails", directory.path + "/nowhere")
        #expect(missing.status == 1)
        #expect(missing.complaints.contains("\(directory.path)/nowhere: "))
        #expect(missing.complaints.contains("No such file or directory"))
        let same = try await run("--guardrails", directory.path, "--manifests", directory.path)
        #expect(same.status == 2 && same.complaints.contains("must be different directories"))
        let once = try await run("--once")
        #expect(once.status == 2 && once.complaints.contains("--once needs --manifests or --guardrails"))
    }
}
