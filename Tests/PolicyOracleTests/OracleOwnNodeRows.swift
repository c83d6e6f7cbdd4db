// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyOracle
import WorldKit

extension OracleTierTests.Row {
    private static let nodeDenied = [tier(.admin, egress: [rule(.deny, [.nodes(LabelSelector())])])]
    private static let gateway = OracleSettings(
        localAddresses: [cidr("10.0.1.254/32")], nodeDNS: addresses("169.254.20.10"))

    static let ownNode: [Self] = [
        .init(says: "Admin decides", tiers: nodeDenied, flow: "10.0.1.1 192.168.0.1 tcp 10250", egress: false),
        .init(
            says: "Baseline decides", tiers: [tier(.baseline, egress: [rule(.deny, everywhere)])],
            policies: [webPolicy("p", [.egress])], flow: "10.0.1.1 192.168.0.1 tcp 10250", egress: false),
        .init(
            says: "NetworkPolicy does not", tiers: [], policies: [webPolicy("p", [.egress])],
            flow: "10.0.1.1 192.168.0.1 tcp 10250", egress: true),
        .init(
            says: "unless it is set to", tiers: [], policies: [webPolicy("p", [.egress])],
            flow: "10.0.1.1 192.168.0.1 tcp 10250", egress: false,
            settings: OracleSettings(enforcesNetworkPolicyOnOwnNode: true)),
        .init(
            says: "from the node: whatever the policies", tiers: [tier(.admin, ingress: [rule(.deny, unknown: ["x"])])],
            flow: "192.168.0.1 10.0.1.1 tcp 80", ingress: true),
        .init(
            says: "the node's interfaces, out", tiers: [], policies: [webPolicy("p", [.egress])],
            flow: "10.0.1.1 10.0.1.254 tcp 80", egress: true, settings: gateway),
        .init(
            says: "the node's interfaces, in", tiers: [], policies: [webPolicy("p", [.ingress])],
            flow: "10.0.1.254 10.0.1.1 tcp 80", ingress: true, settings: gateway),
        .init(
            says: "the node's interfaces are the node's", tiers: nodeDenied,
            flow: "10.0.1.1 10.0.1.254 tcp 80", egress: false, settings: gateway),
        .init(says: "DHCP", tiers: nodeDenied, flow: "10.0.1.1 192.168.0.1 udp 67", egress: true),
        .init(says: "DHCPv6", tiers: nodeDenied, flow: "fd00::11 fd01::1 udp 547", egress: true),
        .init(says: "DHCP elsewhere", tiers: nodeDenied, flow: "10.0.1.1 192.168.0.2 udp 67", egress: false),
        .init(says: "no failsafe for TCP", tiers: nodeDenied, flow: "10.0.1.1 192.168.0.1 tcp 67", egress: false),
        .init(
            says: "node DNS", tiers: [tier(.admin, egress: [rule(.deny, everywhere)])],
            flow: "10.0.1.1 169.254.20.10 udp 53", egress: true, settings: gateway),
        .init(
            says: "node DNS, TCP", tiers: [tier(.admin, egress: [rule(.deny, everywhere)])],
            flow: "10.0.1.1 169.254.20.10 tcp 53", egress: true, settings: gateway),
        .init(
            says: "node DNS, other port", tiers: [tier(.admin, egress: [rule(.deny, everywhere)])],
            flow: "10.0.1.1 169.254.20.10 udp 54", egress: false, settings: gateway),
        .init(
            says: "no node DNS unless configured", tiers: [tier(.admin, egress: [rule(.deny, everywhere)])],
            flow: "10.0.1.1 169.254.20.10 udp 53", egress: false),
    ]

    static let audit: [Self] = [
        .init(
            says: "Admin would deny", tiers: [tier(.admin, ingress: [rule(.deny)], audit: true)],
            flow: fromAPI, ingress: true, wouldDeny: true),
        .init(
            says: "Baseline would deny", tiers: [tier(.baseline, ingress: [rule(.deny)], audit: true)],
            flow: fromAPI, ingress: true, wouldDeny: true),
        .init(
            says: "Baseline would not get to it", tiers: [tier(.baseline, ingress: [rule(.deny)], audit: true)],
            policies: from([]), flow: fromAPI, ingress: true),
        .init(
            says: "an enforced Accept before it",
            tiers: [
                tier(.admin, "a", priority: 1, ingress: [rule(.accept)]),
                tier(.admin, ingress: [rule(.deny)], audit: true),
            ],
            flow: fromAPI, ingress: true),
        .init(
            says: "an enforced Accept after it",
            tiers: [
                tier(.admin, "a", priority: 11, ingress: [rule(.accept)]),
                tier(.admin, ingress: [rule(.deny)], audit: true),
            ],
            flow: fromAPI, ingress: true, wouldDeny: true),
        .init(
            says: "Accept in audit opens nothing", tiers: [tier(.admin, ingress: [rule(.accept)], audit: true)],
            policies: [webPolicy("p", [.ingress])], flow: fromAPI, ingress: false),
        .init(
            says: "denied already", tiers: [tier(.admin, ingress: [rule(.deny)], audit: true)],
            policies: [webPolicy("p", [.ingress])], flow: fromAPI, ingress: false),
        .init(
            says: "a NetworkPolicy would isolate", tiers: [], policies: [tried(webPolicy("p", [.ingress]))],
            flow: fromAPI, ingress: true, wouldDeny: true),
        .init(
            says: "a NetworkPolicy in audit allows what others isolate", tiers: [],
            policies: [webPolicy("p", [.ingress])] + from([]).map(tried), flow: fromAPI, ingress: false),
        .init(
            says: "Pass in audit past an enforced Accept",
            tiers: [
                tier(.admin, "a", priority: 1, egress: [rule(.pass)], audit: true),
                tier(.admin, egress: [rule(.accept)]),
            ],
            policies: [webPolicy("p", [.egress])], flow: toAPI, egress: true, wouldDeny: true),
        .init(
            says: "to the own node",
            tiers: [tier(.admin, egress: [rule(.deny, [.nodes(LabelSelector())])], audit: true)],
            flow: "10.0.1.1 192.168.0.1 tcp 10250", egress: true, wouldDeny: true),
        .init(
            says: "from the own node: never",
            tiers: [tier(.admin, ingress: [rule(.deny, unknown: ["x"])], audit: true)],
            flow: "192.168.0.1 10.0.1.1 tcp 80", ingress: true),
    ]
}

private func tried(_ policy: NetworkPolicy) -> NetworkPolicy {
    var copy = policy
    copy.enforcement = .audit
    return copy
}
