// SPDX-License-Identifier: Apache-2.0
import ClusterInventory
import KubernetesObjects
import Manifests
import NetworkTypes
import PolicyModel
import PostureReport
import Reachability
import Testing

/// Reads a manifest as the command line does.
func inventory(_ text: String) throws -> ClusterInventory {
    var set = ManifestSet(isExtracting: true)
    _ = set.apply(["cluster.yaml": .content(Array(text.utf8))])
    try #require(set.problems.isEmpty, "\(set.problems)")
    return try ClusterInventory(
        InventoryInput(objects: set.objects, services: set.services, extracts: set.extracts))
}

extension ClusterInventory {
    /// The same cluster with one more policy, which passes through its text.
    func adding(_ policy: String) throws -> ClusterInventory {
        var set = ManifestSet()
        _ = set.apply(["policy.yaml": .content(Array(policy.utf8))])
        try #require(set.problems.isEmpty, "\(set.problems)\n\(policy)")
        return try ClusterInventory(
            InventoryInput(objects: objects + set.objects, services: services), settings: settings)
    }

    func map() throws -> ReachabilityMap {
        try ReachabilityMap(objects: objects, settings: settings, workloads: workloadOfPod)
    }
}

extension Posture {
    /// `BR001 Deployment shop/web`, in order.
    var lines: [String] { findings.map { "\($0.code.rawValue) \($0.object)" } }

    func finding(_ code: PostureCode, _ object: String) throws -> PostureFinding {
        try #require(findings.first { $0.code == code && $0.object == object }, "\(lines)")
    }
}

/// A shop with one policy: redis is open to its namespace, to all of another namespace, and to 192.0.2.0/24.
let shop = """
    apiVersion: v1
    kind: Node
    metadata: {name: control, labels: {node-role.kubernetes.io/control-plane: ""}}
    status: {addresses: [{type: InternalIP, address: 192.168.1.1}]}
    ---
    apiVersion: v1
    kind: Node
    metadata: {name: worker}
    status: {addresses: [{type: InternalIP, address: 192.168.1.2}]}
    ---
    \(pod("shop", "web", 10))
    ---
    \(pod("shop", "redis", 11))
    ---
    \(pod("tools", "cron", 12))
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: agent, namespace: tools, labels: {app: agent}}
    spec: {nodeName: worker, hostNetwork: true}
    status: {podIP: 192.168.1.2, podIPs: [{ip: 192.168.1.2}], hostIP: 192.168.1.2}
    ---
    apiVersion: networking.k8s.io/v1
    kind: NetworkPolicy
    metadata: {name: redis, namespace: shop}
    spec:
      podSelector: {matchLabels: {app: redis}}
      ingress:
      - from: [{podSelector: {}}, {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: tools}}}]
        ports: [{port: 6379}]
      - from: [{ipBlock: {cidr: 192.0.2.0/24}}]
    ---
    apiVersion: networking.k8s.io/v1
    kind: NetworkPolicy
    metadata: {name: typo, namespace: shop}
    spec: {podSelector: {matchLabels: {app: wbe}}}

    """

private func pod(_ namespace: String, _ name: String, _ number: Int) -> String {
    """
    apiVersion: v1
    kind: Pod
    metadata: {name: \(name), namespace: \(namespace), labels: {app: \(name)}}
    spec: {nodeName: worker}
    status:
      podIP: 10.244.0.\(number)
      podIPs: [{ip: 10.244.0.\(number)}, {ip: "fd00:10:244::\(number)"}]
      hostIP: 192.168.1.2
    """
}
