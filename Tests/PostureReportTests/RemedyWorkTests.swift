// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import PostureReport
import Testing

/// How much the report tries, whatever the size of the cluster. Every suggestion is still checked: see ``RemedyTests``.
@Suite struct RemedyWorkTests {
    /// One trial for all workloads with the same policies, and one copy for an ingress and an egress code.
    @Test func workloadsAndPodsAddNothing() throws {
        let small = try posture(workloads: 2, pods: 1)
        let large = try posture(workloads: 24, pods: 3)
        #expect(large.work == small.work, "\(small.work) \(large.work)")
        // Metadata, etcd, kubelets, the API server, NodePorts and isolation of egress follow each other; isolation of
        // ingress shares the first copy.
        #expect(small.work.copies == 6 && small.work.trials == 7, "\(small.work)")
        #expect(large.findings.count == 12 * small.findings.count)
        let policies = large.findings.compactMap { finding in
            if case .policy(let object) = finding.remedy { object.key } else { nil }
        }
        #expect(policies.count == large.findings.count && Set(policies).count == policies.count)
    }

    /// Workloads with different policies are tried one by one, but in the same copies.
    @Test func differentPoliciesShareCopies() throws {
        let four = try posture(workloads: 4, pods: 2, withPolicies: true).work
        let eight = try posture(workloads: 8, pods: 2, withPolicies: true).work
        #expect(four.copies == eight.copies && eight.copies <= 7, "\(four) \(eight)")
        #expect(eight.trials > four.trials && eight.trials <= 8 * 7 + 1, "\(eight)")
    }

    private func posture(workloads: Int, pods: Int, withPolicies: Bool = false) throws -> Posture {
        var documents = [
            node("control", 1, "{node-role.kubernetes.io/control-plane: \"\"}"), node("worker", 2, "{}"),
        ]
        for workload in 0..<workloads {
            for pod in 0..<pods { documents.append(self.pod(workload, pod)) }
            if withPolicies { documents.append(policy(workload)) }
        }
        return try Posture(try inventory(documents.joined(separator: "\n---\n")))
    }

    private func node(_ name: String, _ number: Int, _ labels: String) -> String {
        """
        apiVersion: v1
        kind: Node
        metadata: {name: \(name), labels: \(labels)}
        status: {addresses: [{type: InternalIP, address: 192.168.1.\(number)}]}
        """
    }

    private func pod(_ workload: Int, _ number: Int) -> String {
        """
        apiVersion: v1
        kind: Pod
        metadata:
          name: app-\(workload)-\(number)
          namespace: shop
          labels: {app: app-\(workload)}
          ownerReferences: [{apiVersion: apps/v1, kind: StatefulSet, name: app-\(workload), uid: u, controller: true}]
        spec: {nodeName: worker}
        status: {podIP: 10.244.\(number).\(workload), podIPs: [{ip: 10.244.\(number).\(workload)}]}
        """
    }

    /// Egress to everything but one address, which differs, so that nearly every finding about egress stays.
    private func policy(_ workload: Int) -> String {
        """
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata: {name: app-\(workload), namespace: shop}
        spec:
          podSelector: {matchLabels: {app: app-\(workload)}}
          policyTypes: [Egress]
          egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0, except: [198.51.100.\(workload)/32]}}]}]
        """
    }
}
