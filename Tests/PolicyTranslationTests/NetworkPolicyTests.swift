// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyTranslation
import Testing
import WorldKit

@Suite struct NetworkPolicyTests {
    private static let own = NamespaceScope.named("shop")
    private static let web = LabelSelector(matchLabels: ["app": "web"])
    private static let team = LabelSelector(matchLabels: ["team": "a"])

    private static func policy(
        _ types: Set<PolicyType>, ingress: [NetworkPolicyRule] = [], egress: [NetworkPolicyRule] = []
    ) -> NetworkPolicy {
        NetworkPolicy("shop/p", selects: ["app": "web"], types, ingress: ingress, egress: egress)
    }

    @Test func subjectAndPlace() {
        var written = Self.policy([.ingress])
        written.enforcement = .audit
        written.unknown = ["spec.new: not known"]
        let policy = Policy(written)
        #expect(policy.reference == PolicyReference(kind: "NetworkPolicy", namespace: "shop", name: "p"))
        #expect(policy.layer == .networkPolicy && policy.priority == 0)
        #expect(policy.subject == PodSubject(namespaces: Self.own, pods: Self.web))
        #expect(policy.enforcement == .audit && policy.unknown == ["spec.new: not known"])
    }

    struct Peers: Sendable, CustomStringConvertible {
        var written: [NetworkPolicyPeer]
        var means: [PolicyPeer]?
        var description: String { "\(written)" }
    }

    @Test(arguments: [
        Peers(written: [], means: nil),
        Peers(
            written: [.pods(namespaces: nil, pods: web)], means: [.pods(PodSubject(namespaces: own, pods: web))]),
        Peers(
            written: [.pods(namespaces: team, pods: nil)],
            means: [.pods(PodSubject(namespaces: .selector(team), pods: LabelSelector()))]),
        Peers(
            written: [.pods(namespaces: LabelSelector(), pods: web)],
            means: [.pods(PodSubject(namespaces: .selector(LabelSelector()), pods: web))]),
        Peers(
            written: [.ipBlock(cidr: CIDR.loopback[0], except: [])],
            means: [.block(AddressBlock(cidr: CIDR.loopback[0]))]),
    ])
    func peers(row: Peers) {
        let policy = Policy(Self.policy([.ingress], ingress: [NetworkPolicyRule(peers: row.written)]))
        #expect(policy.ingress == [PolicyRule(action: .allow, peers: row.means, ports: nil)])
    }

    struct Ports: Sendable, CustomStringConvertible {
        var written: [NetworkPolicyPort]
        var means: [PolicyPort]?
        var description: String { "\(written)" }
    }

    @Test(arguments: [
        Ports(written: [], means: nil),
        Ports(written: [NetworkPolicyPort(ipProtocol: .udp)], means: [.range(ProtocolPorts(.udp, .all))]),
        Ports(
            written: [NetworkPolicyPort(port: .range(PortRange(80, 90)))],
            means: [.range(ProtocolPorts(.tcp, PortRange(80, 90)))]),
        Ports(written: [NetworkPolicyPort(port: .named("http"))], means: [.named("http", .tcp)]),
    ])
    func ports(row: Ports) {
        let policy = Policy(Self.policy([.egress], egress: [NetworkPolicyRule(ports: row.written)]))
        #expect(policy.egress == [PolicyRule(action: .allow, peers: nil, ports: row.means)])
    }

    struct Types: Sendable, CustomStringConvertible {
        var types: Set<PolicyType>
        var isolates: Set<Direction>
        var ingress: Int
        var egress: Int
        var description: String { "\(types.map(\.rawValue).sorted())" }
    }

    /// Rules of a direction that the policy does not isolate have no effect.
    @Test(arguments: [
        Types(types: [], isolates: [], ingress: 0, egress: 0),
        Types(types: [.ingress], isolates: [.ingress], ingress: 1, egress: 0),
        Types(types: [.egress], isolates: [.egress], ingress: 0, egress: 2),
        Types(types: [.ingress, .egress], isolates: [.ingress, .egress], ingress: 1, egress: 2),
    ])
    func directions(row: Types) {
        let rule = NetworkPolicyRule()
        let policy = Policy(Self.policy(row.types, ingress: [rule], egress: [rule, rule]))
        #expect(policy.isolates == row.isolates)
        #expect(policy.ingress.count == row.ingress && policy.egress.count == row.egress)
    }
}
