// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyTranslation
import Testing
import WorldKit

@Suite struct AuthorizationPolicyTests {
    private static func policy(
        _ name: String = "shop/p", _ action: AuthorizationPolicy.Action = .allow,
        _ rules: [AuthorizationRule] = [AuthorizationRule()]
    ) -> AuthorizationPolicy {
        AuthorizationPolicy(
            metadata: ObjectMeta(namespaced: name), selector: .labels(["app": "web"]), action: action, rules: rules)
    }

    private static func source(_ change: (inout AuthorizationSource) -> Void) -> AuthorizationSource {
        var source = AuthorizationSource()
        change(&source)
        return source
    }

    private static func operation(_ change: (inout AuthorizationOperation) -> Void) -> AuthorizationOperation {
        var operation = AuthorizationOperation()
        change(&operation)
        return operation
    }

    private static func rules(
        _ rule: AuthorizationRule, _ action: AuthorizationPolicy.Action = .allow,
        mesh: MeshSettings = MeshSettings()
    ) -> [PolicyRule] {
        Policy(policy("shop/p", action, [rule]), mesh: mesh).ingress
    }

    @Test func subjectAndPlace() {
        let own = Policy(Self.policy(), mesh: MeshSettings())
        #expect(own.reference == PolicyReference(kind: "AuthorizationPolicy", namespace: "shop", name: "p"))
        #expect(own.layer == .authorization && own.isolates == [.ingress] && !own.isReport)
        #expect(own.subject == PodSubject(namespaces: .named("shop"), pods: .labels(["app": "web"])))
        #expect(
            own.ingress == [PolicyRule(action: .allow, ports: [.range(ProtocolPorts(.tcp, .all))], writtenIndex: 0)])
        let wide = Policy(Self.policy("istio-system/p", .deny), mesh: MeshSettings())
        #expect(wide.subject == PodSubject(namespaces: .selector(LabelSelector()), pods: .labels(["app": "web"])))
        #expect(wide.isolates.isEmpty && wide.ingress.map(\.action) == [.deny])
        let root = Policy(Self.policy("shop/p"), mesh: MeshSettings(rootNamespace: "shop"))
        #expect(root.subject.namespaces == .selector(LabelSelector()))
    }

    @Test func enforcement() {
        let audit = Policy(Self.policy("shop/p", .audit), mesh: MeshSettings())
        #expect(audit.isReport && audit.enforcement == .audit && audit.isolates.isEmpty)
        #expect(audit.ingress.map(\.action) == [.deny])
        var written = Self.policy()
        written.enforcement = .audit
        let trial = Policy(written, mesh: MeshSettings())
        #expect(!trial.isReport && trial.enforcement == .audit && trial.isolates == [.ingress])
    }

    /// A policy without rules still isolates if it allows.
    @Test func noRules() {
        let policy = Policy(Self.policy("shop/p", .allow, []), mesh: MeshSettings())
        #expect(policy.ingress.isEmpty && policy.isolates == [.ingress])
    }

    @Test func sourcesTimesOperations() {
        let rule = AuthorizationRule(
            sources: [Self.source { $0.namespaces = ["a"] }, Self.source { $0.namespaces = ["b"] }],
            operations: [Self.operation { $0.ports = [80] }, Self.operation { $0.methods = ["GET"] }])
        let policy = Policy(Self.policy("shop/p", .allow, [AuthorizationRule(), rule]), mesh: MeshSettings())
        #expect(policy.ingress.map(\.writtenIndex) == [0, 1, 1, 1, 1])
        #expect(policy.ingress.map { $0.conditions.count } == [0, 1, 1, 1, 1])
        #expect(policy.ingress.map { $0.request == nil } == [true, true, false, true, false])
    }

    struct Peers: Sendable, CustomStringConvertible {
        var source: AuthorizationSource
        var means: [PeerCondition]
        var description: String { "\(source)" }
    }

    @Test(arguments: [
        Peers(
            source: source { $0.namespaces = ["a", "b*"] },
            means: [
                PeerCondition([
                    .identity(PodIdentity(namespace: .exact("a"))), .identity(PodIdentity(namespace: .prefix("b"))),
                ])
            ]),
        Peers(
            source: source { $0.notNamespaces = ["*a"] },
            means: [PeerCondition([.identity(PodIdentity(namespace: .suffix("a")))], isExcluded: true)]),
        Peers(
            source: source { $0.serviceAccounts = ["cart", "bank/teller"] },
            means: [
                PeerCondition([
                    .identity(PodIdentity(namespace: .exact("shop"), account: .exact("cart"))),
                    .identity(PodIdentity(namespace: .exact("bank"), account: .exact("teller"))),
                ])
            ]),
        Peers(
            source: source {
                $0.ipBlocks = [CIDR.loopback[0]]
                $0.notIpBlocks = [CIDR.loopback[1]]
            },
            means: [
                PeerCondition([.block(AddressBlock(cidr: CIDR.loopback[0]))]),
                PeerCondition([.block(AddressBlock(cidr: CIDR.loopback[1]))], isExcluded: true),
            ]),
        Peers(source: source { $0.principals = ["elsewhere/ns/a/sa/b"] }, means: [PeerCondition([])]),
    ])
    func peers(row: Peers) {
        #expect(Self.rules(AuthorizationRule(sources: [row.source])).map(\.conditions) == [row.means])
    }

    /// `namespace account` that a principal reads; nil: none.
    @Test(
        arguments: [
            ("td/ns/a/sa/b", "a b"), ("other/ns/a/sa/b", nil), ("td/ns/a/sa/", nil), ("td/ns//sa/b", nil),
            ("td/ns/a/sa/b/c", nil), ("td/ns/a", nil), ("*", "* *"), ("t*", "* *"), ("td/ns/*", "* *"), ("x*", nil),
            ("td/ns/a*", "a* *"), ("td/ns/a/*", "a *"), ("td/ns/a/s*", "a *"), ("td/ns/a/sa/*", "a *"),
            ("td/ns/a/sb*", nil), ("td/ns/a/sa/b*", "a b*"), ("td/ns/a/sa/b/*", nil), ("td/ns//*", nil), ("*b", "* *b"),
            ("*/b", "* b"), ("*a/b", "* b"), ("*/sa/b", "* b"), ("*x/b", nil), ("*y/sa/b", "*y b"), ("*/y/sa/b", "y b"),
            ("*/ns/y/sa/b", "y b"), ("*d/ns/y/sa/b", "y b"), ("*e/ns/y/sa/b", nil), ("*/sa/", nil), ("*//sa/b", nil),
        ] as [(String, String?)])
    func principals(text: String, identity: String?) {
        let rules = Self.rules(
            AuthorizationRule(sources: [Self.source { $0.principals = [text] }]),
            mesh: MeshSettings(trustDomains: ["td"]))
        let found = rules.flatMap(\.conditions).flatMap(\.peers).map { peer in
            guard case .identity(let identity) = peer else { return "\(peer)" }
            return "\(identity.namespace.written) \(identity.account.written)"
        }
        #expect(found == (identity.map { [$0] } ?? []))
    }

    @Test func trustDomainAliases() {
        let rule = AuthorizationRule(sources: [Self.source { $0.principals = ["old/ns/a/sa/b", "*/sa/c"] }])
        let peers = Self.rules(rule, mesh: MeshSettings(trustDomains: ["new", "old"])).flatMap(\.conditions)
        #expect(
            peers == [
                PeerCondition([
                    .identity(PodIdentity(namespace: .exact("a"), account: .exact("b"))),
                    .identity(PodIdentity(account: .exact("c"))),
                ])
            ])
    }

    @Test(
        arguments: [
            ([], [], [], [], "0-65535"), ([80, 8080], [], [], [], "80 8080"), ([], [80, 0], [], [], "1-79 81-65535"),
            ([80], [80], [], [], ""), ([80, 81], [], [81], [], "81"), ([], [65535], [], [0], "1-65534"),
        ] as [([UInt16], [UInt16], [UInt16], [UInt16], String)])
    func ports(ports: [UInt16], notPorts: [UInt16], values: [UInt16], notValues: [UInt16], text: String) {
        var rule = AuthorizationRule(
            operations: [
                Self.operation {
                    $0.ports = ports
                    $0.notPorts = notPorts
                }
            ])
        rule.conditions = [
            AuthorizationCondition(
                key: .destinationPort, values: values.map { "\($0)" }, notValues: notValues.map { "\($0)" })
        ]
        let found = Self.rules(rule).flatMap { $0.ports ?? [] }.map { port -> String in
            guard case .range(let range) = port, range.ipProtocol == .tcp else { return "\(port)" }
            return "\(range.range)"
        }
        #expect(found.joined(separator: " ") == text)
    }

    @Test func requests() {
        let operation = Self.operation {
            $0.methods = ["GET", "PO*"]
            $0.notHosts = ["*.Example.com"]
            $0.paths = ["/a/{*}/{**}/c", "*.html"]
        }
        let header = AuthorizationCondition(key: .header("x-token"), values: ["*"], notValues: ["no"])
        let rules = Self.rules(AuthorizationRule(operations: [operation], conditions: [header]))
        #expect(
            rules.map(\.request) == [
                RequestMatch(conditions: [
                    RequestCondition(.method, [.text(.exact("GET")), .text(.prefix("PO"))]),
                    RequestCondition(.host, [.text(.suffix(".example.com"))], isExcluded: true),
                    RequestCondition(
                        .path,
                        [.template([.literal("a"), .one, .any, .literal("c")]), .text(.suffix(".html"))]),
                    RequestCondition(.header("x-token"), [.text(.present)]),
                    RequestCondition(.header("x-token"), [.text(.exact("no"))], isExcluded: true),
                ])
            ])
    }

    @Test func conditions() throws {
        let block = AddressBlock(cidr: try CIDR("10.0.0.1/32"))
        let rules = Self.rules(
            AuthorizationRule(conditions: [
                AuthorizationCondition(key: .sourceIP, values: ["10.0.0.1"]),
                AuthorizationCondition(key: .destinationIP, values: ["10.0.0.0/8"], notValues: ["10.0.0.1"]),
                AuthorizationCondition(key: .sourceServiceAccount, notValues: ["a"]),
            ]))
        #expect(
            rules.map(\.conditions) == [
                [
                    PeerCondition([.block(block)]),
                    PeerCondition(
                        [.identity(PodIdentity(namespace: .exact("shop"), account: .exact("a")))], isExcluded: true),
                ]
            ])
        #expect(
            rules.map(\.destinations) == [
                [
                    DestinationCondition([try CIDR("10.0.0.0/8")]),
                    DestinationCondition([try CIDR("10.0.0.1/32")], isExcluded: true),
                ]
            ])
    }

    /// A part that is not understood allows nothing, and denies whatever its other fields match.
    @Test func unknownParts() {
        let closed = Self.source {
            $0.namespaces = ["a"]
            $0.unknown = ["?"]
        }
        let rule = AuthorizationRule(sources: [closed, Self.source { $0.namespaces = ["b"] }])
        #expect(Self.rules(rule).map(\.conditions.count) == [1])
        #expect(Self.rules(rule, .deny).map(\.conditions.count) == [1, 1])
        #expect(Self.rules(rule, .audit).count == 2)
        let whole = AuthorizationRule(
            conditions: [AuthorizationCondition(key: .unreadable("remote.ip"), values: ["10.0.0.1"])], unknown: ["?"])
        #expect(Self.rules(whole).isEmpty)
        #expect(Self.rules(whole, .deny).map(\.conditions) == [[]])
        var policy = Self.policy()
        policy.unknown = ["?"]
        let translated = Policy(policy, mesh: MeshSettings())
        #expect(translated.ingress.isEmpty && translated.isolates == [.ingress] && translated.unknown == ["?"])
    }
}
