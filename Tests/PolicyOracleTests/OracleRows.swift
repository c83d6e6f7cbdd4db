// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import PolicyModel
import WorldKit

// 10.0.1.1 is shop/web, 10.0.1.2 shop/db, 10.0.2.1 shop/api, 10.0.2.2 bare/web: see ``Cluster``.
extension OracleTests.Row {
    private static let everyPod = LabelSelector()

    static let selection: [Self] = [
        .init(says: "no policy", policies: [], flow: "10.0.2.2 10.0.1.1 tcp 80", ingress: true),
        .init(says: "no policy, out", policies: [], flow: "10.0.1.1 8.8.8.8 tcp 80", egress: true),
        .init(says: "both ends here", policies: [], flow: "10.0.1.1 10.0.1.2 tcp 80", egress: true, ingress: true),
        .init(says: "other node's pods", policies: from([]), flow: "10.0.2.1 10.0.2.2 tcp 80"),
        .init(says: "no pods at all", policies: [], flow: "8.8.8.8 9.9.9.9 tcp 80"),
        .init(
            says: "isolated", policies: [webPolicy("p", [.ingress])], flow: "8.8.8.8 10.0.1.1 tcp 80", ingress: false),
        .init(says: "one way", policies: [webPolicy("p", [.ingress])], flow: "10.0.1.1 8.8.8.8 tcp 1", egress: true),
        .init(says: "egress", policies: [webPolicy("p", [.egress])], flow: "10.0.1.1 8.8.8.8 tcp 1", egress: false),
        .init(
            says: "not selected", policies: [webPolicy("p", [.ingress])], flow: "8.8.8.8 10.0.1.2 tcp 80", ingress: true
        ),
        .init(
            says: "empty selector", policies: [webPolicy("p", [.ingress], selects: everyPod)],
            flow: "8.8.8.8 10.0.1.2 tcp 80", ingress: false),
        .init(
            says: "own namespace only", policies: [webPolicy("bare/p", [.ingress], selects: everyPod)],
            flow: "8.8.8.8 10.0.1.1 tcp 80", ingress: true),
        .init(
            says: "rules of a direction that policyTypes lacks",
            policies: [webPolicy("p", [.egress], ingress: [rule()])], flow: "10.0.1.1 8.8.8.8 tcp 80",
            egress: false),
        .init(
            says: "any rule of any policy", policies: [webPolicy("p", [.ingress])] + from([], [port(80)]),
            flow: "8.8.8.8 10.0.1.1 tcp 80", ingress: true),
        .init(
            says: "In", policies: [webPolicy("p", [.ingress], selects: LabelSelector("app", .in, "x", "web"))],
            flow: "8.8.8.8 10.0.1.1 tcp 80", ingress: false),
        .init(
            says: "NotIn, key missing",
            policies: [webPolicy("p", [.ingress], selects: LabelSelector("zone", .notIn, "a"))],
            flow: "8.8.8.8 10.0.1.1 tcp 80", ingress: false),
        .init(
            says: "NotIn, listed", policies: [webPolicy("p", [.ingress], selects: LabelSelector("app", .notIn, "web"))],
            flow: "8.8.8.8 10.0.1.1 tcp 80", ingress: true),
        .init(
            says: "In, key missing", policies: [webPolicy("p", [.ingress], selects: LabelSelector("zone", .in, "a"))],
            flow: "8.8.8.8 10.0.1.1 tcp 80", ingress: true),
        .init(
            says: "Exists", policies: [webPolicy("p", [.ingress], selects: LabelSelector("tier", .exists))],
            flow: "8.8.8.8 10.0.1.2 tcp 80", ingress: false),
        .init(
            says: "DoesNotExist", policies: [webPolicy("p", [.ingress], selects: LabelSelector("tier", .doesNotExist))],
            flow: "8.8.8.8 10.0.1.2 tcp 80", ingress: true),
        .init(
            says: "dual stack", policies: [webPolicy("p", [.ingress])], flow: "fd00::21 fd00::11 tcp 80", ingress: false
        ),
    ]

