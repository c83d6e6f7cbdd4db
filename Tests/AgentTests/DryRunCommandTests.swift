// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import Testing

/// `apply --dry-run`: what it says is what happens, and nothing happens.
@Suite(.serialized) struct DryRunCommandTests {
    private func apply(_ fixture: SocketFixture, _ input: String, _ options: String...) async throws -> CommandLine {
        let all = ["apply", "--socket", fixture.path, "-f", "-"] + options
        return try await onOwnThread { try CommandLine.run("bulkheadctl", all, input: input) }
    }

    private static func policy(_ name: String, port: Int, pods: String = "{}") -> String {
        """
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata: {name: \(name), namespace: shop}
        spec: {podSelector: \(pods), ingress: [{ports: [{port: \(port)}]}]}

        """
    }

    @Test func whatWouldHappenIsSaid() async throws {
        try await SocketFixture.serve { fixture in
            let first = Self.policy("same", port: 1) + "---\n" + Self.policy("other", port: 2)
            #expect(try await apply(fixture, first).status == 0)
            _ = await fixture.agent.settle()
            let before = await fixture.agent.policies()
            let tables = fixture.kernel.policy.description
            let calls = fixture.kernel.calls.count
            let next = [
                Self.policy("same", port: 1), Self.policy("other", port: 3, pods: "{matchLabels: {app: web}}"),
                Self.policy("new", port: 4), Self.policy("none", port: 5, pods: "{matchLabels: {app: x}}"),
            ].joined(separator: "---\n")
            let rehearsed = try await apply(fixture, next, "--dry-run")
            #expect(rehearsed.status == 0)
            #expect(
                rehearsed.output.hasPrefix(
                    """
                    NetworkPolicy shop/new would be added
                    NetworkPolicy shop/none would be added
                    NetworkPolicy shop/other would be changed
                    NetworkPolicy shop/same unchanged

                    pods of this node:
                      NetworkPolicy shop/new selects 2 pods: shop/redis, shop/web
                      NetworkPolicy shop/none selects none
                      NetworkPolicy shop/other selects 1 pod: shop/web
                      NetworkPolicy shop/same selects 2 pods: shop/redis, shop/web

                    policies that select no pod of the cluster:
                      NetworkPolicy shop/none: pods app=x in namespace shop
                        label app=x selects no pod in namespace shop

                    on node node:
                    EFFECT  FROM
                    """))
            #expect(rehearsed.output.contains("2/TCP") && rehearsed.output.contains("4/TCP"))
            #expect(rehearsed.output.hasSuffix("\ndry run: nothing was changed\n"))
            #expect(await fixture.agent.policies() == before && fixture.kernel.policy.description == tables)
            let written = fixture.kernel.calls.dropFirst(calls).filter { $0 == "program" || $0 == "resync" }
            #expect(written.isEmpty)
            #expect(await fixture.agent.status().pushed.objects == 2)
            // What it says is what then happens.
            #expect(try await apply(fixture, next).status == 0)
            let after = await fixture.agent.policies().policies
            #expect(after.first { $0.name == "other" }?.endpoints == ["shop/web"])
            #expect(after.first { $0.name == "none" }?.endpoints == [])
        }
    }

    /// Objects that others own, and those that occur twice, are each named.
    @Test func refusalsAreSaid() async throws {
        try await SocketFixture.serve { fixture in
            let body = AgentFixture.policy + "\n---\n" + Self.policy("new", port: 4)
            let result = try await apply(fixture, body, "--dry-run")
            #expect(result.status == 1)
            #expect(result.output.contains("NetworkPolicy shop/redis would be refused: is owned by a manifest file"))
            #expect(result.output.hasPrefix("NetworkPolicy shop/new would be added\n"))
            #expect(result.output.hasSuffix("dry run: nothing would be applied\n"))
            let answer = try await fixture.call("PUT", "/v1/objects?dryRun=1", body).decode(DryRunAnswer.self)
            #expect(answer.refused.map(\.object) == ["NetworkPolicy shop/redis"])
            #expect(answer.added == ["NetworkPolicy shop/new"])
            #expect(await fixture.agent.status().pushed.objects == 0)
            let twice = try [4, 5].flatMap { try AgentFixture.objects(Self.policy("new", port: $0)) }
            let both = try await fixture.agent.dryRun(twice)
            #expect(both.refused.map(\.reason) == ["occurs more than once"])
        }
    }

    /// A misspelled parameter must not apply.
    @Test(arguments: ["dryRun=true", "dryrun=1", "dryRun=1&x=1", "dryRun=2", "dryRun="])
    func otherParametersAreRefused(query: String) async throws {
        try await SocketFixture.serve { fixture in
            let answer = try await fixture.call("PUT", "/v1/objects?\(query)", Self.policy("new", port: 4))
            #expect(answer.status == 400 && answer.errorCode == .badRequest)
            #expect(await fixture.agent.status().pushed.objects == 0)
            let applied = try await fixture.call("PUT", "/v1/objects?dryRun=0", Self.policy("new", port: 4))
            #expect(applied.status == 200)
        }
    }

    @Test func invalidDocumentsAreNamed() async throws {
        try await SocketFixture.serve { fixture in
            let result = try await apply(fixture, "kind: x", "--dry-run")
            #expect(result.status == 1 && result.complaints.hasPrefix("error: standard input is invalid; "))
            let answer = try await fixture.call("PUT", "/v1/objects?dryRun=1", "kind: x")
            #expect(answer.status == 400 && answer.errorCode == .invalidBody)
        }
    }
}
