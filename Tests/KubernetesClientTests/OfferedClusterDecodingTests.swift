// SPDX-License-Identifier: Apache-2.0
import KubernetesClient
import KubernetesObjects
import KubernetesWatch
import Manifests
import Testing

extension OfferedClusterTests {
    private func policies(_ cluster: any TestCluster) -> String {
        """
        ---
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata: {name: rules, namespace: \(cluster.namespace), labels: {part: "1"}}
        spec:
          podSelector:
            matchLabels: {app: db}
            matchExpressions:
            - {key: tier, operator: In, values: [a, b]}
            - {key: old, operator: DoesNotExist}
          policyTypes: [Ingress, Egress]
          ingress:
          - from:
            - podSelector: {matchLabels: {app: api}}
            - namespaceSelector: {matchExpressions: [{key: team, operator: NotIn, values: [x]}]}
              podSelector: {}
            - ipBlock: {cidr: 203.0.113.0/24, except: [203.0.113.8/29]}
            ports:
            - {port: 6379}
            - {port: web, protocol: TCP}
            - {port: 7000, endPort: 7010, protocol: SCTP}
            - {protocol: UDP}
          - {}
          egress:
          - to: [{ipBlock: {cidr: '2001:db8::/32'}}]
        ---
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata: {name: closed, namespace: \(cluster.namespace)}
        spec: {podSelector: {}}
        ---
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata: {name: out, namespace: \(cluster.namespace)}
        spec: {podSelector: {}, policyTypes: [Egress], egress: []}

        """
    }

    private func pods(_ cluster: any TestCluster) -> String {
        """
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: full, namespace: \(cluster.namespace), labels: {app: db, 'example.com/tier': a}}
        spec:
          nodeName: \(cluster.namespace)
          initContainers:
          - name: sidecar
            image: i
            restartPolicy: Always
            ports: [{name: proxy, containerPort: 15001}]
          - {name: once, image: i, ports: [{name: unseen, containerPort: 1}]}
          containers:
          - name: c
            image: i
            ports:
            - {name: web, containerPort: 8080}
            - {name: dns, containerPort: 53, protocol: UDP}
            - {name: sig, containerPort: 9999, protocol: SCTP}
            - {containerPort: 9}
        status:
          phase: Running
          podIP: 192.0.2.7
          podIPs: [{ip: 192.0.2.7}, {ip: '2001:db8::7'}]
          hostIP: 198.51.100.1
          hostIPs: [{ip: 198.51.100.1}, {ip: '2001:db8:1::1'}]
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: host, namespace: \(cluster.namespace)}
        spec:
          nodeName: \(cluster.namespace)
          hostNetwork: true
          containers: [{name: c, image: i}]
        status: {phase: Succeeded, podIP: 198.51.100.1, podIPs: [{ip: 198.51.100.1}]}
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: fresh, namespace: \(cluster.namespace)}
        spec: {nodeName: \(cluster.namespace), containers: [{name: c, image: i}]}
        status: {phase: Pending}

        """
    }

    /// A node is made where it can do no harm: elsewhere it would draw pods of others.
    private func node(_ cluster: any TestCluster) -> String {
        guard cluster.isOwn else { return "" }
        return """
            ---
            apiVersion: v1
            kind: Node
            metadata: {name: \(cluster.namespace), labels: {zone: a}}
            status:
              addresses:
              - {type: Hostname, address: one}
              - {type: InternalIP, address: 198.51.100.1}
              - {type: InternalIP, address: '2001:db8:1::1'}
              - {type: ExternalIP, address: 203.0.113.1}

            """
    }

    /// The content of objects, whatever client stored them and when.
    private func told(_ object: KubernetesObject) -> KubernetesObject {
        var object = object
        (object.metadata.uid, object.metadata.createdAt) = ("", 0)
        return object
    }

    /// From the first list, and from a watch, each object is read as its manifest.
    @Test(arguments: OfferedCluster.offered) func whatIsReadIsWhatWasApplied(offered: OfferedCluster) async throws {
        try await offered.with { cluster in
            let manifest = cluster.ownNamespace("{team: shop}") + pods(cluster) + policies(cluster) + node(cluster)
            let first = try ObjectBatch.decode(Array(manifest.utf8)).objects
            try await cluster.apply(manifest)
            try await cluster.follow { followed in
                try await followed.waitUntilComplete()
                for object in first { #expect(followed[object.key].map(told) == object) }

                let changed = manifest.replacing("{team: shop}", with: "{team: other}")
                    .replacing("app: db", with: "app: cache").replacing("endPort: 7010", with: "endPort: 7020")
                    .replacing("192.0.2.7", with: "192.0.2.8").replacing("zone: a", with: "zone: b")
                let second = try ObjectBatch.decode(Array(changed.utf8)).objects
                #expect(zip(first, second).filter { $0 != $1 }.count == (cluster.isOwn ? 4 : 3))
                try await cluster.apply(changed)
                try await followed.wait("the last change") { followed in
                    second.allSatisfy { followed[$0.key].map(told) == $0 }
                }
                #expect(followed.follower.watches.allSatisfy { $0.status?.refused.isEmpty == true })
            }
        }
    }
}
