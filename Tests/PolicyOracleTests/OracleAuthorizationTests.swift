// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyOracle
import Testing
import WorldKit

/// The oracle against Istio's reference of AuthorizationPolicy, a row for each sentence. All on node n1, cluster
/// `Cluster.base`, where every pod has the account `default` but shop/api, which has `api`.
struct OracleAuthorizationTests {
    struct Row: Sendable, CustomTestStringConvertible {
        var says: String
        var policies: [AuthorizationPolicy]
        /// "source destination protocol port".
        var flow = OracleAuthorizationTests.fromAPI
        /// "METHOD path", with "name:value" for each header after that; host is `web`.
        var request: String?
        var verdict: OracleVerdict.Answer
        var wouldDeny = false
        var others: [KubernetesObject] = []
        var settings = OracleSettings()
        var testDescription: String { "\(says): \(flow) \(request ?? "")" }
    }

    static let fromAPI = "10.0.2.1 10.0.1.1 tcp 80"
    static let fromBare = "10.0.2.2 10.0.1.1 tcp 80"
    static let fromOutside = "8.8.8.8 10.0.1.1 tcp 80"

    @Test(arguments: Row.rules + Row.exempt) func rulesAndWhatIsExempt(_ row: Row) { check(row) }
    @Test(arguments: Row.sources + Row.operations) func sourcesAndOperations(_ row: Row) { check(row) }
    @Test(arguments: Row.conditions + Row.paths) func conditionsAndPaths(_ row: Row) { check(row) }
    @Test(arguments: Row.unknown + Row.audit) func unknownPartsAndAudit(_ row: Row) { check(row) }

    private func check(_ row: Row) {
        var cluster = Cluster.base
        cluster.change("shop", "api") { $0.serviceAccountName = "api" }
        let objects = cluster.objects + row.others + row.policies.map(KubernetesObject.authorizationPolicy)
        let oracle = Oracle(objects: objects, nodeName: "n1", settings: row.settings)
        let verdict = oracle.verdict(flow(row.flow), request: row.request.map(Self.request))
        #expect(verdict.verdict == row.verdict, "\(row.says): \(verdict)")
        #expect(verdict.ingressWouldDeny == row.wouldDeny, "\(row.says): \(verdict)")
    }

    private static func request(_ text: String) -> OracleRequest {
        let words = text.split(separator: " ").map(String.init)
        var request = OracleRequest(method: words[0], host: "web", path: words[1])
        for word in words.dropFirst(2) {
            let parts = word.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            request.headers[parts[0]] = parts[1]
        }
        return request
    }
}

/// One policy for shop/web.
private func only(
    _ action: AuthorizationPolicy.Action = .allow, _ rules: AuthorizationRule..., audit: Bool = false,
    unknown: [String] = []
) -> [AuthorizationPolicy] {
    [
        AuthorizationPolicy(
            "shop/p", action, selects: ["app": "web"], rules, enforcement: audit ? .audit : .enforce, unknown: unknown)
    ]
}

private func when(
    _ key: AuthorizationCondition.Key, _ values: [String] = [], not notValues: [String] = []
) -> AuthorizationRule {
    allOf(when: [AuthorizationCondition(key: key, values: values, notValues: notValues)])
}

extension OracleAuthorizationTests.Row {
    typealias Tests = OracleAuthorizationTests

    static let rules: [Self] = [
        .init(says: "no policy", policies: [], verdict: .allow),
        .init(says: "ALLOW, rules missing or empty", policies: only(), verdict: .deny),
        .init(says: "ALLOW, [{}]", policies: only(.allow, allOf()), verdict: .allow),
        .init(says: "DENY, rules missing or empty", policies: only(.deny), verdict: .allow),
        .init(says: "DENY, [{}]", policies: only(.deny, allOf()), verdict: .deny),
        .init(says: "AUDIT, rules empty", policies: only(.audit), verdict: .allow),
        .init(says: "DENY before ALLOW", policies: only(.allow, allOf()) + [deny(allOf())], verdict: .deny),
        .init(
            says: "DENY that does not match", policies: [deny(allOf(from: [source(namespaces: ["bank"])]))],
            verdict: .allow),
        .init(
            says: "DENY that does not match, and ALLOW neither",
            policies: only() + [deny(allOf(from: [source(namespaces: ["bank"])]))], verdict: .deny),
        .init(says: "one of several ALLOW policies", policies: only() + [open], verdict: .allow),
        .init(
            says: "one of several rules",
            policies: only(.allow, allOf(to: [operation(ports: [1])]), allOf(to: [operation(ports: [80])])),
            verdict: .allow),
        .init(
            says: "of another workload", policies: [AuthorizationPolicy("shop/p", selects: ["app": "db"])],
            verdict: .allow),
        .init(says: "of another namespace", policies: [AuthorizationPolicy("bare/p")], verdict: .allow),
        .init(says: "of the root namespace", policies: [AuthorizationPolicy("istio-system/p")], verdict: .deny),
        .init(
            says: "of the root namespace, by a setting", policies: [AuthorizationPolicy("bare/p")], verdict: .deny,
            settings: OracleSettings(rootNamespace: "bare")),
        .init(
            says: "the usual root namespace is no other one then", policies: [AuthorizationPolicy("istio-system/p")],
            verdict: .allow, settings: OracleSettings(rootNamespace: "bare")),
        .init(
            says: "tiers must allow as well", policies: [open], verdict: .deny,
            others: [.networkPolicy(webPolicy("in", [.ingress]))]),
        .init(
            says: "and so must authorization", policies: only(), verdict: .deny,
            others: [.networkPolicy(webPolicy("in", [.ingress], ingress: [rule()]))]),
    ]

