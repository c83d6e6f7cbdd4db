// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyTranslation
import Testing
import WorldKit

@Suite struct TierPolicyTests {
    private static let web = LabelSelector(matchLabels: ["app": "web"])
    private static let team = LabelSelector(matchLabels: ["team": "a"])
    private static let blocks = CIDR.loopback

    private static func policy(_ rules: [TierRule]) -> TierPolicy {
        TierPolicy("g", ingress: rules)
    }

    struct Place: Sendable, CustomStringConvertible {
        var kind: TierPolicy.Kind
        var tier: TierPolicy.Tier
        var layer: Tier
        var description: String { "\(kind) \(tier)" }
    }

    @Test(arguments: [
        Place(kind: .clusterNetworkPolicy, tier: .admin, layer: .admin),
        Place(kind: .clusterNetworkPolicy, tier: .baseline, layer: .baseline),
        Place(kind: .adminNetworkPolicy, tier: .admin, layer: .admin),
        Place(kind: .baselineAdminNetworkPolicy, tier: .baseline, layer: .baseline),
    ])
    func subjectAndPlace(row: Place) {
        let policy = Policy(
            TierPolicy(
                "g", row.tier, 7, kind: row.kind, subject: PodSelection(namespaces: Self.team, pods: Self.web),
                enforcement: .audit))
        #expect(policy.reference == PolicyReference(kind: row.kind.rawValue, namespace: "", name: "g"))
        #expect(policy.layer == row.layer && policy.priority == 7 && policy.isolates.isEmpty)
        #expect(policy.subject == PodSubject(namespaces: .selector(Self.team), pods: Self.web))
        #expect(policy.enforcement == .audit)
    }

    struct Rule: Sendable, CustomStringConvertible {
        var says: String
        var written: TierRule
        var means: PolicyRule
        var description: String { says }
    }

    private static let allPods = PodSubject(namespaces: .selector(LabelSelector()), pods: LabelSelector())

    @Test(arguments: [
        Rule(
            says: "accept is allow, and every port is every port",
            written: TierRule(name: "a", action: .accept, peers: [.pods(PodSelection())]),
            means: PolicyRule(name: "a", action: .allow, peers: [.pods(allPods)], ports: nil)),
        Rule(
            says: "no known port matches nothing",
            written: TierRule(action: .deny, peers: [.nodes(web)], ports: []),
            means: PolicyRule(action: .deny, peers: [.nodes(web)], ports: [])),
        Rule(
            says: "each network is a block",
            written: TierRule(action: .pass, peers: [.networks(blocks)]),
            means: PolicyRule(action: .pass, peers: blocks.map { .block(AddressBlock(cidr: $0)) })),
        Rule(
            says: "a named port has any protocol",
            written: TierRule(
                action: .accept, peers: [.nodes(web)], ports: [.range(.udp, PortRange(53)), .named("dns")]),
            means: PolicyRule(
                action: .allow, peers: [.nodes(web)],
                ports: [
                    .range(ProtocolPorts(.udp, PortRange(53))), .named("dns", .tcp), .named("dns", .udp),
                    .named("dns", .sctp),
                ])),
        Rule(
            says: "accept with an unknown peer allows the known ones alone",
            written: TierRule(action: .accept, peers: [], unknown: ["spec.ingress[0].from[0]: not known"]),
            means: PolicyRule(action: .allow, peers: [])),
        Rule(
            says: "deny with an unknown peer denies everything",
            written: TierRule(name: "d", action: .deny, peers: [.nodes(web)], ports: [], unknown: ["x"]),
            means: PolicyRule(name: "d", action: .deny)),
        Rule(
            says: "pass with an unknown peer denies everything",
            written: TierRule(action: .pass, peers: [.nodes(web)], unknown: ["x"]),
            means: PolicyRule(action: .deny)),
    ])
    func rules(row: Rule) {
        #expect(Policy(Self.policy([row.written])).ingress == [row.means])
    }

    @Test func everySentenceIsKeptOnce() {
        var written = Self.policy([TierRule(action: .deny, peers: [], unknown: ["a", "b"])])
        written.unknown = ["a"]
        #expect(Policy(written).unknown == ["a", "b"])
    }
}
