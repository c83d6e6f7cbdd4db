// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import NetworkTypes
import PolicyCompiler
import PolicyModel
import Requests
import Testing

/// Authorization beside the tiers: both must allow, and rules that read the request hand flows to the proxy.
@Suite struct AuthorizationProgramTests {
    private static let everyTCP = PortMatch.ports([tcp(0, 65535)])
    private static let posts = RequestMatch(conditions: [RequestCondition(.method, [.text(.exact("POST"))])])

    private static func rule(
        _ name: String, _ action: RuleAction, _ peers: PeerMatch = .any, _ ports: PortMatch = everyTCP,
        request: RequestMatch? = nil
    ) -> ResolvedRule {
        let reference = PolicyReference(kind: "", namespace: "", name: name)
        return ResolvedRule(
            identity: .rule(reference, .ingress, index: 0, name: nil), action: action, peers: peers, ports: ports,
            request: request)
    }

    private static func authorization(_ rules: ResolvedRule...) -> ResolvedTier {
        ResolvedTier(tier: .authorization, rules: rules, otherwiseDeny: nil)
    }

    private static func isolated(_ rules: ResolvedRule...) -> ResolvedTier {
        let reference = PolicyReference(kind: "", namespace: "", name: "np")
        return ResolvedTier(
            tier: .networkPolicy, rules: rules, otherwiseDeny: .isolation(.ingress, by: [reference]))
    }

    private static func terms(_ terms: (sets: [UInt32], isExcluded: Bool)...) -> PeerMatch {
        .terms(terms.map { PeerTerm($0.sets.map(PeerSetID.init(rawValue:)), isExcluded: $0.isExcluded) })
    }

    private static func policy(_ tiers: [ResolvedTier], audit: [ResolvedTier]? = nil) -> CompiledPolicy {
        var compiler = PolicyCompiler()
        let endpoint = ResolvedEndpoint(
            name: EndpointName(namespace: "shop", name: "web"), addresses: [address("10.0.0.1")],
            ingress: ResolvedDirection(tiers: tiers, audit: audit), egress: ResolvedDirection())
        _ = compiler.compile(
            ResolvedChange([
                .add(1, .blocks("10.1.0.0/16", "10.3.0.0/16")), .add(2, .blocks("10.2.0.0/16", "10.3.0.0/16")),
                .endpoint(endpoint),
            ]))
        return compiler.compiled
    }

    /// Answers to 10.1.0.1 (in set 1), 10.2.0.1 (in set 2), 10.3.0.1 (in both) and 10.9.0.1 (in none).
    private static func answers(
        _ policy: CompiledPolicy, _ ipProtocol: IPProtocol = .tcp, request: HTTPRequest? = nil
    ) -> [String] {
        ["10.1.0.1", "10.2.0.1", "10.3.0.1", "10.9.0.1"].map { peer in
            let flow = Flow(
                source: address(peer), destination: address("10.0.0.1"), ipProtocol: ipProtocol, destinationPort: 80)
            let decision = policy.evaluate(flow, request: request)
            #expect(policy.allows(flow) == (policy.evaluate(flow).verdict == .allow))
            let name =
                switch decision.ingress?.identity {
                case .rule(let policy, _, _, _): policy.name
                case .isolation: "isolation"
                default: "nobody"
                }
            return "\(decision.verdict) \(name)" + (decision.ingress?.wouldDeny == nil ? "" : " would deny")
        }
    }

