// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import Foundation
import Testing

/// `reach`, `prove` and `equal` over files.
@Suite(.serialized) struct ReachCommandTests {
    private func control(_ arguments: String..., input: String = "") async throws -> CommandLine {
        try await onOwnThread { try CommandLine.run("bulkheadctl", arguments, input: input) }
    }

    private func manifests(_ text: String = AgentFixture.shop) throws -> TemporaryDirectory {
        let directory = try TemporaryDirectory()
        try write(text, to: directory.path + "/shop.yaml")
        return directory
    }

    @Test func whoReachesAPod() async throws {
        let directory = try manifests()
        let answer = try await control("reach", "-f", directory.path, "--to", "shop/redis:6379")
        #expect(answer.status == 0, "\(answer.complaints)")
        #expect(
            answer.output == """
                FROM      TO          PORTS     VERDICT  DECIDED BY
                shop/web  shop/redis  6379/TCP  allow    no egress policy; shop/redis ingress rule 1

                """)
        let denied = try await control(
            "reach", "-f", directory.path, "--to", "shop/redis:80,other", "--denied", "-o", "json")
        let rows = try JSONDecoder().decode(ReachAnswer.self, from: Data(denied.output.utf8)).rows
        #expect(rows.map(\.from.kind) == ["workload", "outside"])
        #expect(rows.allSatisfy { $0.ports.map(\.ports) == ["80/TCP", "other protocols"] })
        #expect(rows.allSatisfy { $0.ports.allSatisfy { $0.verdict == "deny" && $0.ingress?.kind == "isolation" } })
        let nothing = try await control("reach", "-f", directory.path, "--to", "shop/redis:80")
        #expect(nothing.status == 0 && nothing.output == "nothing is open\n")
    }

    @Test func whatAPodReaches() async throws {
        let directory = try manifests()
        let answer = try await control("reach", "-f", directory.path, "--from", "app=web", "-n", "shop")
        #expect(answer.status == 0, "\(answer.complaints)")
        #expect(answer.output.contains("shop/web  shop/redis      6379/TCP"))
        #expect(answer.output.contains("shop/web  outside (IPv4)  every port and protocol  allow    no egress policy"))
    }

    /// What of outside is open, and that the rest of it is not.
    @Test func outsideSaysWhichAddressesItIs() async throws {
        let pods = """
            apiVersion: v1
            kind: Pod
            metadata: {name: web, namespace: shop, labels: {app: web}}
            status: {podIPs: [{ip: 10.1.0.1}, {ip: fd00::1}]}
            ---
            apiVersion: v1
            kind: Pod
            metadata: {name: api, namespace: shop, labels: {app: api}}
            status: {podIPs: [{ip: 10.1.0.2}, {ip: fd00::2}]}

            """
        let note = "note: denied prefixes outside are left out: --denied lists them\n"
        func reach(_ blocks: String, _ more: String...) async throws -> String {
            let policy = """
                ---
                apiVersion: networking.k8s.io/v1
                kind: NetworkPolicy
                metadata: {name: web, namespace: shop}
                spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{to: [\(blocks)]}]}
                """
            let directory = try manifests(pods + policy)
            let words = ["reach", "-f", directory.path, "--from", "shop/web"] + more
            let answer = try await onOwnThread { try CommandLine.run("bulkheadctl", words, input: "") }
            #expect(answer.status == 0, "\(answer.complaints)")
            let json = try await onOwnThread { try CommandLine.run("bulkheadctl", words + ["-o", "json"], input: "") }
            let isTold = json.output.contains(#""leavesOutDenied" : true"#)
            #expect(isTold == answer.output.contains(note), "\(json.output)")
            return answer.output
        }
        let all = try await reach("{ipBlock: {cidr: 0.0.0.0/0}}, {ipBlock: {cidr: '::/0'}}")
        #expect(all.contains("shop/web  outside   every") && !all.contains(note), "\(all)")
        let v4 = try await reach("{ipBlock: {cidr: 0.0.0.0/0}}")
        #expect(v4.contains("outside (IPv4)   every") && v4.contains(note), "\(v4)")
        // Only one family is open, and nothing in the rows is of the other.
        #expect(v4.contains("shop/api (IPv4)"), "\(v4)")
        let hole = try await reach("{ipBlock: {cidr: '::/0'}}, {ipBlock: {cidr: 0.0.0.0/0, except: [10.9.0.0/16]}}")
        #expect(hole.contains("outside  ") && hole.hasSuffix(note) && !hole.contains("10.9.0.0/16"), "\(hole)")
        let denied = try await reach(
            "{ipBlock: {cidr: '::/0'}}, {ipBlock: {cidr: 0.0.0.0/0, except: [10.9.0.0/16]}}", "--denied")
        #expect(denied.contains("outside (10.9.0.0/16)  every") && !denied.contains(note), "\(denied)")
        let one = try await reach("{ipBlock: {cidr: 192.0.2.0/24}}")
        #expect(one.contains("outside (192.0.2.0/24)  every") && !one.contains("note:"), "\(one)")
        let inside = try await reach("{ipBlock: {cidr: 192.0.2.0/24, except: [192.0.2.128/25]}}")
        #expect(inside.contains("outside (192.0.2.0/24)  every") && inside.hasSuffix(note), "\(inside)")
    }

    @Test func pictures() async throws {
        let directory = try manifests()
        let dot = try await control("reach", "-f", directory.path, "-o", "dot")
        #expect(dot.status == 0 && dot.output.hasPrefix("digraph reach {\n"))
        #expect(dot.output.contains("label=\"shop\"") && dot.output.contains("[label=\"6379/TCP\"]"))
        let mermaid = try await control("reach", "-f", directory.path, "-o", "mermaid")
        #expect(mermaid.output.hasPrefix("flowchart LR\n") && mermaid.output.contains("-->|\"6379/TCP\"|"))
    }

    /// A quote with an accent is one character, but ends a text all the same.
    @Test func hostileNamesInPictures() async throws {
        let name = #""a\"\u0301 b\\\u0301<""#
        let owner = "{apiVersion: apps/v1, kind: StatefulSet, controller: true, uid: u, name: \(name)}"
        let directory = try manifests(
            AgentFixture.shop.replacing("{name: web,", with: "{name: web, ownerReferences: [\(owner)],"))
        let dot = try await control("reach", "-f", directory.path, "-o", "dot")
        #expect(dot.output.contains("label=\"a\\\"\u{301} b\\\\\u{301}<\""), "\(dot.output)\(dot.complaints)")
        let mermaid = try await control("reach", "-f", directory.path, "-o", "mermaid")
        #expect(mermaid.output.contains("[\"a#quot;\u{301} b\\\u{301}#lt;\"]"), "\(mermaid.output)")
    }

    @Test func claimsAreProvenOrContradicted() async throws {
        let directory = try manifests()
        let proven = try await control("prove", "-f", directory.path, "--deny", "outside", "shop/redis")
        #expect(proven.status == 0, "\(proven.output)\(proven.complaints)")
        #expect(proven.output == "proven  deny outside to shop/redis\n")
        let wrong = try await control("prove", "-f", directory.path, "--deny", "shop/*", "shop/redis", "1-65535/tcp")
        #expect(wrong.status == 3)
        #expect(
            wrong.output == """
                wrong  deny shop/* to shop/redis 1-65535/TCP
                  10.1.0.1 -> 10.1.0.2 6379/TCP (shop/web to shop/redis): allow
                    egress of shop/web: allowed: no policy selects shop/web for egress
                    ingress of shop/redis: allowed by shop/redis rule 1

                """)
        let allowed = try await control("prove", "-f", directory.path, "--allow", "shop/web", "shop/redis", "6379")
        #expect(allowed.status == 0)
        let unknown = try await control("prove", "-f", directory.path, "--deny", "shop/nobody", "shop/redis")
        #expect(unknown.status == 1 && unknown.complaints.contains("shop/nobody"))
        let usage = try await control("prove", "-f", directory.path, "--deny", "shop/web", "shop/redis", "http")
        #expect(usage.status == 2 && usage.complaints.contains("'http' is not a port"))
    }

    @Test func aFileOfInvariants() async throws {
        let directory = try manifests()
        let file = """
            invariants:
            - name: only the shop reaches redis
              deny: {from: outside, to: shop/redis}
            - name: web is closed
              deny: {from: anywhere, to: shop/web, ports: "80,443"}
            """
        let answer = try await control("prove", "-f", directory.path, "-i", "-", "-o", "json", input: file)
        let proofs = try JSONDecoder().decode(ProofAnswer.self, from: Data(answer.output.utf8))
        #expect(answer.status == 3 && !proofs.proven)
        #expect(proofs.claims.map(\.result) == ["proven", "wrong"] && proofs.claims.map(\.line) == [2, 4])
        #expect(proofs.claims[1].counterexample?.to == "shop/web")
        let typo = try await control(
            "prove", "-f", directory.path, "-i", "-", input: "invariants:\n- deny: {form: outside, to: shop/redis}\n")
        #expect(typo.status == 1 && typo.complaints.contains("-:2: unknown field 'form'"), "\(typo.complaints)")
    }

    /// Claims as CI systems read them: each is a test, and what is not proven has its line.
    @Test func proofsForCI() async throws {
        let directory = try manifests()
        try write(
            """
            invariants:
            - deny: {from: outside, to: shop/redis}
            - name: web is <closed>
              deny: {from: anywhere, to: shop/web, ports: "80,443"}
            - name: nothing
              deny: {from: shop/web, to: shop/web}
            """, to: directory.path + "/claims")
        let file = directory.path + "/claims"
        let words = ["prove", "-f", directory.path, "-i", file, "-o"]
        let junit = try await onOwnThread { try CommandLine.run("bulkheadctl", words + ["junit"], input: "") }
        #expect(junit.status == 3 && junit.output.contains(#"tests="3" failures="2" errors="0""#), "\(junit.output)")
        #expect(junit.output.contains(#"name="deny outside to shop/redis" file="\#(file)" line="2"/>"#))
        #expect(junit.output.contains(#"name="web is &lt;closed&gt;" file="\#(file)" line="3"><failure"#))
        #expect(junit.output.contains(#"type="BHP1" message="10.1.0."#) && junit.output.contains(#"type="BHP2""#))
        let sarif = try await onOwnThread { try CommandLine.run("bulkheadctl", words + ["sarif"], input: "") }
        let places = sarif.output.components(separatedBy: #""startLine":"#).dropFirst().map { $0.prefix(1) }
        #expect(sarif.status == 3 && places == ["3", "5"], "\(sarif.output)")
        #expect(sarif.output.contains(#""ruleId":"BHP1""#) && sarif.output.contains(#""ruleId":"BHP2""#))
        let one = try await control(
            "prove", "-f", directory.path, "--deny", "outside", "shop/redis", "-o", "junit")
        #expect(one.status == 0 && one.output.contains(#"<testcase classname="command line" name="deny outside"#))
        let none = try await control("prove", "-f", directory.path, "--deny", "outside", "shop/redis", "-o", "sarif")
        #expect(none.status == 0 && none.output.contains(#""results":[]"#), "\(none.output)")
    }

    @Test func policiesAreEqualOrNot() async throws {
        let directory = try manifests()
        let other = try manifests(AgentFixture.shop.replacing("port: 6379", with: "port: 6380"))
        let same = try await control("equal", directory.path, directory.path)
        #expect(same.status == 0 && same.output == "equal: every flow has the same verdict\n")
        let changed = try await control("equal", directory.path, other.path)
        #expect(changed.status == 3)
        #expect(
            changed.output == """
                FROM      TO          PORTS     OLD    NEW    FOR EXAMPLE
                shop/web  shop/redis  6379/TCP  allow  deny   10.1.0.1 -> 10.1.0.2 6379/TCP
                shop/web  shop/redis  6380/TCP  deny   allow  10.1.0.1 -> 10.1.0.2 6380/TCP

                """)
        let policies = try manifests(AgentFixture.policy)
        let nothing = try await control("equal", policies.path, policies.path)
        #expect(nothing.status == 1 && nothing.complaints.contains("there are no pods"))
        for question in [["reach"], ["prove", "--deny", "outside", "node"], ["report"]] {
            let open = try await onOwnThread {
                try CommandLine.run("bulkheadctl", question + ["-f", policies.path], input: "")
            }
            #expect(open.status == 1 && open.complaints.contains("there are no pods"), "\(question): \(open.output)")
        }
        let pods = try manifests(AgentFixture.shop.replacing("---\n" + AgentFixture.policy, with: ""))
        let common = try await control("equal", "-f", pods.path, policies.path, policies.path)
        #expect(common.status == 0, "\(common.output)\(common.complaints)")
    }
}
