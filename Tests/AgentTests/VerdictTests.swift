// SPDX-License-Identifier: Apache-2.0
import Agent
import ControlProtocol
import KubernetesObjects
import NetworkTypes
import PolicyModel
import Testing

/// The daemon's answers about pods on other nodes, addresses without a pod, and misspelled names.
@Suite struct VerdictTests {
    /// Like ``AgentFixture/shop``, with a copy of each pod on another node, which default deny isolates for egress.
    private static let world =
        AgentFixture.shop + """

            ---
            apiVersion: v1
            kind: Namespace
            metadata: {name: far}
            ---
            apiVersion: v1
            kind: Node
            metadata: {name: other}
            status: {addresses: [{type: InternalIP, address: 192.168.0.2}]}
            ---
            apiVersion: v1
            kind: Pod
            metadata: {name: web, namespace: far, labels: {app: web}}
            spec: {nodeName: other}
            status: {podIPs: [{ip: 10.2.0.1}, {ip: "fd00::1"}]}
            ---
            apiVersion: v1
            kind: Pod
            metadata: {name: web-7d9c5b6f8-abcde, namespace: shop, labels: {app: web}}
            spec: {nodeName: other}
            status: {podIPs: [{ip: 10.2.0.2}, {ip: "fd00::2"}]}
            ---
            apiVersion: v1
            kind: Pod
            metadata: {name: host, namespace: far}
            spec: {nodeName: other, hostNetwork: true}
            status: {podIPs: [{ip: 192.168.0.2}]}
            ---
            apiVersion: networking.k8s.io/v1
            kind: NetworkPolicy
            metadata: {name: deny, namespace: far}
            spec: {podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: 53, protocol: UDP}]}]}
            ---
            apiVersion: networking.k8s.io/v1
            kind: NetworkPolicy
            metadata: {name: v6, namespace: shop}
            spec:
              podSelector: {matchLabels: {app: web}}
              policyTypes: [Ingress]
              ingress: [{from: [{ipBlock: {cidr: "fd00::/64"}}, {podSelector: {matchLabels: {app: redis}}}]}]
            """

    private func ask(_ from: String, _ to: String, _ port: UInt16, _ ipProtocol: IPProtocol = .tcp) async throws
        -> VerdictAnswer
    {
        let fixture = try AgentFixture()
        try await fixture.start(Self.world)
        return try await fixture.agent.verdict(
            FlowQuestion(
                from: try #require(FlowEnd(from)), to: try #require(FlowEnd(to)),
                ipProtocol: ipProtocol, port: port))
    }

    /// From, to, port, then verdict, egress and ingress with the kind of what decides.
    private static let rows: [(String, String, UInt16, String, String, String)] = [
        ("far/web", "shop/redis", 6379, "deny", "deny isolation", "deny isolation"),
        ("10.2.0.1", "shop/redis", 6379, "deny", "deny isolation", "deny isolation"),
        ("shop/web-7d9c5b6f8-abcde", "shop/redis", 6379, "allow", "allow noPolicy", "allow rule"),
        ("shop/redis", "shop/web-7d9c5b6f8-abcde", 1, "allow", "allow noPolicy", "allow rule"),
        ("shop/web", "shop/web-7d9c5b6f8-abcde", 1, "deny", "allow noPolicy", "deny isolation"),
        ("far/web", "shop/web-7d9c5b6f8-abcde", 1, "deny", "deny isolation", "deny isolation"),
        ("shop/web", "shop/web", 1, "allow", "allow samePod", "allow samePod"),
        ("shop/redis", "192.0.2.1", 1, "allow", "allow noPolicy", "allow noPod"),
        ("192.0.2.1", "shop/redis", 6379, "deny", "allow noPod", "deny isolation"),
        ("192.0.2.1", "192.0.2.2", 80, "undecided", "allow noPod", "allow noPod"),
        // Whether it is its own node is not known.
        ("192.168.0.2", "shop/web-7d9c5b6f8-abcde", 1, "undecided", "allow noPod", "undecided undecided"),
        ("far/web", "far/host", 1, "undecided", "undecided undecided", "allow hostNetwork"),
        ("far/host", "shop/redis", 6379, "deny", "allow hostNetwork", "deny isolation"),
    ]

    @Test(arguments: rows)
    func sides(_ row: (String, String, UInt16, String, String, String)) async throws {
        let answer = try await ask(row.0, row.1, row.2)
        func text(_ side: DirectionAnswer?) -> String { side.map { "\($0.verdict) \($0.kind)" } ?? "" }
        #expect(answer.verdict == row.3 && text(answer.egress) == row.4 && text(answer.ingress) == row.5, "\(answer)")
    }

    @Test func whereItIsDecidedIsSaid() async throws {
        let answer = try await ask("far/web", "shop/redis", 6379)
        #expect(answer.egress?.elsewhere == true && answer.ingress?.elsewhere == nil)
        #expect(answer.egress?.endpoint == "far/web")
        #expect(answer.note == "decided for the node of far/web by the policies that this node knows")
    }

    @Test func theOtherFamilyIsNoted() async throws {
        let answer = try await ask("far/web", "shop/web-7d9c5b6f8-abcde", 53, .udp)
        #expect(answer.verdict == "deny")
        let note = try #require(answer.note)
        let other = "fd00::1 -> fd00::2 53/UDP has the verdict allow"
        #expect(note.hasPrefix("answer for 10.2.0.1 -> 10.2.0.2 53/UDP; \(other)"))
    }

    @Test func anAddressThatMayBeAServices() async throws {
        #expect(try await ask("shop/web", "10.96.0.10", 80).note?.contains("ask about one of its backend pods") == true)
        #expect(try await ask("shop/web", "8.8.8.8", 80).note == nil)
        let node = try await ask("shop/web", "192.168.0.2", 80)
        #expect(node.note == nil && node.ingress?.reason.contains("the node other") == true)
    }

    @Test(arguments: [
        ("shop/wbe", "did you mean shop/web?"), ("shop/web-7d9c5b6f8", "did you mean shop/web-7d9c5b6f8-abcde"),
        ("defualt/redis", "did you mean shop/redis?"), ("shop/nothing-like-it", "bulkheadd knows"),
    ])
    func unknownPods(name: String, hint: String) async throws {
        let error = await #expect(throws: ErrorAnswer.self) { _ = try await ask(name, "shop/redis", 1) }
        #expect(error?.error.code == .notFound)
        #expect(error?.error.message.hasPrefix("'from': no pod \(name) ") == true)
        #expect(error?.error.message.contains(hint) == true, "\(String(describing: error))")
    }
}
