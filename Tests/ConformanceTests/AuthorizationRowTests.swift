// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyOracle
import Testing
import WorldKit

/// What authorization says about flows into shop/api, line by line of the semantics: tables and oracle alike.
@Suite struct AuthorizationRowTests {
    struct Row: Sendable, CustomTestStringConvertible {
        var says: String
        var policies: [AuthorizationPolicy]
        var others: [KubernetesObject] = []
        var flow: String
        var request: OracleRequest?
        var verdict: Verdict
        var testDescription: String { says }
    }

    /// shop/api 10.0.0.1 and shop/web 10.0.0.2 (account web) on n1, bank/web 10.0.1.1 (account teller) on n2.
    private static let cluster: [KubernetesObject] = [
        .node(Node("n1", ["192.168.0.1"])), .node(Node("n2", ["192.168.0.2"])),
        .pod(pod("shop/api", "api", ["10.0.0.1", "fd00::1"])), .pod(pod("shop/web", "web", ["10.0.0.2", "fd00::2"])),
        .pod(pod("bank/web", "teller", ["10.0.1.1", "fd00::11"], node: "n2")),
    ]

    private static func pod(_ name: String, _ account: String, _ addresses: [String], node: String = "n1") -> Pod {
        var pod = Pod(name, ["app": account], addresses, node: node)
        pod.serviceAccountName = account
        return pod
    }

    private static func allow(_ rules: AuthorizationRule...) -> [AuthorizationPolicy] {
        [AuthorizationPolicy("shop/allow", .allow, selects: ["app": "api"], rules)]
    }

    private static func deny(_ rules: AuthorizationRule...) -> [AuthorizationPolicy] {
        [AuthorizationPolicy("shop/deny", .deny, selects: ["app": "api"], rules)]
    }

    private static let fromBank = "10.0.1.1 10.0.0.1 tcp 80"
    private static let fromShop = "10.0.0.2 10.0.0.1 tcp 80"
    private static let fromOutside = "8.8.8.8 10.0.0.1 tcp 80"

    @Test(arguments: identities + parts + together)
    func row(_ row: Row) throws {
        let objects = Self.cluster + row.others + row.policies.map { .authorizationPolicy($0) }
        try AuthorizationExampleTests.expect(row.verdict, flow(row.flow), row.request, objects, node: "n1")
    }

    private static let identities: [Row] = [
        Row(
            says: "a principal",
            policies: allow(allOf(from: [source(principals: ["cluster.local/ns/bank/sa/teller"])])),
            flow: fromBank, verdict: .allow),
        Row(
            says: "another principal",
            policies: allow(allOf(from: [source(principals: ["cluster.local/ns/bank/sa/teller"])])),
            flow: fromShop, verdict: .deny),
        Row(
            says: "another trust domain",
            policies: allow(allOf(from: [source(principals: ["elsewhere/ns/bank/sa/teller"])])),
            flow: fromBank, verdict: .deny),
        Row(
            says: "an account of the policy's namespace",
            policies: allow(allOf(from: [source(serviceAccounts: ["web"])])), flow: fromShop, verdict: .allow),
        Row(
            says: "the same account elsewhere", policies: allow(allOf(from: [source(serviceAccounts: ["teller"])])),
            flow: fromBank, verdict: .deny),
        Row(
            says: "an account of a namespace", policies: allow(allOf(from: [source(serviceAccounts: ["bank/teller"])])),
            flow: fromBank, verdict: .allow),
        Row(
            says: "no identity: no principal", policies: allow(allOf(from: [source(principals: ["*"])])),
            flow: fromOutside, verdict: .deny),
        Row(
            says: "no identity: every negation", policies: allow(allOf(from: [source(notPrincipals: ["*"])])),
            flow: fromOutside, verdict: .allow),
        Row(
            says: "no identity: denied by every negation",
            policies: deny(allOf(from: [source(notNamespaces: ["shop", "bank"])])), flow: fromOutside, verdict: .deny),
        Row(
            says: "another node has no identity", policies: deny(allOf(from: [source(namespaces: ["*"])])),
            flow: "192.168.0.2 10.0.0.1 tcp 80", verdict: .allow),
        Row(
            says: "all fields of a source",
            policies: allow(allOf(from: [source(namespaces: ["bank"], ipBlocks: ["10.0.0.0/24"])])), flow: fromBank,
            verdict: .deny),
        Row(
            says: "a block less another",
            policies: allow(allOf(from: [source(ipBlocks: ["10.0.0.0/8"], notIpBlocks: ["10.0.1.0/24"])])),
            flow: fromBank, verdict: .deny),
    ]

