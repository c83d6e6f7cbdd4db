// SPDX-License-Identifier: Apache-2.0
import ClusterInventory
import Findings
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PostureReport
import Reachability
import Testing

/// What the report finds, and how it ranks.
@Suite struct PostureTests {
    @Test func theShop() throws {
        let posture = try Posture(try inventory(shop))
        #expect(
            Set(posture.lines) == [
                "BR008 Pod tools/agent",
                "BR001 Pod tools/cron", "BR002 Pod tools/cron", "BR003 Pod tools/cron", "BR006 Pod tools/cron",
                "BR007 Pod tools/cron", "BR009 Pod tools/cron", "BR010 Pod tools/cron",
                "BR001 Pod shop/web", "BR002 Pod shop/web", "BR003 Pod shop/web", "BR006 Pod shop/web",
                "BR007 Pod shop/web", "BR009 Pod shop/web", "BR010 Pod shop/web",
                "BR001 Pod shop/redis", "BR002 Pod shop/redis", "BR003 Pod shop/redis", "BR004 Pod shop/redis",
                "BR005 Pod shop/redis", "BR007 Pod shop/redis", "BR009 Pod shop/redis", "BR010 Pod shop/redis",
                "BR011 NetworkPolicy shop/typo",
            ])
        let data = try posture.finding(.dataFromOutside, "Pod shop/redis")
        #expect(data.message == "Addresses outside the cluster, or nodes, can reach 6379/TCP (Redis).")
        let namespaces = try posture.finding(.dataFromNamespaces, "Pod shop/redis")
        #expect(namespaces.message == "1 workload of other namespaces (tools) can reach 6379/TCP (Redis).")
        let metadata = try posture.finding(.metadata, "Pod shop/web")
        #expect(
            metadata.message == "It can reach 169.254.169.254 on every port and fd00:ec2::254 on every port.")
        #expect(posture.report.has(atLeast: .high) && posture.report.count(.high) == 7)
    }

    /// The order: web and cron gain the data of redis, redis itself does not; the pod on the node has a gain of its own.
    @Test func theRanking() throws {
        let posture = try Posture(try inventory(shop))
        #expect(
            posture.workloads.map { "\($0.key) \($0.score)" } == [
                "shop/web 100", "tools/cron 100", "shop/redis 100", "tools/agent 40",
            ])
        let web = try #require(posture.workloads.first { $0.key.name == "web" })
        #expect(web.gains.map(\.points) == web.gains.map(\.points).sorted(by: >))
        #expect(posture.findings.first?.workload == posture.workloads[0].key)
    }

    /// A cluster in which nothing is wrong.
    @Test func silence() throws {
        let posture = try Posture(
            try inventory(
                """
                apiVersion: v1
                kind: Pod
                metadata: {name: web, namespace: shop, labels: {app: web}}
                status: {podIP: 10.244.0.10, podIPs: [{ip: 10.244.0.10}]}
                ---
                apiVersion: networking.k8s.io/v1
                kind: NetworkPolicy
                metadata: {name: all, namespace: shop}
                spec: {podSelector: {}, policyTypes: [Ingress, Egress]}
                """))
        #expect(posture.lines.isEmpty)
        #expect(posture.workloads.map(\.score) == [0])
        #expect(posture.notes.count == 1)
    }

    /// What is open on one address or for one pod is not all.
    @Test func allAddressesAndPodsCount() throws {
        func node(_ number: Int) -> String {
            """
            apiVersion: v1
            kind: Node
            metadata: {name: control-\(number), labels: {node-role.kubernetes.io/control-plane: ""}}
            status: {addresses: [{type: InternalIP, address: 192.168.1.\(number)}]}
            ---

            """
        }
        func pod(_ name: String, _ set: String, _ address: String) -> String {
            let owner = "{apiVersion: apps/v1, kind: StatefulSet, controller: true, uid: u, name: \(set)}"
            return """
                apiVersion: v1
                kind: Pod
                metadata: {name: \(name), namespace: shop, labels: {app: \(name)}, ownerReferences: [\(owner)]}
                status: {podIP: \(address), podIPs: [{ip: \(address)}]}
                ---

                """
        }
        let posture = try Posture(
            try inventory(
                node(1) + node(2) + pod("web-0", "web", "10.244.0.10") + pod("web-1", "web", "10.244.0.11")
                    + pod("sql-0", "sql", "10.244.0.12") + """
                        apiVersion: policy.networking.k8s.io/v1alpha2
                        kind: ClusterNetworkPolicy
                        metadata: {name: web-0}
                        spec:
                          tier: Admin
                          priority: 1
                          subject: {pods: {namespaceSelector: {}, podSelector: {matchLabels: {app: web-0}}}}
                          egress:
                          - action: Deny
                            to: [{networks: [0.0.0.0/0]}]
                            protocols: [{tcp: {destinationPort: {number: 80}}}]
                        ---
                        apiVersion: networking.k8s.io/v1
                        kind: NetworkPolicy
                        metadata: {name: sql, namespace: shop}
                        spec:
                          podSelector: {matchLabels: {app: sql-0}}
                          policyTypes: [Egress]
                          egress:
                          - {to: [{ipBlock: {cidr: 192.168.1.1/32}}], ports: [{port: 2379}]}
                          - {to: [{ipBlock: {cidr: 192.168.1.2/32}}], ports: [{port: 2380}]}
                        """))
        let etcd = try posture.finding(.etcd, "StatefulSet shop/sql")
        #expect(etcd.message == "It can reach the control plane on 2379-2380/TCP.")
        let open = try posture.finding(.egressOpen, "StatefulSet shop/web")
        #expect(open.message.hasPrefix("No policy decides about traffic from 2 pods: "), "\(open.message)")
    }

    @Test func auditIsReported() throws {
        let posture = try Posture(
            try inventory(
                """
                apiVersion: v1
                kind: Pod
                metadata: {name: web, namespace: shop, labels: {app: web}}
                ---
                apiVersion: networking.k8s.io/v1
                kind: NetworkPolicy
                metadata: {name: all, namespace: shop, annotations: {bulkhead.dev/enforcement: audit}}
                spec: {podSelector: {}, policyTypes: [Ingress, Egress]}
                """))
        #expect(posture.lines.contains("BR012 NetworkPolicy shop/all"))
        #expect(posture.lines.contains("BR006 Pod shop/web"))
        let place = try posture.finding(.auditOnly, "NetworkPolicy shop/all").place
        #expect(place == FindingPlace(file: "cluster.yaml", line: 5))
    }

    /// Stable: CI depends on them.
    @Test func codesAndGrades() {
        #expect(
            PostureCode.allCases.map { "\($0.rawValue) \($0.severity.rawValue)" } == [
                "BR001 high", "BR002 high", "BR003 medium", "BR004 high", "BR005 medium", "BR006 medium",
                "BR007 medium", "BR008 medium", "BR009 low", "BR010 low", "BR011 low", "BR012 info",
            ])
    }
}
