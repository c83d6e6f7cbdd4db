// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyOracle
import Testing
import WorldKit

/// The oracle on tiers, audit and the own node. The intents of the network-policy-api's conformance tests are among
/// the rows: rules in order, each protocol, priorities, Pass, both tiers against NetworkPolicy, nodes, networks.
struct OracleTierTests {
    struct Row: Sendable, CustomTestStringConvertible {
        var says: String
        var tiers: [TierPolicy]
        var policies: [NetworkPolicy] = []
        var flow: String
        var egress: Bool?
        var ingress: Bool?
        var wouldDeny = false
        var settings = OracleSettings()
        var testDescription: String { "\(says): \(flow)" }
    }

    @Test(arguments: Row.order + Row.matching) func tiers(_ row: Row) { check(row) }
    @Test(arguments: Row.ownNode + Row.audit) func ownNodeAndAudit(_ row: Row) { check(row) }

    private func check(_ row: Row) {
        let objects =
            Cluster.base.objects + row.policies.map(KubernetesObject.networkPolicy)
            + row.tiers.map(KubernetesObject.tierPolicy)
        let verdict = Oracle(objects: objects, nodeName: "n1", settings: row.settings).verdict(flow(row.flow))
        #expect(verdict.egress == row.egress, "\(row.says): \(row.flow): \(verdict)")
        #expect(verdict.ingress == row.ingress, "\(row.says): \(row.flow): \(verdict)")
        #expect((verdict.egressWouldDeny || verdict.ingressWouldDeny) == row.wouldDeny, "\(row.says): \(verdict)")
    }

    @Test func withoutTransportHeaderAnyTierDenies() {
        func verdict(_ tiers: [TierPolicy], _ source: String, _ destination: String) -> OracleVerdict {
            let objects = Cluster.base.objects + tiers.map(KubernetesObject.tierPolicy)
            return Oracle(objects: objects, nodeName: "n1")
                .verdictWithoutTransport(source: address(source), destination: address(destination))
        }
        let accepts = tier(.baseline, egress: [rule(.accept, [.networks([cidr("8.0.0.0/8")])])])
        #expect(verdict([accepts], "10.0.1.1", "10.0.2.1").egress == false)
        #expect(verdict([accepts], "10.0.1.1", "192.168.0.1").egress == false)
        #expect(verdict([accepts], "10.0.2.1", "10.0.1.1").ingress == true)
        var tried = accepts
        tried.enforcement = .audit
        #expect(verdict([tried], "10.0.1.1", "10.0.2.1").egress == true)
    }
}

/// A policy for shop/web.
func tier(
    _ tier: TierPolicy.Tier, _ name: String = "t", priority: Int32 = 10, kind: TierPolicy.Kind = .clusterNetworkPolicy,
    ingress: [TierRule] = [], egress: [TierRule] = [], audit: Bool = false,
    subject: PodSelection = everyPod(["app": "web"])
) -> TierPolicy {
    TierPolicy(
        name, tier, priority, kind: kind, subject: subject, ingress: ingress, egress: egress,
        enforcement: audit ? .audit : .enforce)
}

func rule(
    _ action: TierRule.Action, _ peers: [TierPeer] = [.pods(everyPod())], _ ports: [TierPort]? = nil,
    unknown: [String] = []
) -> TierRule { TierRule(action: action, peers: peers, ports: ports, unknown: unknown) }

func number(_ ipProtocol: IPProtocol, _ first: UInt16, _ last: UInt16? = nil) -> TierPort {
    .range(ipProtocol, PortRange(first, last ?? first))
}

let everywhere: [TierPeer] = [.networks([cidr("0.0.0.0/0"), cidr("::/0")])]
let api: [TierPeer] = [.pods(everyPod(["app": "api"]))]
let toAPI = "10.0.1.1 10.0.2.1 tcp 80"
let fromAPI = "10.0.2.1 10.0.1.1 tcp 80"

