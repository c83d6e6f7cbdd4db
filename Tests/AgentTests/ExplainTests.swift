// SPDX-License-Identifier: Apache-2.0
import Agent
import CompiledPolicy
import ControlProtocol
import KubernetesObjects
import PolicyModel
import Testing

/// How a verdict comes about, by the socket, and what the kernel says.
@Suite(.serialized) struct ExplainTests {
    private func explain(_ fixture: SocketFixture, _ query: String) async throws -> ExplainAnswer {
        try await fixture.call("GET", "/v1/explain?\(query)").decode(ExplainAnswer.self)
    }

    @Test func stepsAndTheKernel() async throws {
        try await SocketFixture.serve { fixture in
            let allowed = try await explain(fixture, "from=shop/web&to=shop/redis&port=6379")
            #expect(allowed.verdict.verdict == "allow" && allowed.egress?.tiers.isEmpty == true)
            let tier = try #require(allowed.ingress?.tiers.last)
            #expect(tier.tier == "NetworkPolicy" && tier.outcome == "allow")
            #expect(tier.rules.map(\.text) == ["shop/redis rule 1 matches: allow"])
            let kernel = try #require(allowed.verdict.kernel)
            #expect(kernel.agrees == true && kernel.bundle == nil)
            let flow = try #require(kernel.flows.first)
            #expect(flow.way == "forwarded" && flow.kernel?.verdict == "allow" && flow.differences == nil)
            #expect(flow.kernel?.ingress == flow.model.ingress && (flow.kernel?.ingress?.number ?? 0) > 0)

            let denied = try await explain(fixture, "from=192.0.2.1&to=shop/redis&port=6379")
            let rule = try #require(denied.ingress?.tiers.last?.rules.first)
            #expect(!rule.matches && rule.portMatches && !rule.peerMatches)
            #expect(rule.lacks?.first?.first?.need == "pod" && rule.lacks?.first?.first?.got == "192.0.2.1")
            #expect(denied.egress == nil && denied.verdict.kernel?.agrees == true)
        }
    }

    /// The kernel holds something else than what the daemon has written.
    @Test func aDisagreementHasABundle() async throws {
        try await SocketFixture.serve { fixture in
            fixture.kernel.state.withLock { $0.policy = CompiledPolicy() }
            let answer = try await explain(fixture, "from=192.0.2.1&to=shop/redis&port=6379")
            #expect(answer.verdict.verdict == "deny")
            let kernel = try #require(answer.verdict.kernel)
            #expect(kernel.agrees == false)
            #expect(kernel.flows.first?.differences?.first == "the daemon says deny, the kernel allow")
            let bundle = try #require(kernel.bundle)
            #expect(bundle.from == "192.0.2.1" && bundle.to == "shop/redis" && bundle.flows == kernel.flows)
            let row = try #require(bundle.rows.first)
            #expect(row.direction == "ingress" && row.program > 0 && row.action == "deny")
            #expect(row.rule == kernel.flows.first?.model.ingress?.number)
            let plain = try await fixture.call("GET", "/v1/verdict?from=192.0.2.1&to=shop/redis&port=6379")
                .decode(VerdictAnswer.self)
            #expect(plain.kernel == nil)
        }
    }

    /// The verdict is the same, and another rule gives it.
    @Test func anotherRuleIsADisagreement() async throws {
        try await SocketFixture.serve { fixture in
            fixture.kernel.state.withLock { state in
                for id in state.policy.programs.keys {
                    guard let cells = state.policy.programs[id]?.cells else { continue }
                    state.policy.programs[id]?.cells = cells.map { Cell($0.action, by: RuleID(rawValue: 77)) }
                }
            }
            let answer = try await fixture.call(
                "GET", "/v1/verdict?from=shop/web&to=shop/redis&port=6379&kernel=1"
            ).decode(VerdictAnswer.self)
            #expect(answer.verdict == "allow" && answer.kernel?.agrees == false)
            let difference = try #require(answer.kernel?.flows.first?.differences?.first)
            #expect(difference.hasPrefix("ingress: the daemon says rule "), "\(difference)")
            #expect(difference.hasSuffix(", the kernel rule 77, which is not known"), "\(difference)")
        }
    }

    @Test func whatTheKernelIsNotAsked() async throws {
        try await SocketFixture.serve { fixture in
            let own = try await explain(fixture, "from=shop/web&to=shop/web&port=80")
            #expect(own.verdict.kernel?.agrees == nil)
            #expect(own.verdict.kernel?.notAsked == "a pod's packets to its own address do not leave it")
            let strangers = try await explain(fixture, "from=192.0.2.1&to=192.0.2.2&port=80")
            #expect(strangers.verdict.kernel?.notAsked == "neither end is a pod of this node")
            #expect(strangers.egress == nil && strangers.ingress == nil)
            fixture.kernel.failNext(1000)
            _ = try await fixture.call("PUT", "/v1/objects", "apiVersion: v1\nkind: Namespace\nmetadata: {name: x}")
            _ = try await fixture.call(
                "PUT", "/v1/objects", AgentFixture.policy.replacing("name: redis", with: "name: more"))
            let behind = try await explain(fixture, "from=shop/web&to=shop/redis&port=6379")
            let reason = try #require(behind.verdict.kernel?.notAsked)
            #expect(reason.hasPrefix("the kernel does not hold the newest policy yet"), "\(reason)")
            fixture.kernel.failNext(0)
        }
    }

    @Test(arguments: [
        ("from=shop/web&to=shop/redis&port=1&kernel=2", "'kernel' must be 0 or 1"),
        ("from=shop/web&to=shop/redis&port=1&frob=2", "unknown parameter 'frob'"),
    ])
    func wrongParameters(_ query: String, _ problem: String) async throws {
        try await SocketFixture.serve { fixture in
            let answer = try await fixture.call("GET", "/v1/verdict?\(query)")
            #expect(answer.status == 400)
            #expect(String(decoding: answer.body, as: UTF8.self).contains(problem))
        }
    }

    /// A pod of another node is explained by the policies that are known here. The kernel answers for this node's side
    /// alone.
    @Test func podsElsewhere() async throws {
        let far = """

            ---
            apiVersion: v1
            kind: Pod
            metadata: {name: far, namespace: shop, labels: {app: far}}
            spec: {nodeName: other}
            status: {podIPs: [{ip: 10.2.0.1}]}
            ---
            apiVersion: networking.k8s.io/v1
            kind: NetworkPolicy
            metadata: {name: far, namespace: shop}
            spec:
              podSelector: {matchLabels: {app: far}}
              ingress: [{from: [{podSelector: {matchLabels: {app: redis}}}]}]
            """
        try await SocketFixture.serve(AgentFixture.shop + far) { fixture in
            let answer = try await explain(fixture, "from=shop/web&to=shop/far&port=80")
            #expect(answer.verdict.verdict == "deny" && answer.verdict.ingress?.elsewhere == true)
            let rule = try #require(answer.ingress?.tiers.last?.rules.first)
            #expect(
                rule.text == "port 80/TCP of shop/far rule 1 matches, the peer does not: label app=web, not redis")
            #expect(answer.verdict.kernel?.agrees == true)
            #expect(answer.verdict.kernel?.flows.first?.model.ingress == nil)
        }
    }
}
