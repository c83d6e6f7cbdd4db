// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import Foundation
import Testing

/// `preview` over files: two clusters, without a daemon.
@Suite(.serialized) struct PreviewCommandTests {
    private func preview(_ arguments: String..., input: String = "") async throws -> CommandLine {
        let arguments = ["preview"] + arguments
        return try await onOwnThread { try CommandLine.run("bulkheadctl", arguments, input: input) }
    }

    private func manifests(_ text: String = AgentFixture.shop) throws -> TemporaryDirectory {
        let directory = try TemporaryDirectory()
        try write(text, to: directory.path + "/shop.yaml")
        return directory
    }

    private static let next = AgentFixture.policy.replacing("6379", with: "80")

    @Test func aNewPolicyBesideTheCluster() async throws {
        let base = try manifests()
        let shown = try await preview("-f", "-", "--manifests", base.path, input: Self.next)
        #expect(shown.status == 0, "\(shown.complaints)")
        #expect(
            shown.output == """
                EFFECT  FROM      TO          PORTS     VERDICT        DECIDED BY
                opened  shop/web  shop/redis  80/TCP    deny -> allow  shop/redis ingress rule 1
                cut     shop/web  shop/redis  6379/TCP  allow -> deny  isolation by shop/redis

                """)
        let json = try await preview("-f", "-", "--manifests", base.path, "-o", "json", input: Self.next)
        let answer = try JSONDecoder().decode(PreviewAnswer.self, from: Data(json.output.utf8))
        #expect(answer.changed && answer.changes.map(\.effect) == [.opened, .cut] && answer.leftOut == 0)
        #expect(answer.changes[0].example == "10.1.0.1 -> 10.1.0.2 80/TCP")
        let few = try await preview("-f", "-", "--manifests", base.path, "--limit", "1", input: Self.next)
        #expect(few.output.hasSuffix("there are more changes than these (--limit)\n"))
    }

    @Test func exitCodesForCI() async throws {
        let base = try manifests()
        let wider = AgentFixture.policy.replacing("    ports: [{port: 6379}]", with: "")
        let narrower = AgentFixture.policy.replacing("app: web", with: "app: nobody")
        func status(_ change: String, _ options: String...) async throws -> Int32 {
            let all = ["preview", "-f", "-", "--manifests", base.path] + options
            return try await onOwnThread { try CommandLine.run("bulkheadctl", all, input: change).status }
        }
        #expect(try await status(AgentFixture.policy, "--exit-code") == 0)
        #expect(try await status(Self.next) == 0)
        #expect(try await status(Self.next, "--exit-code") == 3)
        #expect(try await status(wider, "--fail-on", "opened") == 3)
        #expect(try await status(wider, "--fail-on", "cut") == 0)
        #expect(try await status(narrower, "--fail-on", "cut") == 3)
        #expect(try await status(wider, "--fail-on", "less") == 2)
        for usage in [[], ["old"], ["-f", "x", "old", "new"], ["--delete", "thing/x"], ["--limit", "0", "-f", "x"]] {
            let result = try await onOwnThread { try CommandLine.run("bulkheadctl", ["preview"] + usage) }
            #expect(result.status == 2, "\(usage)")
        }
    }

    /// What is not listed may be of any effect.
    @Test func aListThatIsCutShortFails() async throws {
        let base = try manifests()
        for gate in ["opened", "cut"] {
            let all = try await preview(
                "-f", "-", "--manifests", base.path, "--limit", "1", "--fail-on", gate, input: Self.next)
            #expect(all.status == 3, "\(gate)")
            // The gate whose change is listed needs no other reason.
            let isListed = all.output.contains(gate)
            #expect(all.complaints.contains("not all changes are listed") != isListed, "\(gate) \(all.complaints)")
        }
    }

    @Test func deletionsAndTwoClusters() async throws {
        let base = try manifests()
        let deleted = try await preview(
            "--delete", "netpol/shop/redis", "--manifests", base.path, "--fail-on", "opened")
        #expect(deleted.status == 3 && deleted.output.contains("outside") && !deleted.output.contains("cut"))
        let missing = try await preview("--delete", "netpol/none", "--manifests", base.path)
        #expect(missing.status == 1 && missing.complaints.contains("there is no NetworkPolicy default/none to delete"))
        // A pod of the new cluster alone is not compared.
        let other = try manifests(AgentFixture.shop.replacing("name: web,", with: "name: api,"))
        let both = try await preview(base.path, other.path, "--exit-code")
        #expect(both.status == 3)
        #expect(both.output.contains("1 pod would go, not compared: shop/web\n"))
        #expect(both.output.contains("1 pod would come, not compared: shop/api\n"))
        let same = try await preview(base.path, base.path, "--exit-code")
        #expect(same.status == 0 && same.output == "nothing would change: every flow keeps its verdict\n")
    }

    @Test func aCommentOnAPullRequest() async throws {
        let base = try manifests()
        let shown = try await preview("-f", "-", "--manifests", base.path, "-o", "markdown", input: Self.next)
        #expect(shown.status == 0, "\(shown.complaints)")
        #expect(
            shown.output == """
                ### Network policy preview: 1 opened, 1 cut

                | Effect | From | To | Ports | Verdict | Decided by |
                | --- | --- | --- | --- | --- | --- |
                | <code>opened</code> | <code>shop/web</code> | <code>shop/redis</code> | <code>80/TCP</code> | \
                <code>deny -&#62; allow</code> | <code>shop/redis ingress rule 1</code> |
                | <code>cut</code> | <code>shop/web</code> | <code>shop/redis</code> | <code>6379/TCP</code> | \
                <code>allow -&#62; deny</code> | <code>isolation by shop/redis</code> |


                """)
    }

    /// The name of a rule is free text.
    @Test func hostileNamesDoNoHarm() async throws {
        let base = try manifests()
        let hostile = """
            apiVersion: policy.networking.k8s.io/v1alpha1
            kind: AdminNetworkPolicy
            metadata: {name: all}
            spec:
              priority: 1
              subject: {namespaces: {}}
              ingress: [{name: "x</code>|<script>@team `[a](b)` \\u001b[2J", action: Deny, from: [{namespaces: {}}]}]
            """
        let markdown = try await preview("-f", "-", "--manifests", base.path, "-o", "markdown", input: hostile)
        #expect(markdown.status == 0, "\(markdown.complaints)")
        #expect(
            markdown.output.contains(
                "x&#60;/code&#62;&#124;&#60;script&#62;&#64;team &#96;&#91;a&#93;(b)&#96; &#92;u001b&#91;2J"))
        #expect(!markdown.output.contains("<script>") && !markdown.output.contains("@team"))
        for format in ["text", "wide", "json", "markdown"] {
            let result = try await preview("-f", "-", "--manifests", base.path, "-o", format, input: hostile)
            #expect(result.status == 0 && result.output.contains("script"), "\(format)")
            #expect(!result.output.contains("\u{1b}"), "\(format)")
        }
    }
}