    static let peers: [Self] = [
        .init(says: "no peers", policies: from([]), flow: "8.8.8.8 10.0.1.1 tcp 80", ingress: true),
        .init(
            says: "podSelector", policies: from([.pods(namespaces: nil, pods: .labels(["app": "api"]))]),
            flow: "10.0.2.1 10.0.1.1 tcp 80", ingress: true),
        .init(
            says: "podSelector, IPv6", policies: from([.pods(namespaces: nil, pods: .labels(["app": "api"]))]),
            flow: "fd00::21 fd00::11 udp 80", ingress: true),
        .init(
            says: "elsewhere", policies: from([.pods(namespaces: nil, pods: .labels(["app": "web"]))]),
            flow: "10.0.2.2 10.0.1.1 tcp 80", ingress: false),
        .init(
            says: "empty podSelector is no outside address", policies: from([.pods(namespaces: nil, pods: everyPod)]),
            flow: "8.8.8.8 10.0.1.1 tcp 80", ingress: false),
        .init(
            says: "namespaceSelector", policies: from([.pods(namespaces: .labels(["env": "prod"]), pods: nil)]),
            flow: "10.0.2.1 10.0.1.1 tcp 80", ingress: true),
        .init(
            says: "namespace without object",
            policies: from([.pods(namespaces: .labels(["kubernetes.io/metadata.name": "bare"]), pods: nil)]),
            flow: "10.0.2.2 10.0.1.1 tcp 80", ingress: true),
        .init(
            says: "namespace without object has no other label",
            policies: from([.pods(namespaces: LabelSelector("env", .exists), pods: nil)]),
            flow: "10.0.2.2 10.0.1.1 tcp 80", ingress: false),
        .init(
            says: "both: and", policies: from([.pods(namespaces: everyPod, pods: .labels(["app": "web"]))]),
            flow: "10.0.2.2 10.0.1.1 tcp 80", ingress: true),
        .init(
            says: "both: and, pod wrong", policies: from([.pods(namespaces: everyPod, pods: .labels(["app": "db"]))]),
            flow: "10.0.2.2 10.0.1.1 tcp 80", ingress: false),
        .init(
            says: "two peers: or",
            policies: from([
                .pods(namespaces: nil, pods: .labels(["app": "db"])), .ipBlock(cidr: cidr("8.0.0.0/8"), except: []),
            ]), flow: "8.8.8.8 10.0.1.1 tcp 80", ingress: true),
        .init(
            says: "ipBlock matches pods", policies: to([.ipBlock(cidr: cidr("10.0.2.0/24"), except: [])]),
            flow: "10.0.1.1 10.0.2.1 tcp 80", egress: true),
        .init(
            says: "except", policies: to([.ipBlock(cidr: cidr("0.0.0.0/0"), except: [cidr("169.254.169.254/32")])]),
            flow: "10.0.1.1 169.254.169.254 tcp 80", egress: false),
        .init(
            says: "excepted here, allowed there",
            policies: to([
                .ipBlock(cidr: cidr("10.0.0.0/8"), except: [cidr("10.0.2.0/24")]),
                .pods(namespaces: nil, pods: .labels(["app": "api"])),
            ]), flow: "10.0.1.1 10.0.2.1 tcp 80", egress: true),
        .init(
            says: "IPv4 block, IPv6 flow", policies: to([.ipBlock(cidr: cidr("0.0.0.0/0"), except: [])]),
            flow: "10.0.1.1 10.0.2.1 tcp 80", egress: true),
        .init(
            says: "IPv4 block is not IPv6", policies: to([.ipBlock(cidr: cidr("0.0.0.0/0"), except: [])]),
            flow: "fd00::11 fd00::21 tcp 80", egress: false),
        .init(
            says: "host network pods match no pod peer",
            policies: [
                webPolicy("p", [.egress], egress: [NetworkPolicyRule(peers: [.pods(namespaces: everyPod, pods: nil)])])
            ], flow: "10.0.1.1 192.168.0.2 tcp 80", egress: false),
    ]