extension OracleTierTests.Row {
    static let order: [Self] = [
        .init(
            says: "the first rule decides", tiers: [tier(.admin, ingress: [rule(.accept), rule(.deny)])],
            flow: fromAPI, ingress: true),
        .init(
            says: "the first rule decides, deny", tiers: [tier(.admin, ingress: [rule(.deny), rule(.accept)])],
            flow: fromAPI, ingress: false),
        .init(
            says: "Pass leaves the whole tier",
            tiers: [tier(.admin, ingress: [rule(.pass), rule(.deny)]), tier(.admin, "u", ingress: [rule(.deny)])],
            flow: fromAPI, ingress: true),
        .init(
            says: "lower priority first",
            tiers: [
                tier(.admin, "a", priority: 50, ingress: [rule(.deny)]),
                tier(.admin, "b", priority: 40, ingress: [rule(.pass)]),
                tier(.baseline, ingress: [rule(.accept)]),
            ], flow: fromAPI, ingress: true),
        .init(
            says: "the same, 60 against 50",
            tiers: [
                tier(.admin, "a", priority: 50, ingress: [rule(.deny)]),
                tier(.admin, "b", priority: 60, ingress: [rule(.pass)]),
                tier(.baseline, ingress: [rule(.accept)]),
            ], flow: fromAPI, ingress: false),
        .init(
            says: "equal priority: by name",
            tiers: [tier(.admin, "b", ingress: [rule(.deny)]), tier(.admin, "a", ingress: [rule(.accept)])],
            flow: fromAPI, ingress: true),
        .init(
            says: "equal priority and name: by kind",
            tiers: [
                tier(.admin, ingress: [rule(.deny)]),
                tier(.admin, kind: .adminNetworkPolicy, ingress: [rule(.accept)]),
            ], flow: fromAPI, ingress: true),
        .init(
            says: "Admin accepts against isolation", tiers: [tier(.admin, ingress: [rule(.accept)])],
            policies: [webPolicy("p", [.ingress])], flow: fromAPI, ingress: true),
        .init(
            says: "Admin denies against a NetworkPolicy", tiers: [tier(.admin, egress: [rule(.deny)])],
            policies: to([]), flow: toAPI, egress: false),
        .init(
            says: "Pass to a NetworkPolicy that allows",
            tiers: [tier(.admin, egress: [rule(.pass)]), tier(.baseline, egress: [rule(.deny)])],
            policies: to([]), flow: toAPI, egress: true),
        .init(
            says: "Pass to isolation",
            tiers: [tier(.admin, egress: [rule(.pass)]), tier(.baseline, egress: [rule(.accept)])],
            policies: [webPolicy("p", [.egress])], flow: toAPI, egress: false),
        .init(
            says: "Pass to Baseline",
            tiers: [tier(.admin, egress: [rule(.pass)]), tier(.baseline, egress: [rule(.deny)])],
            flow: toAPI, egress: false),
        .init(
            says: "Baseline yields to a NetworkPolicy", tiers: [tier(.baseline, ingress: [rule(.deny)])],
            policies: from([]), flow: fromAPI, ingress: true),
        .init(
            says: "Baseline alone",
            tiers: [tier(.baseline, kind: .baselineAdminNetworkPolicy, ingress: [rule(.deny)])],
            flow: fromAPI, ingress: false),
        .init(
            says: "Baseline's Pass: allowed", tiers: [tier(.baseline, ingress: [rule(.pass), rule(.deny)])],
            flow: fromAPI, ingress: true),
        .init(
            says: "nothing matches: allowed", tiers: [tier(.admin, ingress: [rule(.deny, api)])],
            flow: "10.0.2.2 10.0.1.1 tcp 80", ingress: true),
        .init(
            says: "one direction says nothing of the other", tiers: [tier(.admin, ingress: [rule(.deny)])],
            flow: toAPI, egress: true),
        .init(
            says: "not the subject", tiers: [tier(.admin, ingress: [rule(.deny)])],
            flow: "10.0.2.1 10.0.1.2 tcp 80", ingress: true),
        .init(
            says: "subject by namespace",
            tiers: [
                tier(
                    .admin, ingress: [rule(.deny)],
                    subject: PodSelection(namespaces: LabelSelector(matchLabels: ["env": "prod"])))
            ],
            flow: "10.0.2.1 10.0.1.2 tcp 80", ingress: false),
        .init(
            says: "itself", tiers: [tier(.admin, ingress: [rule(.deny)], egress: [rule(.deny)])],
            flow: "10.0.1.1 10.0.1.1 tcp 80", egress: true, ingress: true),
    ]

