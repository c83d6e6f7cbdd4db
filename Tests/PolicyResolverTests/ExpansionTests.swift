// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import PolicyModel
import Testing

/// Rules as written, and what they become for shop/web: named ports have numbers, peers are sets.
@Suite struct ExpansionTests {
    /// The port http is 8080 at shop/web, 9090 at shop/db; dev/cache has none.
    private static let pods = [
        Rows.pod("shop", "web", 1, http: 8080), Rows.pod("shop", "db", 2, http: 9090, node: "other"),
        Rows.pod("dev", "cache", 3, node: "other"),
    ]
    private static let http = NetworkPolicyPort(port: .named("http"))
    private static let dns = NetworkPolicyPort(port: .named("dns"))
    private static let tcp80 = NetworkPolicyPort(port: .range(PortRange(80)))
    private static let ownPods = NetworkPolicyPeer.pods(namespaces: nil, pods: Rows.all)
    private static let block = NetworkPolicyPeer.ipBlock(
        cidr: CIDR(host: IPAddress(v4: 0x0a00_0002)), except: [])

    struct Row: Sendable, CustomStringConvertible {
        var says: String
        var rule: NetworkPolicyRule
        var lines: [String]
        var description: String { says }
    }

    @Test(arguments: [
        Row(says: "no peers, no ports", rule: NetworkPolicyRule(), lines: ["anybody, any port"]),
        Row(
            says: "pods", rule: NetworkPolicyRule(peers: [ownPods], ports: [tcp80]),
            lines: ["all pods in namespace shop, 80/TCP"]),
        Row(
            says: "pods or a block", rule: NetworkPolicyRule(peers: [ownPods, block], ports: []),
            lines: ["10.0.0.2/32 + all pods in namespace shop, any port"]),
        Row(
            says: "the subject's number of a named port", rule: NetworkPolicyRule(peers: [ownPods], ports: [http]),
            lines: ["all pods in namespace shop, 8080/TCP"]),
        Row(
            says: "a named port that the subject has not", rule: NetworkPolicyRule(peers: [ownPods], ports: [dns]),
            lines: ["all pods in namespace shop, no port"]),
    ])
    func ingress(row: Row) {
        let policy = Rows.networkPolicy("p", [.ingress], ingress: [row.rule])
        #expect(
            ResolvedLines(Self.pods + [policy]).ingress == ["admin allow own node: own node, any port"]
                + row.lines.map { "networkPolicy allow shop/p#0: \($0)" } + ["networkPolicy otherwise deny by shop/p"])
    }

    @Test(arguments: [
        Row(says: "no peers, no ports", rule: NetworkPolicyRule(), lines: ["anybody, any port"]),
        Row(
            says: "each number of a named port with the pods that have it",
            rule: NetworkPolicyRule(peers: [ownPods], ports: [http]),
            lines: [
                "all pods in namespace shop with port http 8080/TCP, 8080/TCP",
                "all pods in namespace shop with port http 9090/TCP, 9090/TCP",
            ]),
        Row(
            says: "plain ports first", rule: NetworkPolicyRule(peers: [ownPods], ports: [http, tcp80]),
            lines: [
                "all pods in namespace shop, 80/TCP", "all pods in namespace shop with port http 8080/TCP, 8080/TCP",
                "all pods in namespace shop with port http 9090/TCP, 9090/TCP",
            ]),
        Row(
            says: "anybody is all pods where a port has a name", rule: NetworkPolicyRule(ports: [http]),
            lines: [
                "all pods in all namespaces with port http 8080/TCP, 8080/TCP",
                "all pods in all namespaces with port http 9090/TCP, 9090/TCP",
            ]),
        Row(
            says: "a block is the pods at its addresses", rule: NetworkPolicyRule(peers: [block], ports: [http]),
            lines: [
                "all pods in all namespaces with port http 8080/TCP at 10.0.0.2/32, 8080/TCP",
                "all pods in all namespaces with port http 9090/TCP at 10.0.0.2/32, 9090/TCP",
            ]),
        Row(
            says: "a named port that nobody has stays as a rule that matches nothing",
            rule: NetworkPolicyRule(peers: [ownPods], ports: [dns]), lines: ["all pods in namespace shop, no port"]),
    ])
    func egress(row: Row) {
        let policy = Rows.networkPolicy("p", [.egress], egress: [row.rule])
        #expect(
            ResolvedLines(Self.pods + [policy]).egress == ["networkPolicy allow own node: own node, any port"]
                + row.lines.map { "networkPolicy allow shop/p#0: \($0)" } + ["networkPolicy otherwise deny by shop/p"])
    }

    struct TierRow: Sendable, CustomStringConvertible {
        var says: String
        var rule: TierRule
        var lines: [String]
        var description: String { says }
    }

    @Test(arguments: [
        TierRow(
            says: "pods", rule: TierRule(name: "r", action: .accept, peers: [.pods(PodSelection(pods: Rows.web))]),
            lines: ["allow g#0 (r): pods app=web in all namespaces, any port"]),
        TierRow(says: "no peer", rule: TierRule(action: .accept, peers: []), lines: ["allow g#0: nobody, any port"]),
        TierRow(
            says: "a named port has any protocol",
            rule: TierRule(action: .deny, peers: [.pods(PodSelection())], ports: [.named("http")]),
            lines: [
                "deny g#0: all pods in all namespaces with port http 8080/TCP, 8080/TCP",
                "deny g#0: all pods in all namespaces with port http 9090/TCP, 9090/TCP",
            ]),
        TierRow(
            says: "networks have no names for ports, the pods at them do",
            rule: TierRule(
                action: .pass, peers: [.networks([CIDR(host: IPAddress(v4: 0x0a00_0002))])],
                ports: [.named("http"), .range(.udp, PortRange(53))]),
            lines: [
                "pass g#0: 10.0.0.2/32, 53/UDP",
                "pass g#0: all pods in all namespaces with port http 8080/TCP at 10.0.0.2/32, 8080/TCP",
                "pass g#0: all pods in all namespaces with port http 9090/TCP at 10.0.0.2/32, 9090/TCP",
            ]),
        TierRow(
            says: "deny with a part that is not understood",
            rule: TierRule(action: .deny, peers: [], ports: [], unknown: ["x"]),
            lines: ["deny g#0: anybody, any port"]),
    ])
    func tierEgress(row: TierRow) {
        let policy = Rows.tierPolicy("g", .admin, egress: [row.rule])
        #expect(
            ResolvedLines(Self.pods + [policy]).egress
                == ["admin allow DHCP: own node, 67/UDP 547/UDP"] + row.lines.map { "admin \($0)" })
    }
}