    static let portRules: [Self] = [
        .init(says: "no ports: ICMP too", policies: from([]), flow: "8.8.8.8 10.0.1.1 icmp", ingress: true),
        .init(says: "no ports: GRE too", policies: from([]), flow: "8.8.8.8 10.0.1.1 47", ingress: true),
        .init(says: "no ports: port 0", policies: from([]), flow: "8.8.8.8 10.0.1.1 tcp 0", ingress: true),
        .init(
            says: "every TCP port", policies: from([], [NetworkPolicyPort()]), flow: "8.8.8.8 10.0.1.1 tcp 0",
            ingress: true),
        .init(
            says: "every TCP port, UDP", policies: from([], [NetworkPolicyPort()]), flow: "8.8.8.8 10.0.1.1 udp 80",
            ingress: false),
        .init(
            says: "every TCP port, ICMP", policies: from([], [NetworkPolicyPort()]), flow: "8.8.8.8 10.0.1.1 icmp",
            ingress: false),
        .init(says: "number", policies: from([], [port(80)]), flow: "8.8.8.8 10.0.1.1 tcp 80", ingress: true),
        .init(says: "other number", policies: from([], [port(80)]), flow: "8.8.8.8 10.0.1.1 tcp 81", ingress: false),
        .init(says: "UDP number", policies: from([], [port(80)]), flow: "8.8.8.8 10.0.1.1 udp 80", ingress: false),
        .init(says: "SCTP", policies: from([], [port(7, .sctp)]), flow: "8.8.8.8 10.0.1.1 sctp 7", ingress: true),
        .init(
            says: "below range", policies: from([], [port(80, through: 90)]), flow: "8.8.8.8 10.0.1.1 tcp 79",
            ingress: false),
        .init(
            says: "range first", policies: from([], [port(80, through: 90)]), flow: "8.8.8.8 10.0.1.1 tcp 80",
            ingress: true),
        .init(
            says: "range last", policies: from([], [port(80, through: 90)]), flow: "8.8.8.8 10.0.1.1 tcp 90",
            ingress: true),
        .init(
            says: "above range", policies: from([], [port(80, through: 90)]), flow: "8.8.8.8 10.0.1.1 tcp 91",
            ingress: false),
        .init(
            says: "peer of one rule, port of another",
            policies: from([.ipBlock(cidr: cidr("8.8.8.8/32"), except: [])], [port(1)])
                + [webPolicy("q", [.ingress], ingress: [NetworkPolicyRule(ports: [port(2)])])],
            flow: "9.9.9.9 10.0.1.1 tcp 1", ingress: false),
    ]

    static let namedPorts: [Self] = [
        .init(says: "own port", policies: from([], [port("http")]), flow: "8.8.8.8 10.0.1.1 tcp 8080", ingress: true),
        .init(says: "not own", policies: from([], [port("http")]), flow: "10.0.2.1 10.0.1.1 tcp 9000", ingress: false),
        .init(says: "no such name", policies: from([], [port("x")]), flow: "8.8.8.8 10.0.1.1 tcp 8080", ingress: false),
        .init(
            says: "name of another protocol", policies: from([], [port("http", .udp)]),
            flow: "8.8.8.8 10.0.1.1 udp 8080", ingress: false),
        .init(
            says: "ingress from a block: still the selected pod's",
            policies: from([.ipBlock(cidr: cidr("8.0.0.0/8"), except: [])], [port("http")]),
            flow: "8.8.8.8 10.0.1.1 tcp 8080", ingress: true),
        .init(
            says: "peer's port", policies: to([.pods(namespaces: everyPod, pods: nil)], [port("http")]),
            flow: "10.0.1.1 10.0.2.1 tcp 9000", egress: true),
        .init(
            says: "other peer's port", policies: to([.pods(namespaces: everyPod, pods: nil)], [port("http")]),
            flow: "10.0.1.1 10.0.2.2 tcp 9000", egress: false),
        .init(
            says: "other peer's own number", policies: to([.pods(namespaces: everyPod, pods: nil)], [port("http")]),
            flow: "10.0.1.1 10.0.2.2 tcp 7000", egress: true),
        .init(
            says: "no peers: any pod's own", policies: to([], [port("http")]), flow: "10.0.1.1 10.0.2.2 tcp 7000",
            egress: true),
        .init(
            says: "no peers: no pod", policies: to([], [port("http")]), flow: "10.0.1.1 8.8.8.8 tcp 7000",
            egress: false),
        .init(
            says: "egress to a block: the port of the pod inside",
            policies: to([.ipBlock(cidr: cidr("10.0.0.0/8"), except: [])], [port("http")]),
            flow: "10.0.1.1 10.0.2.1 tcp 9000", egress: true),
        .init(
            says: "egress to a block: another number",
            policies: to([.ipBlock(cidr: cidr("10.0.0.0/8"), except: [])], [port("http")]),
            flow: "10.0.1.1 10.0.2.1 tcp 7000", egress: false),
        .init(
            says: "egress to a block: no pod, no names",
            policies: to([.ipBlock(cidr: cidr("10.0.0.0/8"), except: [])], [port("http")]),
            flow: "10.0.1.1 10.9.9.9 tcp 9000", egress: false),
        .init(
            says: "egress to a block: the pod is excepted",
            policies: to([.ipBlock(cidr: cidr("10.0.0.0/8"), except: [cidr("10.0.2.0/24")])], [port("http")]),
            flow: "10.0.1.1 10.0.2.1 tcp 9000", egress: false),
        .init(
            says: "egress to a block: a host network pod is no pod",
            policies: to([.ipBlock(cidr: cidr("0.0.0.0/0"), except: [])], [port("http")]),
            flow: "10.0.1.1 192.168.0.2 tcp 8080", egress: false,
            change: {
                $0.change("shop", "api") {
                    $0.hostNetwork = true
                    $0.podIPs = addresses("192.168.0.2")
                    $0.namedPorts = [NamedPort(name: "http", number: 8080)]
                }
            }),
        .init(
            says: "one name, two numbers, second", policies: from([], [port("http")]),
            flow: "8.8.8.8 10.0.1.1 tcp 8081", ingress: true,
            change: { $0.change("shop", "web") { $0.namedPorts.append(NamedPort(name: "http", number: 8081)) } }),
    ]