    static let matching: [Self] = [
        .init(
            says: "pods are no outside address", tiers: [tier(.admin, ingress: [rule(.deny)])],
            flow: "8.8.8.8 10.0.1.1 tcp 80", ingress: true),
        .init(
            says: "networks match pods", tiers: [tier(.admin, egress: [rule(.deny, everywhere)])],
            flow: toAPI, egress: false),
        .init(
            says: "accept some, deny the internet",
            tiers: [tier(.admin, egress: [rule(.accept, api), rule(.deny, everywhere)])], flow: toAPI, egress: true),
        .init(
            says: "IPv6 network", tiers: [tier(.admin, egress: [rule(.deny, everywhere)])],
            flow: "fd00::11 2001:db8::1 udp 5", egress: false),
        .init(
            says: "metadata address",
            tiers: [tier(.admin, egress: [rule(.deny, [.networks([cidr("169.254.169.254/32")])])])],
            flow: "10.0.1.1 169.254.169.254 tcp 80", egress: false),
        .init(
            says: "nodes", tiers: [tier(.admin, egress: [rule(.deny, [.nodes(LabelSelector())])])],
            flow: "10.0.1.1 192.168.0.2 tcp 80", egress: false),
        .init(
            says: "nodes by label",
            tiers: [tier(.admin, egress: [rule(.deny, [.nodes(LabelSelector("pool", .exists))])])],
            flow: "10.0.1.1 192.168.0.2 tcp 80", egress: true),
        .init(
            says: "host network pods match no pod peer", tiers: [tier(.admin, egress: [rule(.deny)])],
            flow: "10.0.1.1 192.168.0.1 tcp 80", egress: true),
        .init(
            says: "number", tiers: [tier(.admin, ingress: [rule(.deny, api, [number(.tcp, 80)])])], flow: fromAPI,
            ingress: false),
        .init(
            says: "other number", tiers: [tier(.admin, ingress: [rule(.deny, api, [number(.tcp, 81)])])], flow: fromAPI,
            ingress: true),
        .init(
            says: "other protocol", tiers: [tier(.admin, ingress: [rule(.deny, api, [number(.udp, 80)])])],
            flow: fromAPI, ingress: true),
        .init(
            says: "SCTP range", tiers: [tier(.admin, ingress: [rule(.deny, api, [number(.sctp, 9000, 9003)])])],
            flow: "10.0.2.1 10.0.1.1 sctp 9003", ingress: false),
        .init(
            says: "no ports: ICMP too", tiers: [tier(.admin, ingress: [rule(.deny, api)])],
            flow: "10.0.2.1 10.0.1.1 icmp", ingress: false),
        .init(
            says: "ports: no ICMP", tiers: [tier(.admin, ingress: [rule(.deny, api, [number(.tcp, 1, 65535)])])],
            flow: "10.0.2.1 10.0.1.1 icmp", ingress: true),
        .init(
            says: "named, own", tiers: [tier(.admin, ingress: [rule(.deny, api, [.named("http")])])],
            flow: "10.0.2.1 10.0.1.1 tcp 8080", ingress: false),
        .init(
            says: "named, the peer's number on ingress",
            tiers: [tier(.admin, ingress: [rule(.deny, api, [.named("http")])])],
            flow: "10.0.2.1 10.0.1.1 tcp 9000", ingress: true),
        .init(
            says: "named, each peer's own number",
            tiers: [tier(.admin, egress: [rule(.deny, [.pods(everyPod())], [.named("http")])])],
            flow: "10.0.1.1 10.0.2.2 tcp 7000", egress: false),
        .init(
            says: "named, another peer's number",
            tiers: [tier(.admin, egress: [rule(.deny, [.pods(everyPod())], [.named("http")])])],
            flow: "10.0.1.1 10.0.2.2 tcp 9000", egress: true),
        .init(
            says: "named, any protocol",
            tiers: [tier(.admin, egress: [rule(.deny, [.pods(everyPod())], [.named("dns")])])],
            flow: "10.0.1.1 10.0.1.2 udp 53", egress: false, ingress: true),
        .init(
            says: "named, whatever kind of peer",
            tiers: [tier(.admin, egress: [rule(.deny, everywhere, [.named("http")])])],
            flow: "10.0.1.1 10.0.2.2 tcp 7000", egress: false),
        .init(
            says: "named, an address that is no pod's",
            tiers: [tier(.admin, egress: [rule(.deny, everywhere, [.named("http")])])],
            flow: "10.0.1.1 10.9.9.9 tcp 7000", egress: true),
        .init(
            says: "unknown part: Deny denies all",
            tiers: [tier(.admin, ingress: [rule(.deny, api, [number(.tcp, 1)], unknown: ["x"])])],
            flow: "8.8.8.8 10.0.1.1 tcp 80", ingress: false),
        .init(
            says: "unknown part: Pass denies all", tiers: [tier(.admin, ingress: [rule(.pass, [], unknown: ["x"])])],
            flow: "8.8.8.8 10.0.1.1 icmp", ingress: false),
        .init(
            says: "unknown part: only at its place",
            tiers: [tier(.admin, ingress: [rule(.accept, api), rule(.deny, [], unknown: ["x"])])], flow: fromAPI,
            ingress: true),
        .init(
            says: "unknown part: Accept by the known",
            tiers: [tier(.admin, ingress: [rule(.accept, api, unknown: ["x"]), rule(.deny)])], flow: fromAPI,
            ingress: true),
        .init(
            says: "unknown part: Accept by nothing else",
            tiers: [tier(.admin, ingress: [rule(.accept, api, unknown: ["x"]), rule(.deny)])],
            flow: "10.0.2.2 10.0.1.1 tcp 80", ingress: false),
        .init(
            says: "unknown protocol alone: Accept nothing",
            tiers: [tier(.admin, ingress: [rule(.accept, api, [], unknown: ["x"]), rule(.deny)])], flow: fromAPI,
            ingress: false),
    ]
}
