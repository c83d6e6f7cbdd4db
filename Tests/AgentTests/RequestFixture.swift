// SPDX-License-Identifier: Apache-2.0
import Agent
import ControlProtocol
import RequestPolicy

/// A shop whose shoes may be written by the inventory alone.
enum RequestFixture {
    static let world = """
        apiVersion: v1
        kind: Namespace
        metadata: {name: shop}
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: inventory, namespace: shop, labels: {app: inventory}}
        spec: {nodeName: node, serviceAccountName: inventory-sa}
        status: {phase: Running, podIPs: [{ip: 10.1.0.1}]}
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: shoes, namespace: shop, labels: {app: shoes}}
        spec: {nodeName: node}
        status: {phase: Running, podIPs: [{ip: 10.1.0.2}]}
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: web, namespace: shop, labels: {app: web}}
        spec: {nodeName: node, serviceAccountName: web-sa}
        status: {phase: Running, podIPs: [{ip: 10.1.0.3}]}
        ---
        \(policy(methods: "POST"))
        """

    static func policy(methods: String) -> String {
        """
        apiVersion: security.istio.io/v1
        kind: AuthorizationPolicy
        metadata: {name: shoes-writer, namespace: shop}
        spec:
          selector: {matchLabels: {app: shoes}}
          action: ALLOW
          rules:
          - from: [{source: {principals: [cluster.local/ns/shop/sa/inventory-sa]}}]
            to: [{operation: {methods: [\(methods)], ports: ["8080"]}}]
        """
    }

    static let proxy = """
        apiVersion: v1
        kind: Pod
        metadata: {name: bulkhead-http-x, namespace: kube-system}
        spec: {nodeName: node, serviceAccountName: bulkhead-http}
        status: {phase: Running, podIPs: [{ip: 10.1.0.9}]}
        """

    /// What a decider reports.
    static func counts(_ verdict: RequestCounts.Verdict, _ requests: UInt64) -> RequestCounts {
        var counts = RequestCounts(generation: 1)
        counts.counts = [
            .init(
                policy: .init(namespace: "shop", name: "shoes-writer"), rule: verdict == .deny ? nil : 0,
                verdict: verdict, requests: requests)
        ]
        return counts
    }

    /// What a decider that got these bytes would know.
    static func policies(in bytes: [UInt8], _ lines: inout RequestPolicyLines) throws -> RequestPolicy? {
        try lines.read(bytes) ? lines.reader.policy : nil
    }
}