    static let rows: [(tiers: [ResolvedTier], answers: [String])] = [
        (
            [authorization(rule("d", .deny, sets(1)), rule("a", .allow, sets(2)), rule("z", .deny))],
            ["deny d", "allow a", "deny d", "deny z"]
        ),
        (
            // The tiers' denial stays, and their rule is named where both allow.
            [isolated(rule("n", .allow, sets(1))), authorization(rule("a", .allow, sets(1, 2)), rule("z", .deny))],
            ["allow n", "deny isolation", "allow n", "deny isolation"]
        ),
        (
            [isolated(rule("n", .allow)), authorization(rule("d", .deny, sets(2)))],
            ["allow n", "deny d", "deny d", "allow n"]
        ),
        (
            // In both sets; in one of them and not in the other; in neither.
            [
                authorization(
                    rule("both", .deny, terms(([1], false), ([2], false))),
                    rule("first", .deny, terms(([1], false), ([2], true))),
                    rule("neither", .deny, terms(([1, 2], true))))
            ], ["deny first", "allow nobody", "deny both", "deny neither"]
        ),
        (
            [authorization(rule("a", .allow, terms(([1], true), ([2], false))), rule("z", .deny))],
            ["deny z", "allow a", "deny z", "deny z"]
        ),
        (
            // An exclusion of no set excludes no peer; a term of no set matches no peer.
            [authorization(rule("d", .deny, terms(([], true), ([1], false))), rule("e", .deny, terms(([], false))))],
            ["deny d", "allow nobody", "deny d", "allow nobody"]
        ),
        (
            [
                authorization(
                    rule("d", .deny, sets(1), request: posts), rule("a", .allow, sets(1, 2)), rule("z", .deny))
            ], ["dependsOnRequest d", "allow a", "dependsOnRequest d", "deny z"]
        ),
        (
            [isolated(rule("n", .allow, sets(2))), authorization(rule("d", .deny, request: posts))],
            ["deny isolation", "dependsOnRequest d", "dependsOnRequest d", "deny isolation"]
        ),
    ]

    @Test(arguments: rows) func bothAnswersMustAllow(_ tiers: [ResolvedTier], _ answers: [String]) {
        #expect(Self.answers(Self.policy(tiers)) == answers)
    }

    @Test func otherProtocolsAreNotJudged() {
        let policy = Self.policy([Self.authorization(Self.rule("z", .deny))])
        #expect(Self.answers(policy, .udp) == [String](repeating: "allow nobody", count: 4))
        let both = Self.policy([Self.isolated(), Self.authorization(Self.rule("z", .deny))])
        #expect(Self.answers(both, .udp) == [String](repeating: "deny isolation", count: 4))
    }

    @Test func theRequestDecidesWhereARuleReadsIt() {
        let policy = Self.policy([
            Self.authorization(
                Self.rule("d", .deny, sets(1), request: Self.posts), Self.rule("a", .allow, sets(1, 2)),
                Self.rule("z", .deny))
        ])
        let (post, get) = (HTTPRequest(method: "POST"), HTTPRequest(method: "GET"))
        #expect(Self.answers(policy, request: post) == ["deny d", "allow a", "deny d", "deny z"])
        #expect(Self.answers(policy, request: get) == ["allow a", "allow a", "allow a", "deny z"])
    }

    @Test func anAuditOfAuthorizationTellsWhatItWouldDeny() {
        let inForce = [Self.authorization(Self.rule("a", .allow, sets(1, 2)), Self.rule("z", .deny))]
        let audited = [
            Self.authorization(
                Self.rule("d", .deny, sets(2)), Self.rule("a", .allow, sets(1, 2)), Self.rule("z", .deny))
        ]
        #expect(
            Self.answers(Self.policy(inForce, audit: audited)) == [
                "allow a", "allow a would deny", "allow a would deny", "deny z",
            ])
    }

    @Test func anAuditThatReadsRequestsSendsNoFlowToTheProxy() {
        let audited = [Self.authorization(Self.rule("d", .deny, request: Self.posts))]
        #expect(Self.answers(Self.policy([], audit: audited)) == [String](repeating: "allow nobody", count: 4))
    }

    @Test func aPodIsNeverKeptFromItself() {
        let policy = Self.policy([Self.authorization(Self.rule("d", .deny, request: Self.posts))])
        let flow = Flow(
            source: address("10.0.0.1"), destination: address("10.0.0.1"), ipProtocol: .tcp, destinationPort: 80)
        #expect(policy.evaluate(flow).verdict == .allow)
        #expect(policy.evaluate(flow, throughService: true).verdict == .allow)
    }
}