    private static let parts: [Row] = [
        Row(
            says: "a destination", policies: allow(allOf(when: [.init(key: .destinationIP, values: ["10.0.0.1"])])),
            flow: fromBank, verdict: .allow),
        Row(
            says: "a destination of the other family",
            policies: allow(allOf(when: [.init(key: .destinationIP, values: ["10.0.0.1"])])),
            flow: "fd00::11 fd00::1 tcp 80", verdict: .deny),
        Row(
            says: "not a destination",
            policies: deny(allOf(when: [.init(key: .destinationIP, notValues: ["10.0.0.0/24"])])),
            flow: "fd00::11 fd00::1 tcp 80", verdict: .deny),
        Row(
            says: "ports of condition and operation",
            policies: allow(
                allOf(to: [operation(ports: [80, 81])], when: [.init(key: .destinationPort, notValues: ["80"])])),
            flow: fromBank, verdict: .deny),
        Row(
            says: "unknown: allows nothing", policies: allow(allOf(unknown: ["?"])), flow: fromBank, verdict: .deny),
        Row(
            says: "unknown in one source: the other counts",
            policies: allow(
                allOf(from: [source(namespaces: ["bank"], unknown: ["?"]), source(namespaces: ["shop"])])),
            flow: fromBank, verdict: .deny),
        Row(
            says: "unknown: denies what else matches",
            policies: deny(allOf(from: [source(namespaces: ["bank"], unknown: ["?"])])), flow: fromBank, verdict: .deny),
        Row(
            says: "unknown: and no more", policies: deny(allOf(from: [source(namespaces: ["bank"], unknown: ["?"])])),
            flow: fromShop, verdict: .allow),
        Row(
            says: "a missing header",
            policies: deny(allOf(when: [.init(key: .header("x"), notValues: ["a"])])), flow: fromBank,
            request: OracleRequest(method: "GET", host: "api", path: "/"), verdict: .deny),
        Row(
            says: "hosts without case, with the port that was sent",
            policies: allow(allOf(to: [operation(hosts: ["API.shop"])])), flow: fromBank,
            request: OracleRequest(method: "GET", host: "api.SHOP:80", path: "/"), verdict: .deny),
        Row(
            says: "a path that servers read differently", policies: allow(allOf(to: [operation(paths: ["*"])])),
            flow: fromBank, request: OracleRequest(method: "GET", host: "api", path: "/a%2Fb"), verdict: .deny),
    ]

    private static let together: [Row] = [
        Row(says: "DENY before ALLOW", policies: allow(allOf()) + deny(allOf()), flow: fromBank, verdict: .deny),
        Row(
            says: "one ALLOW of several",
            policies: allow(allOf(from: [source(namespaces: ["bank"])])) + [AuthorizationPolicy("shop/nothing")],
            flow: fromBank, verdict: .allow),
        Row(says: "UDP is not judged", policies: allow(), flow: "10.0.1.1 10.0.0.1 udp 80", verdict: .allow),
        Row(says: "nor is ICMP", policies: allow(), flow: "10.0.1.1 10.0.0.1 icmp", verdict: .allow),
        Row(says: "nor the own node", policies: allow(), flow: "192.168.0.1 10.0.0.1 tcp 80", verdict: .allow),
        Row(says: "nor what the pod sends", policies: allow(), flow: "10.0.0.1 10.0.1.1 tcp 80", verdict: .allow),
        Row(says: "nor the pod itself", policies: allow(), flow: "10.0.0.1 10.0.0.1 tcp 80", verdict: .allow),
        Row(
            says: "tiers must allow as well", policies: allow(allOf()),
            others: [.networkPolicy(NetworkPolicy("shop/deny", [.ingress]))], flow: fromBank, verdict: .deny),
        Row(
            says: "both must allow", policies: allow(),
            others: [.networkPolicy(NetworkPolicy("shop/open", [.ingress], ingress: [rule()]))], flow: fromBank,
            verdict: .deny),
        Row(
            says: "a deny by packets needs no request",
            policies: deny(allOf(to: [operation(methods: ["GET"])]), allOf(from: [source(namespaces: ["bank"])])),
            flow: fromBank, verdict: .deny),
        Row(
            says: "a deny by requests before an allow by packets",
            policies: deny(allOf(to: [operation(methods: ["GET"])])) + allow(allOf()), flow: fromBank,
            verdict: .dependsOnRequest),
        Row(
            says: "an allow by packets before one by requests",
            policies: allow(allOf(to: [operation(methods: ["GET"])]), allOf()), flow: fromBank, verdict: .allow),
        Row(
            says: "of the root namespace",
            policies: [AuthorizationPolicy("istio-system/all", .deny, selects: ["app": "api"], [allOf()])],
            flow: fromBank, verdict: .deny),
        Row(
            says: "in audit nothing is denied",
            policies: [AuthorizationPolicy("shop/trial", .deny, [allOf()], enforcement: .audit)], flow: fromBank,
            verdict: .allow),
    ]
}
