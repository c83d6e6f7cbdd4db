// SPDX-License-Identifier: Apache-2.0
import ClusterInventory
import KubernetesObjects
import NetworkTypes
import PolicyModel
import Testing
import WorldKit

/// What manifests do to a cluster that runs.
@Suite struct ApplyingTests {
    /// As an API server lists it: pods and their controllers, and no document that runs them.
    private static let cluster = """
        apiVersion: v1
        kind: Pod
        metadata:
          name: web-5d9c-x
          labels: {app: web, tier: front, pod-template-hash: 5d9c, security.istio.io/tlsMode: istio}
          ownerReferences: [{kind: ReplicaSet, name: web-5d9c, controller: true}]
        spec:
          nodeName: n1
          containers:
          - {name: c, ports: [{name: http, containerPort: 80}]}
          - {name: p, ports: [{name: http-envoy-prom, containerPort: 15090}]}
        status: {phase: Running, podIP: 10.0.0.1, hostIP: 192.168.0.1}
        ---
        {apiVersion: v1, kind: Node, metadata: {name: n1}, status: {addresses: [{type: InternalIP, address: 192.168.0.1}]}}

        """

    private static func deployment(_ labels: String, _ spec: String = "") -> String {
        """
        ---
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: web}
        spec: {replicas: 3, template: {metadata: {labels: \(labels)}, spec: {\(spec)}}}

        """
    }

    private func applied(_ text: String, to cluster: String = Self.cluster) throws -> ClusterInventory {
        let (base, files) = (input(["cluster": cluster]), input(["f.yaml": text]))
        try #require(base.problems.isEmpty && files.problems.isEmpty, "\(base.problems) \(files.problems)")
        return try ClusterInventory(base.input.applying(files.input))
    }

    /// Running pods become what the new template says, at their addresses, so that the clusters can be compared.
    @Test(arguments: [
        "", deployment("{app: web, tier: front}", "containers: [{name: c, ports: [{name: http, containerPort: 80}]}]"),
    ])
    func aTemplateChangesItsPods(_ before: String) throws {
        let inventory = try applied(
            Self.deployment(
                "{app: shop}",
                "serviceAccountName: seller, containers: [{name: c, ports: [{name: http, containerPort: 8080}]}]"),
            to: Self.cluster + before)
        #expect(inventory.groups == ["Deployment default/web: web-5d9c-x"] && inventory.invented.isEmpty)
        let pod = try inventory.pod("default", "web-5d9c-x")
        #expect(
            pod.metadata.labels == [
                "app": "shop", "pod-template-hash": "5d9c", "security.istio.io/tlsMode": "istio",
            ])
        #expect(pod.serviceAccountName == "seller" && pod.podIPs == addresses("10.0.0.1"))
        #expect(
            pod.namedPorts == [
                NamedPort(name: "http", number: 8080), NamedPort(name: "http-envoy-prom", number: 15090),
            ])
    }

    /// A pod that comes to its node's network loses its own address, and gets its node's.
    @Test func aTemplateChangesTheNetwork() throws {
        let inventory = try applied(Self.deployment("{app: web}", "hostNetwork: true"))
        let pod = try inventory.pod("default", "web-5d9c-x")
        #expect(pod.hostNetwork && pod.podIPs.isEmpty && pod.hostIPs == addresses("192.168.0.1"))
    }

    /// Manifests have no status; what is applied still runs where it ran.
    @Test func objectsKeepTheirStatus() throws {
        let inventory = try applied(
            """
            {apiVersion: v1, kind: Pod, metadata: {name: web-5d9c-x, labels: {app: other}}}
            ---
            {apiVersion: v1, kind: Node, metadata: {name: n1, labels: {a: b}}}
            """)
        let pod = try inventory.pod("default", "web-5d9c-x")
        #expect(pod.podIPs == addresses("10.0.0.1") && pod.nodeName == "n1" && pod.phase == .running)
        #expect(pod.metadata.labels == ["app": "other"] && inventory.invented.isEmpty)
        #expect(inventory.nodes.map(\.addresses) == [addresses("192.168.0.1")])
        // With its node's network it is another pod, and its address was not the node's.
        let other = try applied("{apiVersion: v1, kind: Pod, metadata: {name: web-5d9c-x}, spec: {hostNetwork: true}}")
        #expect(try other.pod("default", "web-5d9c-x").podIPs.isEmpty)
    }
}
