// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import NetworkTypes
import PolicyCompiler
import PolicyModel
import Testing

/// Rules to cells, and what a step changes.
@Suite struct PolicyCompilerProgramTests {
    private struct Scene {
        var compiler = PolicyCompiler()
        private(set) var delta = CompiledDelta()

        init(_ parts: [Part]) { delta = compiler.compile(ResolvedChange(parts)) }

        @discardableResult mutating func callAsFunction(_ parts: Part...) -> CompiledDelta {
            delta = compiler.compile(ResolvedChange(parts))
            return delta
        }

        var policy: CompiledPolicy { compiler.compiled }

        func endpoint(_ name: String) -> CompiledEndpoint? { policy.endpoints.values.first { $0.name.name == name } }

        /// What the pod "web" answers `peer` on a TCP port, and by which rule: "allow a".
        func answer(_ peer: String, _ port: UInt16) -> String {
            guard let id = endpoint("web")?.ingress, let program = policy.programs[id] else { return "open" }
            let entry = policy.addresses.entry(of: address(peer))
            let flow = Flow(
                source: address(peer), destination: address("10.0.0.1"), ipProtocol: .tcp, destinationPort: port)
            let cell = program.cell(entry.addressClass, policy.portClass(of: flow))
            let name =
                switch policy.rules[cell.rule]?.identity {
                case .rule(let policy, _, _, _): policy.name
                case .isolation: "isolation"
                default: "nobody"
                }
            return "\(cell.verdict) \(name)" + (cell.wouldDeny ? " would deny" : "")
        }
    }

    private static func rule(
        _ name: String, _ action: RuleAction, _ peers: PeerMatch = .any, _ ports: PortMatch = .any
    ) -> ResolvedRule {
        let reference = PolicyReference(kind: "", namespace: "", name: name)
        return ResolvedRule(
            identity: .rule(reference, .ingress, index: 0, name: nil), action: action, peers: peers, ports: ports)
    }

    private static func tier(_ tier: Tier, isolates: Bool = false, _ rules: ResolvedRule...) -> ResolvedTier {
        let reference = PolicyReference(kind: "", namespace: "", name: "isolation")
        return ResolvedTier(
            tier: tier, rules: rules, otherwiseDeny: isolates ? .isolation(.ingress, by: [reference]) : nil)
    }

    private static func pod(
        _ tiers: [ResolvedTier], audit: [ResolvedTier]? = nil, named name: String = "web", at text: String = "10.0.0.1"
    ) -> Part {
        .endpoint(
            ResolvedEndpoint(
                name: EndpointName(namespace: "shop", name: name), addresses: [address(text)],
                ingress: ResolvedDirection(tiers: tiers, audit: audit), egress: ResolvedDirection()))
    }

    /// Peers 10.1.0.1 in set 1, 10.2.0.1 in set 2, 10.3.0.1 in both.
    private static let peers: [Part] = [
        .add(1, .blocks("10.1.0.0/16", "10.3.0.0/16")), .add(2, .blocks("10.2.0.0/16", "10.3.0.0/16")),
    ]

    // MARK: Cells

    static let rows: [(tiers: [ResolvedTier], answers: [String])] = [
        // Answers to 10.1.0.1, 10.2.0.1, 10.3.0.1 and 10.9.0.1, on port 80.
        ([tier(.admin, rule("a", .deny, sets(1)))], ["deny a", "allow nobody", "deny a", "allow nobody"]),
        (
            [tier(.admin, rule("a", .allow, sets(1)), rule("b", .deny, sets(2)))],
            ["allow a", "deny b", "allow a", "allow nobody"]
        ),
        (
            [tier(.networkPolicy, isolates: true, rule("a", .allow, sets(1)))],
            ["allow a", "deny isolation", "allow a", "deny isolation"]
        ),
        (
            [tier(.networkPolicy, isolates: true, rule("a", .allow, sets(1), .ports([tcp(443)])))],
            ["deny isolation", "deny isolation", "deny isolation", "deny isolation"]
        ),
        (
            [
                tier(.admin, rule("a", .pass, sets(1)), rule("b", .allow)),
                tier(.networkPolicy, isolates: true, rule("c", .allow, sets(2))),
            ], ["deny isolation", "allow b", "allow c", "allow b"]
        ),
        (
            [
                tier(.admin, rule("a", .pass)), tier(.networkPolicy, isolates: true, rule("b", .allow, sets(1))),
                tier(.baseline, rule("c", .deny)),
            ], ["allow b", "deny isolation", "allow b", "deny isolation"]
        ),
        (
            [tier(.baseline, rule("a", .deny, sets(1, 2), .ports([tcp(80, 90)])))],
            ["deny a", "deny a", "deny a", "allow nobody"]
        ),
        (
            [tier(.admin, rule("a", .deny, .sets([])))],
            ["allow nobody", "allow nobody", "allow nobody", "allow nobody"]
        ),
        (
            [tier(.admin, rule("a", .deny, .any, .ports([])))],
            ["allow nobody", "allow nobody", "allow nobody", "allow nobody"]
        ),
    ]

