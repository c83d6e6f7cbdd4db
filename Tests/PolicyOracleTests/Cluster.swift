// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import PolicyModel
import WorldKit

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
        .node(Node("n1", ["192.168.0.1", "fd01::1"])),
        .node(Node("n2", ["192.168.0.2", "fd01::2"])),
        .namespace(Namespace("shop", ["env": "prod"])),
        .pod(
            Pod(
                "shop/web", ["app": "web"], ["10.0.1.1", "fd00::11"], node: "n1",
                ports: [NamedPort(name: "http", ipProtocol: .tcp, number: 8080)])),
        .pod(
            Pod(
                "shop/db", ["app": "db", "tier": "back"], ["10.0.1.2", "fd00::12"], node: "n1",
                ports: [
                    NamedPort(name: "dns", ipProtocol: .udp, number: 53),
                    NamedPort(name: "http", ipProtocol: .tcp, number: 8000),
                ])),
        .pod(hostPod),
        .pod(
            Pod(
                "shop/api", ["app": "api", "tier": "back"], ["10.0.2.1", "fd00::21"], node: "n2",
                ports: [NamedPort(name: "http", ipProtocol: .tcp, number: 9000)])),
        .pod(
            Pod(
                "bare/web", ["app": "web"], ["10.0.2.2", "fd00::22"], node: "n2",
                ports: [NamedPort(name: "http", ipProtocol: .tcp, number: 7000)])),
    ])

    static var hostPod: Pod {
        var host = Pod(
            "shop/host", ["app": "web"], ["192.168.0.1", "fd01::1"], node: "n1")
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

/// A policy for pods with app=web, or for those that `selects` names.
func webPolicy(
    _ name: String, _ types: Set<PolicyType>, selects: LabelSelector = .labels(["app": "web"]),
    ingress: [NetworkPolicyRule] = [], egress: [NetworkPolicyRule] = []
) -> NetworkPolicy {
    var policy = NetworkPolicy(name, types, ingress: ingress, egress: egress)
    policy.podSelector = selects
    return policy
}

/// A policy for shop/web, ingress, of one rule with these peers and ports.
func from(_ peers: [NetworkPolicyPeer], _ ports: [NetworkPolicyPort] = []) -> [NetworkPolicy] {
    [webPolicy("in", [.ingress], ingress: [rule(peers, ports)])]
}

/// A policy for shop/web, egress, of one rule with these peers and ports.
func to(_ peers: [NetworkPolicyPeer], _ ports: [NetworkPolicyPort] = []) -> [NetworkPolicy] {
    [webPolicy("out", [.egress], egress: [rule(peers, ports)])]
}