    private static let denyAll = [webPolicy("deny", [.ingress, .egress], selects: everyPod)]

    static let alwaysAllowed: [Self] = [
        .init(
            says: "itself", policies: denyAll, flow: "10.0.1.1 10.0.1.1 tcp 80", egress: true, ingress: true),
        .init(says: "itself, IPv6", policies: denyAll, flow: "fd00::11 fd00::11 icmpv6", egress: true, ingress: true),
        .init(says: "own node in", policies: denyAll, flow: "192.168.0.1 10.0.1.1 tcp 80", ingress: true),
        .init(says: "own node in, IPv6", policies: denyAll, flow: "fd01::1 fd00::11 tcp 80", ingress: true),
        .init(says: "to the own node", policies: denyAll, flow: "10.0.1.1 192.168.0.1 tcp 80", egress: true),
        .init(says: "to the own node, ICMP", policies: denyAll, flow: "10.0.1.1 192.168.0.1 icmp", egress: true),
        .init(says: "loopback in", policies: denyAll, flow: "127.0.0.1 10.0.1.1 tcp 80", ingress: true),
        .init(says: "loopback in, IPv6", policies: denyAll, flow: "::1 fd00::11 tcp 80", ingress: true),
        .init(says: "to loopback", policies: denyAll, flow: "10.0.1.1 127.3.2.1 tcp 80", egress: true),
        .init(says: "other node in", policies: denyAll, flow: "192.168.0.2 10.0.1.1 tcp 80", ingress: false),
        .init(says: "to another node", policies: denyAll, flow: "10.0.1.1 192.168.0.2 tcp 80", egress: false),
        .init(
            says: "node known by status.hostIPs alone", policies: denyAll, flow: "172.16.0.1 10.0.1.1 tcp 80",
            ingress: true, change: { $0.change("shop", "db") { $0.hostIPs = addresses("172.16.0.1") } }),
    ]

    static let claims: [Self] = [
        .init(
            says: "finished pods have no address", policies: from([.pods(namespaces: nil, pods: everyPod)]),
            flow: "10.0.2.1 10.0.1.1 tcp 80", ingress: false,
            change: { $0.change("shop", "api") { $0.phase = .succeeded } }),
        .init(
            says: "finished pods are not decided", policies: denyAll, flow: "8.8.8.8 10.0.1.1 tcp 80",
            change: { $0.change("shop", "web") { $0.phase = .failed } }),
        .init(
            says: "pending pods with an address", policies: denyAll, flow: "8.8.8.8 10.0.1.1 tcp 80", ingress: false,
            change: { $0.change("shop", "web") { $0.phase = .pending } }),
        .init(
            says: "a host network pod is not decided", policies: denyAll, flow: "8.8.8.8 192.168.0.1 tcp 80"),
        .init(
            says: "the younger pod owns the address", policies: denyAll, flow: "8.8.8.8 10.0.1.1 tcp 80",
            change: {
                $0.change("shop", "api") {
                    $0.podIPs = addresses("10.0.1.1")
                    $0.metadata.createdAt = 5
                }
            }),
        .init(
            says: "equally old: the greater name", policies: denyAll, flow: "8.8.8.8 10.0.1.1 tcp 80", ingress: false,
            change: { $0.change("shop", "api") { $0.podIPs = addresses("10.0.1.1") } }),
        .init(
            says: "equally old: the greater namespace first", policies: denyAll, flow: "8.8.8.8 10.0.2.2 tcp 80",
            ingress: false, change: { $0.change("shop", "db") { $0.podIPs = addresses("10.0.2.2") } }),
        .init(
            says: "the owner's labels count", policies: from([.pods(namespaces: nil, pods: .labels(["app": "api"]))]),
            flow: "10.0.2.2 10.0.1.1 tcp 80", ingress: true,
            change: { $0.change("shop", "api") { $0.podIPs = addresses("10.0.2.2") } }),
    ]
}
