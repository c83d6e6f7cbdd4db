// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import ControlProtocol
import Datapath
import Foundation
import PolicyModel
import Testing

/// `describe`, `policies NAME`, `endpoints POD` and `unused`, and the calls behind them.
/// One test at a time: each waits for answers and timers, which a busy machine delays.
@Suite(.serialized) struct DescribeCommandTests {
    private func control(_ fixture: SocketFixture, _ arguments: String...) async throws -> CommandLine {
        let end = arguments.first == "describe" ? 2 : 1
        let all = Array(arguments.prefix(end)) + ["--socket", fixture.path] + arguments.dropFirst(end)
        return try await onOwnThread { try CommandLine.run("bulkheadctl", all) }
    }

    /// The answer with each age as `T`.
    private static func plain(_ text: String) -> String {
        text.replacing(/\d+s\b/, with: "T").replacing(/T ago \([^)]*\)/, with: "T ago")
    }

    @Test func describePod() async throws {
        try await SocketFixture.serve { fixture in
            let rule = try #require(
                fixture.kernel.policy.rules.first { if case .rule = $0.value.identity { true } else { false } })
            fixture.kernel.count(1, for: rule.key)
            let described = try await control(fixture, "describe", "pod", "shop/redis")
            #expect(described.status == 0 && described.complaints.isEmpty)
            #expect(
                Self.plain(described.output) == """
                    pod        shop/redis
                    node       node, this one
                    addresses  10.1.0.2
                    interface  not found: policy may not hold for it
                    labels     app=redis
                    account    default
                    ingress    program 1, 2 rules, by shop/redis
                    egress     open

                    ingress: in this order, the first rule that matches decides
                      from its own node: always allowed (probes)
                      tier NetworkPolicy
                        NetworkPolicy shop/redis
                          rule 1: allow 6379/TCP; 1 packet in T
                            from pods app=web in namespace shop: 1 pod (shop/web)
                        everything else is denied: isolated by shop/redis; 0 packets in T
                      A rule's packets are those of all pods of this node that it holds for.

                    egress: open, no policy selects it

                    """)
            let short = try await control(fixture, "describe", "po", "-n", "shop", "redis")
            #expect(Self.plain(short.output) == Self.plain(described.output))
            let json = try await control(fixture, "describe", "pod", "shop/redis", "-o", "json")
            let pod = try JSONDecoder().decode(PodDescription.self, from: Data(json.output.utf8))
            #expect(pod.ingress.layers[0].policies[0].ingress[0].peers?[0].pods?.names == ["shop/web"])
            let wrong = try await control(fixture, "describe", "pod", "shop/redsi")
            #expect(wrong.status == 1 && wrong.complaints.hasSuffix("did you mean shop/redis?\n"))
        }
    }

    @Test func describePolicy() async throws {
        let typo = AgentFixture.shop.replacing("app: web}}}]\n", with: "app: wbe}}}]\n")
        try await SocketFixture.serve(typo) { fixture in
            let expected = """
                NetworkPolicy shop/redis
                  tier      NetworkPolicy
                  state     enforced
                  origin    /manifests
                  changed   not since this daemon knows it
                  subject   pods app=redis in namespace shop: 1 pod (shop/redis)
                  here      1 pod (shop/redis)
                  ingress
                    rule 1: allow 6379/TCP; 0 packets in T
                      from pods app=wbe in namespace shop: no pod
                        label app=wbe selects no pod in namespace shop; did you mean app=web, which 1 pod in shop has?
                    what no rule allows is denied; 0 packets in T

                """
            let policies = try await control(fixture, "policies", "redis", "-o", "wide")
            #expect(Self.plain(policies.output) == expected)
            for word in ["policy", "policies", "netpol"] {
                let described = try await control(fixture, "describe", word, "netpol/shop/redis", "-o", "wide")
                #expect(Self.plain(described.output) == expected)
            }
            let missing = try await control(fixture, "policies", "redis", "-n", "web")
            #expect(missing.complaints == "error: no policy web/redis; did you mean NetworkPolicy shop/redis?\n")
            let list = try await control(fixture, "policies", "-n", "web")
            #expect(list.output.split(separator: "\n").count == 1)
            let wrong = try await control(fixture, "policies", "a/b/c/d")
            #expect(wrong.status == 2)
        }
    }

    @Test func endpointsOfOneNamespaceOrPod() async throws {
        try await SocketFixture.serve { fixture in
            let one = try await control(fixture, "endpoints", "shop/web")
            #expect(one.output.hasPrefix("pod        shop/web\nnode       node, this one\naddresses  10.1.0.1\n"))
            #expect(one.output.hasSuffix("ingress    open\negress     open\n"))
            let none = try await control(fixture, "endpoints", "-n", "web")
            #expect(none.output.split(separator: "\n").count == 1)
            let all = try await control(fixture, "endpoints", "-n", "shop")
            #expect(all.output.split(separator: "\n").count == 3)
        }
    }

    @Test func unused() async throws {
        let manifests = AgentFixture.shop.replacing(
            "podSelector: {matchLabels: {app: web}}", with: "podSelector: {matchLabels: {app: wbe}}")
        try await SocketFixture.serve(manifests) { fixture in
            let untitled = try await control(fixture, "unused", "--no-headers")
            #expect(untitled.status == 0 && !untitled.output.contains("SINCE"))
            let idle = try await control(fixture, "unused")
            let lines = Self.plain(idle.output).split(separator: "\n").map(String.init)
            #expect(
                lines == [
                    "SINCE  AGE  CHANGED  POLICY THAT HAS MATCHED NOTHING HERE",
                    "T     -    -        NetworkPolicy shop/redis", "peers and ports that select nothing:",
                    "  shop/redis ingress rule 1: pods app=wbe in namespace shop",
                    "    label app=wbe selects no pod in namespace shop; did you mean app=web, which 1 pod in shop has?",
                ])
            let other = try await control(fixture, "unused", "-n", "web")
            #expect(
                other.output == "every rule of this node has matched something, and every selector selects something\n")
            let isolation = try #require(
                fixture.kernel.policy.rules.first { if case .isolation = $0.value.identity { true } else { false } })
            fixture.kernel.count(4, for: isolation.key)
            let rules = try await control(fixture, "unused", "-o", "json")
            let answer = try JSONDecoder().decode(UnusedAnswer.self, from: Data(rules.output.utf8))
            #expect(answer.policies.isEmpty && answer.rules.map { "\($0.rule)" } == ["shop/redis ingress rule 1"])
        }
    }

    @Test func linesAreWrapped() async throws {
        let long = String(repeating: "n", count: 63)
        let namespace = String(repeating: "s", count: 63)
        let manifests = AgentFixture.shop.replacing("name: redis,", with: "name: \(long),")
            .replacing("shop", with: namespace)
        try await SocketFixture.serve(manifests) { fixture in
            let line = "COLUMNS=80 $0 describe pod --socket \(fixture.path) \(namespace)/\(long)"
            let output = try await onOwnThread { try CommandLine.runShell(line, program: "bulkheadctl") }
            #expect(output.split(separator: "\n").allSatisfy { $0.count <= 80 }, "\(output)")
            // What is wrapped is complete.
            #expect(output.filter { !$0.isWhitespace }.contains("isolatedby\(namespace)/\(long)"), "\(output)")
        }
    }

    /// The name of an AdminNetworkPolicy's rule may be any text. It stays on the line of its rule.
    @Test func aLineEndInARulesNameStartsNoLine() async throws {
        let odd = #"""

            ---
            apiVersion: policy.networking.k8s.io/v1alpha1
            kind: AdminNetworkPolicy
            metadata: {name: odd}
            spec:
              priority: 1
              subject: {namespaces: {}}
              ingress: [{name: "x\nrule 9: allow", action: Deny, from: [{namespaces: {}}]}]
            """#
        try await SocketFixture.serve(AgentFixture.shop + odd) { fixture in
            let described = try await control(fixture, "describe", "policy", "odd")
            #expect(described.output.contains("rule 1 (x rule 9: allow): deny every port"), "\(described)")
            let explained = try await control(fixture, "explain", "shop/web", "shop/redis", "6379/tcp")
            #expect(explained.output.contains("x rule 9: allow"), "\(explained)")
            let verdict = try await control(fixture, "verdict", "--kernel", "shop/web", "shop/redis", "6379/tcp")
            for output in [described.output, explained.output, verdict.output] {
                #expect(output.split(separator: "\n").allSatisfy { !$0.drop { $0 == " " }.hasPrefix("rule 9") })
            }
        }
    }

    @Test func calls() async throws {
        try await SocketFixture.serve { fixture in
            for (target, status) in [
                ("describe?pod=shop/redis", 200), ("describe?policy=redis", 200), ("unused", 200),
                ("unused?namespace=shop", 200), ("describe", 400), ("describe?pod=redis", 400),
                ("describe?policy=a/b/c/d", 400), ("describe?pod=shop/x&policy=y", 400), ("describe?other=1", 400),
                ("unused?pod=x", 400), ("describe?pod=shop/x", 404), ("describe?policy=x", 404),
            ] {
                let answer = try await fixture.call("GET", "/v1/\(target)")
                #expect(answer.status == status, "\(target)")
            }
            let put = try await fixture.call("PUT", "/v1/unused", "{}")
            #expect(put.status == 405)
        }
    }
}