    @Test(arguments: rows) func theFirstMatchThroughTheTiersDecides(_ tiers: [ResolvedTier], _ answers: [String]) {
        let scene = Scene(Self.peers + [Self.pod(tiers)])
        #expect(["10.1.0.1", "10.2.0.1", "10.3.0.1", "10.9.0.1"].map { scene.answer($0, 80) } == answers)
    }

    @Test func whatAnAuditWouldDenyIsAllowed() {
        let inForce = [Self.tier(.admin, Self.rule("a", .allow, sets(1)))]
        let audited = [Self.tier(.admin, Self.rule("b", .deny, sets(2)), Self.rule("a", .allow, sets(1)))]
        let scene = Scene(Self.peers + [Self.pod(inForce, audit: audited)])
        #expect(
            ["10.1.0.1", "10.2.0.1", "10.3.0.1", "10.9.0.1"].map { scene.answer($0, 80) } == [
                "allow a", "allow b would deny", "allow b would deny", "allow nobody",
            ])
    }

    // MARK: Steps

    private static let isolated = [tier(.networkPolicy, isolates: true, rule("a", .allow, sets(1), .ports([tcp(80)])))]

    @Test func equalRulesAreOneProgramAndItLivesAStepLonger() {
        var scene = Scene(
            Self.peers + [Self.pod(Self.isolated), Self.pod(Self.isolated, named: "api", at: "10.0.0.2")])
        #expect(scene.delta.addedPrograms.count == 1 && scene.delta.addedEndpoints.count == 2)
        let program = scene.endpoint("web")?.ingress
        #expect(program == scene.endpoint("api")?.ingress)
        scene(.endpointRemoved("web"))
        #expect(scene.delta.removedEndpoints.count == 1 && scene.delta.removedPrograms.isEmpty)
        scene(.endpointRemoved("api"))
        #expect(scene.delta.removedPrograms.isEmpty && scene.compiler.needsSettling)
        scene()
        #expect(scene.delta.removedPrograms == [program] && scene.policy.programs.isEmpty)
        #expect(scene.policy.rules.keys.sorted() == [.noPolicy])
    }

    @Test func otherRulesTurnAnEndpointAndOtherAddressesReplaceIt() {
        var scene = Scene(Self.peers + [Self.pod(Self.isolated)])
        let number = scene.policy.addresses.entry(of: address("10.0.0.1")).endpoint
        scene(Self.pod([Self.tier(.admin, Self.rule("b", .deny))]))
        #expect(scene.delta.changedEndpoints == [number] && scene.delta.addresses.isEmpty)
        scene(Self.pod(Self.isolated, at: "10.0.0.7"))
        #expect(scene.delta.removedEndpoints == [number] && scene.delta.addedEndpoints.count == 1)
        #expect(scene.policy.addresses.entry(of: address("10.0.0.1")) == .none)
    }

    /// One store of its address entry brings a pod's class and programs together: it gets a new number.
    @Test(arguments: [
        ([Part.group(7, [4])], true), ([.join(3, "10.0.0.0/24")], true), ([.join(3, "10.9.0.0/24")], false),
        ([], false),
    ])
    func aPodThatChangesClassAndProgramsGetsANewNumber(_ parts: [Part], isNew: Bool) {
        var scene = Scene(
            Self.peers + [
                .add(3, .nodes("192.168.0.1/32")), .add(4, .pods), .group(7, [3]), .addresses(["10.0.0.1"], 7),
                Self.pod(Self.isolated),
            ])
        let delta = scene.compiler.compile(
            ResolvedChange(parts + [Self.pod([Self.tier(.admin, Self.rule("b", .deny))])]))
        #expect(delta.addedEndpoints.isEmpty == !isNew)
        #expect(delta.changedEndpoints.isEmpty == isNew)
    }

    /// A set that no program in force names splits classes unseen; the new program comes after.
    @Test func aNewSetIsInvisible() {
        var scene = Scene(Self.peers + [Self.pod(Self.isolated)])
        let before = scene.answer("10.1.2.3", 80)
        scene(.add(3, .blocks("10.1.2.0/24")))
        #expect(scene.delta.addresses.map { "\($0.prefix)" } == ["10.1.2.0/24"])
        #expect(scene.delta.invisibleAddressCount == 1 && scene.delta.addedAddressClasses.count == 1)
        #expect(scene.answer("10.1.2.3", 80) == before)
    }

    // MARK: Members that change

    private static func manyPrograms() -> Scene {
        let pods = (0..<100).map { number in
            let port = PortMatch.ports([tcp(UInt16(1000 + number))])
            return pod(
                [tier(.admin, rule("n\(number)", .deny, sets(2), port), rule("o\(number)", .allow, sets(1)))],
                named: "web\(number)", at: "10.0.1.\(number)")
        }
        let described: [Part] = [
            .add(1, .ownNode("127.0.0.0/8", "192.168.0.1/32", "::1/128")),
            .add(2, .nodes("127.0.0.0/8", "192.168.0.1/32", "192.168.0.2/32", "::1/128")),
        ]
        return Scene(described + pods + [Self.pod([tier(.admin, rule("a", .deny, sets(2)))])])
    }

    static let memberRows: [(change: [Part], entries: [String], peer: String, before: String, after: String)] = [
        ([.join(2, "192.168.0.3/32")], ["192.168.0.3/32"], "192.168.0.3", "allow nobody", "deny a"),
        ([.leave(2, "192.168.0.2/32")], ["192.168.0.2/32"], "192.168.0.2", "deny a", "allow nobody"),
        // A Service's address on this node.
        (
            [.join(1, "172.20.0.1/32"), .join(2, "172.20.0.1/32")], ["172.20.0.1/32"], "172.20.0.1", "allow nobody",
            "deny a"
        ),
        // This node, by its labels.
        (
            [.leave(2, "127.0.0.0/8"), .leave(2, "192.168.0.1/32"), .leave(2, "::1/128")],
            ["192.168.0.1/32", "::1/128", "127.0.0.0/8"], "127.0.0.1", "deny a", "allow nobody"
        ),
    ]

    @Test(arguments: memberRows)
    func aMemberIsAnAddressEntry(
        _ change: [Part], _ entries: [String], _ peer: String, _ before: String, _ after: String
    ) {
        var scene = Self.manyPrograms()
        #expect(scene.policy.programs.count == 101)
        #expect(scene.answer(peer, 80) == before)
        let rules = scene.policy.rules
        var delta = scene.compiler.compile(ResolvedChange(change))
        #expect(scene.answer(peer, 80) == after)
        #expect(delta.addresses.map { "\($0.prefix)" } == entries)
        #expect(delta.invisibleAddressCount == 0)
        delta.addresses = []
        delta.addedAddressClasses = []
        delta.removedAddressClasses = []
        delta.changesOwnNodeClass = false
        #expect(delta.isEmpty, "no program, rule or endpoint")
        #expect(scene.policy.rules == rules)
    }

    /// The key of a set is found again after its members changed.
    @Test func keysDoNotFollowMembers() {
        func keys(_ blocks: String...) -> Set<StableKey> {
            let scene = Scene([
                .add(1, PeerSetDescription(description: "own node", blocks: blocks.map(block), isOwnNode: true)),
                Self.pod([Self.tier(.admin, Self.rule("a", .deny, sets(1)))]),
            ])
            return Set(scene.policy.addressClasses.values.map(\.key) + scene.policy.programs.values.map(\.key))
        }
        #expect(keys("127.0.0.0/8", "::1/128") == keys("127.0.0.0/8", "192.168.0.9/32", "::1/128"))
        #expect(StableKey(.nodes("10.0.0.1/32")) == StableKey(.nodes("10.0.0.2/32")))
        #expect(StableKey(.blocks("10.0.0.1/32")) != StableKey(PeerSetDescription(description: "10.0.0.1/32")))
    }
}