    private static let open = AuthorizationPolicy("shop/open", .allow, [allOf()])
    private static func deny(_ rules: AuthorizationRule...) -> AuthorizationPolicy {
        AuthorizationPolicy("shop/d", .deny, selects: ["app": "web"], rules)
    }

    static let exempt: [Self] = [
        .init(says: "UDP", policies: only(), flow: "10.0.2.1 10.0.1.1 udp 80", verdict: .allow),
        .init(says: "SCTP", policies: only(.deny, allOf()), flow: "10.0.2.1 10.0.1.1 sctp 80", verdict: .allow),
        .init(says: "ICMP", policies: only(), flow: "10.0.2.1 10.0.1.1 icmp", verdict: .allow),
        .init(says: "the own node", policies: only(), flow: "192.168.0.1 10.0.1.1 tcp 80", verdict: .allow),
        .init(
            says: "the own node, DENY", policies: only(.deny, allOf()), flow: "fd01::1 fd00::11 tcp 80",
            verdict: .allow),
        .init(says: "another node", policies: only(), flow: "192.168.0.2 10.0.1.1 tcp 80", verdict: .deny),
        .init(
            says: "itself", policies: only(.deny, allOf()), flow: "10.0.1.1 10.0.1.1 tcp 80", verdict: .allow),
        .init(says: "what the pod sends", policies: only(), flow: "10.0.1.1 10.0.2.1 tcp 80", verdict: .allow),
        .init(
            says: "a pod of another node", policies: [AuthorizationPolicy("shop/p")], flow: "8.8.8.8 10.0.2.1 tcp 80",
            verdict: .allow),
        .init(
            says: "the node's own pods", policies: [AuthorizationPolicy("shop/p")], flow: "8.8.8.8 192.168.0.1 tcp 80",
            verdict: .allow),
        .init(
            says: "the own node, whatever the request",
            policies: only(.allow, allOf(to: [operation(methods: ["GET"])])),
            flow: "192.168.0.1 10.0.1.1 tcp 80", request: "PUT /", verdict: .allow),
    ]

    static let sources: [Self] = [
        from("a principal", principals: ["cluster.local/ns/shop/sa/api"], .allow),
        from("another account", principals: ["cluster.local/ns/shop/sa/web"], .deny),
        from("another trust domain", principals: ["other/ns/shop/sa/api"], .deny),
        from("its beginning", principals: ["cluster.local/ns/shop/*"], .allow),
        from("its end", principals: ["*/sa/api"], .allow),
        from("any identity", principals: ["*"], .allow),
        from("any identity, of an address without", principals: ["*"], flow: Tests.fromOutside, .deny),
        from("not any identity, of an address without", notPrincipals: ["*"], flow: Tests.fromOutside, .allow),
        from("not any identity", notPrincipals: ["*"], .deny),
        from("an address without identity is in no namespace", namespaces: ["*"], flow: Tests.fromOutside, .deny),
        from("nor is another node", namespaces: ["*"], flow: "192.168.0.2 10.0.1.1 tcp 80", .deny),
        from(
            "an address without identity is not in a namespace", notNamespaces: ["shop"], flow: Tests.fromOutside,
            .allow),
        from("it is no account", notAccounts: ["shop/api"], flow: Tests.fromOutside, .allow),
        from("a namespace", namespaces: ["shop"], .allow),
        from("another namespace", namespaces: ["shop"], flow: Tests.fromBare, .deny),
        from("not a namespace", notNamespaces: ["bare"], .allow),
        from("not this namespace", notNamespaces: ["sh*"], .deny),
        from("an account of the policy's namespace", accounts: ["api"], .allow),
        from("an account of a namespace", accounts: ["bare/default"], flow: Tests.fromBare, .allow),
        from("an account of that name elsewhere", accounts: ["default"], flow: Tests.fromBare, .deny),
        from("not an account", notAccounts: ["api"], .deny),
        from("an address", blocks: ["10.0.2.1/32"], .allow),
        from("a block", blocks: ["8.0.0.0/8"], flow: Tests.fromOutside, .allow),
        from("not a block", notBlocks: ["8.0.0.0/8"], flow: Tests.fromOutside, .deny),
        from("a block of the other family", blocks: ["0.0.0.0/0"], flow: "fd00::21 fd00::11 tcp 80", .deny),
        from("all fields", namespaces: ["shop"], blocks: ["10.0.2.2/32"], .deny),
        .init(
            says: "an alias of the trust domain",
            policies: only(.allow, allOf(from: [source(principals: ["old/ns/shop/sa/api"])])), verdict: .allow,
            settings: OracleSettings(trustDomains: ["cluster.local", "old"])),
        .init(
            says: "one of several sources",
            policies: only(.allow, allOf(from: [source(namespaces: ["x"]), source(ipBlocks: ["10.0.2.1/32"])])),
            verdict: .allow),
    ]

    private static func from(
        _ says: String, principals: [String] = [], notPrincipals: [String] = [], namespaces: [String] = [],
        notNamespaces: [String] = [], accounts: [String] = [], notAccounts: [String] = [], blocks: [String] = [],
        notBlocks: [String] = [], flow: String = Tests.fromAPI, _ verdict: OracleVerdict.Answer
    ) -> Self {
        let part = source(
            principals: principals, notPrincipals: notPrincipals, namespaces: namespaces, notNamespaces: notNamespaces,
            serviceAccounts: accounts, notServiceAccounts: notAccounts, ipBlocks: blocks, notIpBlocks: notBlocks)
        return .init(says: says, policies: only(.allow, allOf(from: [part])), flow: flow, verdict: verdict)
    }
}
