// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import PolicyModel

/// A small cluster for literal rows. Namespace shop has an object and the label env=prod; namespace bare has none.
///
///     n1 192.168.0.1 fd01::1   shop/web  10.0.1.1 fd00::11  app=web            http 8080/TCP
///                              shop/db   10.0.1.2 fd00::12  app=db tier=back   http 8000/TCP, dns 53/UDP
///                              shop/host (host network)
///     n2 192.168.0.2 fd01::2   shop/api  10.0.2.1 fd00::21  app=api tier=back  http 9000/TCP
///                              bare/web  10.0.2.2 fd00::22  app=web            http 7000/TCP
struct Cluster: Sendable {
    var objects: [KubernetesObject]

    static let base = Cluster(objects: [
        .node(Node(metadata: ObjectMeta(name: "n1"), addresses: addresses("192.168.0.1", "fd01::1"))),
        .node(Node(metadata: ObjectMeta(name: "n2"), addresses: addresses("192.168.0.2", "fd01::2"))),
        .namespace(
            Namespace(
                metadata: ObjectMeta(name: "shop", labels: ["env": "prod", "kubernetes.io/metadata.name": "shop"]))),
        .pod(pod("shop", "web", "n1", ["app": "web"], ["10.0.1.1", "fd00::11"], [("http", .tcp, 8080)])),
        .pod(
            pod(
                "shop", "db", "n1", ["app": "db", "tier": "back"], ["10.0.1.2", "fd00::12"],
                [("dns", .udp, 53), ("http", .tcp, 8000)])),
        .pod(hostPod),
        .pod(
            pod("shop", "api", "n2", ["app": "api", "tier": "back"], ["10.0.2.1", "fd00::21"], [("http", .tcp, 9000)])),
        .pod(pod("bare", "web", "n2", ["app": "web"], ["10.0.2.2", "fd00::22"], [("http", .tcp, 7000)])),
    ])

    static var hostPod: Pod {
        var host = pod("shop", "host", "n1", ["app": "web"], ["192.168.0.1", "fd01::1"], [])
        host.hostNetwork = true
        host.hostIPs = host.podIPs
        return host
    }

    /// Changes the pod of this name.
    mutating func change(_ namespace: String, _ name: String, _ change: (inout Pod) -> Void) {
        for index in objects.indices {
            guard case .pod(var pod) = objects[index], pod.metadata.namespace == namespace, pod.metadata.name == name
            else { continue }
            change(&pod)
            objects[index] = .pod(pod)
        }
    }
}

func pod(
    _ namespace: String, _ name: String, _ node: String, _ labels: [String: String], _ podIPs: [String],
    _ ports: [(String, IPProtocol, UInt16)]
) -> Pod {
    Pod(
        metadata: ObjectMeta(name: name, namespace: namespace, labels: labels), nodeName: node,
        namedPorts: ports.map { NamedPort(name: $0.0, ipProtocol: $0.1, number: $0.2) },
        podIPs: podIPs.map(address))
}

func address(_ text: String) -> IPAddress {
    do { return try IPAddress(text) } catch { preconditionFailure("\(error)") }
}

func addresses(_ texts: String...) -> [IPAddress] { texts.map(address) }

func cidr(_ text: String) -> CIDR {
    do { return try CIDR(text) } catch { preconditionFailure("\(error)") }
}

/// "source destination protocol port?".
func flow(_ text: String) -> Flow {
    let words = text.split(separator: " ")
    guard let ipProtocol = IPProtocol(name: words[2]) else { preconditionFailure("no protocol in '\(text)'") }
    return Flow(
        source: address(String(words[0])), destination: address(String(words[1])), ipProtocol: ipProtocol,
        destinationPort: words.count > 3 ? UInt16(words[3]) : nil)
}

/// A policy in shop for app=web unless `selector` says otherwise.
func policy(
    _ name: String, _ types: Set<PolicyType>, namespace: String = "shop",
    selector: LabelSelector = LabelSelector(matchLabels: ["app": "web"]), ingress: [NetworkPolicyRule] = [],
    egress: [NetworkPolicyRule] = []
) -> NetworkPolicy {
    NetworkPolicy(
        metadata: ObjectMeta(name: name, namespace: namespace), podSelector: selector, policyTypes: types,
        ingress: ingress, egress: egress)
}

func labels(_ labels: [String: String]) -> LabelSelector { LabelSelector(matchLabels: labels) }

func expression(_ key: String, _ op: LabelRequirement.Operator, _ values: String...) -> LabelSelector {
    LabelSelector(matchExpressions: [LabelRequirement(key: key, operator: op, values: values)])
}

/// A policy for shop/web, ingress, of one rule with these peers and ports.
func from(_ peers: [NetworkPolicyPeer], _ ports: [NetworkPolicyPort] = []) -> [NetworkPolicy] {
    [policy("in", [.ingress], ingress: [NetworkPolicyRule(peers: peers, ports: ports)])]
}

/// A policy for shop/web, egress, of one rule with these peers and ports.
func to(_ peers: [NetworkPolicyPeer], _ ports: [NetworkPolicyPort] = []) -> [NetworkPolicy] {
    [policy("out", [.egress], egress: [NetworkPolicyRule(peers: peers, ports: ports)])]
}

func port(_ number: UInt16, _ last: UInt16? = nil, _ ipProtocol: IPProtocol = .tcp) -> NetworkPolicyPort {
    NetworkPolicyPort(ipProtocol: ipProtocol, port: .range(PortRange(number, last ?? number)))
}

func port(_ name: String, _ ipProtocol: IPProtocol = .tcp) -> NetworkPolicyPort {
    NetworkPolicyPort(ipProtocol: ipProtocol, port: .named(name))
}
