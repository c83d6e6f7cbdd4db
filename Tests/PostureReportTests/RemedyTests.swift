// SPDX-License-Identifier: Apache-2.0
import ClusterInventory
import Foundation
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyResolver
import PostureReport
import Reachability
import Testing
import WorldKit

/// Suggested policies: each is applied, as its text, to the whole cluster, and the clusters before and after are
/// compared over all flows. How the report itself tries a policy is not used.
@Suite struct RemedyTests {
    /// Which policies close the shop's findings; the kinds show that the most portable one that is exact is chosen.
    @Test func theShop() throws {
        let cluster = try inventory(shop)
        let posture = try Posture(cluster)
        var kinds: [PostureCode: Set<ObjectKind>] = [:]
        for finding in posture.findings {
            guard case .policy(let object) = finding.remedy else {
                #expect([.hostNetwork, .selectsNothing].contains(finding.code), "\(finding)")
                continue
            }
            kinds[finding.code, default: []].insert(object.kind)
            try check(finding, object, cluster)
        }
        #expect(
            kinds == [
                .metadata: [.networkPolicy], .etcd: [.clusterNetworkPolicy], .kubelet: [.clusterNetworkPolicy],
                .dataFromOutside: [.authorizationPolicy], .dataFromNamespaces: [.clusterNetworkPolicy],
                .ingressOpen: [.networkPolicy], .egressOpen: [.networkPolicy], .apiServer: [.clusterNetworkPolicy],
                .nodePorts: [.clusterNetworkPolicy],
            ])
    }

    /// A rule that allows the metadata service to everything cannot be narrowed by a further NetworkPolicy; a policy of
    /// the Admin tier can, unless one that comes before it accepts.
    @Test func whatOtherPoliciesAllow() throws {
        let pods = """
            apiVersion: v1
            kind: Pod
            metadata: {name: web, namespace: shop, labels: {app: web}}
            ---
            apiVersion: networking.k8s.io/v1
            kind: NetworkPolicy
            metadata: {name: all, namespace: shop}
            spec: {podSelector: {}, policyTypes: [Ingress, Egress], egress: [{}]}

            """
        let finding = try Posture(try inventory(pods)).finding(.metadata, "Pod shop/web")
        guard case .policy(let object) = finding.remedy else {
            Issue.record("\(finding)")
            return
        }
        #expect(object.kind == .clusterNetworkPolicy)
        let accepting = """
            ---
            apiVersion: policy.networking.k8s.io/v1alpha2
            kind: ClusterNetworkPolicy
            metadata: {name: a-first}
            spec:
              tier: Admin
              priority: 0
              subject: {namespaces: {}}
              egress: [{action: Accept, to: [{networks: [169.254.0.0/16]}]}]
            """
        let closed = try Posture(try inventory(pods + accepting)).finding(.metadata, "Pod shop/web")
        #expect(closed.policyText == nil && closed.fix.contains("169.254.169.254") && closed.fix.contains("stays open"))
    }

    /// A policy that is tried on one workload for another of the same class is also tried on flows from the other to the
    /// first: a NetworkPolicy would open what the Baseline tier denies.
    @Test func thePodThatStandsForOthers() throws {
        let cluster = try inventory(
            """
            apiVersion: v1
            kind: Pod
            metadata: {name: a, namespace: shop, labels: {app: one, tier: data}}
            ---
            apiVersion: v1
            kind: Pod
            metadata: {name: b, namespace: shop, labels: {app: two}}
            ---
            apiVersion: policy.networking.k8s.io/v1alpha2
            kind: ClusterNetworkPolicy
            metadata: {name: base}
            spec:
              tier: Baseline
              priority: 1
              subject: {namespaces: {}}
              egress:
              - {action: Deny, to: [{pods: {namespaceSelector: {}, podSelector: {matchLabels: {tier: data}}}}]}
            """)
        var tried: Set<String> = []
        for finding in try Posture(cluster).findings {
            guard case .policy(let object) = finding.remedy else { continue }
            tried.insert(finding.workload.map { "\($0)" } ?? "")
            try check(finding, object, cluster)
        }
        #expect(tried.count == 2)
    }

    /// Pods that share their labels with others get no policy that would select the others as well.
    @Test func labelsThatOthersHave() throws {
        let posture = try Posture(
            try inventory(
                """
                apiVersion: v1
                kind: Pod
                metadata: {name: a, namespace: shop, labels: {app: web}}
                ---
                apiVersion: v1
                kind: Pod
                metadata: {name: b, namespace: shop, labels: {app: web, part: two}}
                """))
        #expect(try posture.finding(.metadata, "Pod shop/a").fix.contains("share their labels"))
        let text = try #require(try posture.finding(.metadata, "Pod shop/b").policyText)
        #expect(text.contains("part: two"))
    }

    /// The words of two workloads can be the same.
    @Test func namesOfDifferentWorkloads() throws {
        let posture = try Posture(
            try inventory(
                """
                apiVersion: v1
                kind: Pod
                metadata: {name: x-pod-z, namespace: shop, labels: {app: web}}
                ---
                apiVersion: v1
                kind: Pod
                metadata: {name: z, namespace: shop-pod-x, labels: {app: web}}
                """))
        let names = posture.findings.compactMap { finding in
            if case .policy(let object) = finding.remedy { object.metadata.name } else { nil }
        }
        #expect(names.count > 2 && Set(names).count == names.count, "\(names)")
    }

    /// Random clusters with policies of all kinds.
    @Test func randomClusters() throws {
        let settings = WorldSettings(worlds: 12, flows: 1, environment: ProcessInfo.processInfo.environment)
        var (closed, without) = (0, 0)
        for seed in settings.seeds {
            let world = WorldGenerator(seed: seed, isAuthorized: seed.isMultiple(of: 2)).world
            let cluster = try ClusterInventory(
                InventoryInput(objects: world.objects),
                settings: PolicySettings(
                    enforcesNetworkPolicyOnOwnNode: world.settings.enforcesNetworkPolicyOnOwnNode,
                    nodeDNS: world.settings.nodeDNS))
            for finding in try Posture(cluster).findings {
                guard case .policy(let object) = finding.remedy else {
                    without += 1
                    continue
                }
                closed += 1
                try check(finding, object, cluster)
            }
        }
        #expect(closed > 100 && without > 20, "\(closed) \(without)")
    }

    private func check(_ finding: PostureFinding, _ object: KubernetesObject, _ cluster: ClusterInventory) throws {
        let workload = try #require(finding.workload)
        let changed = try cluster.adding(try #require(finding.policyText))
        #expect(changed.objects.contains(object), "the text is read as the same policy")
        var (old, new) = (try cluster.map(), try changed.map())
        let difference = try ReachabilityDifference(&old, &new)
        #expect(difference.onlyOld.isEmpty && difference.onlyNew.isEmpty)
        for change in difference.changes {
            #expect(change.new == .deny && finding.isAbout(change), "\(finding.code) \(workload): \(change)")
        }
        let left = try Posture(changed).findings.contains {
            $0.code == finding.code && $0.workload == workload && $0.message.contains("can reach")
        }
        #expect(!left, "\(finding)")
        if finding.code == .metadata {
            for address in ["169.254.169.254", "fd00:ec2::254"] {
                let claim = ReachClaim(
                    .deny, from: .named(namespace: workload.namespace, name: workload.name), to: try ReachEnd(address))
                if case .counterexample(let flow) = try new.prove(claim) { Issue.record("\(finding) \(flow)") }
            }
        }
    }
}

extension PostureFinding {
    /// Whether a flow that changed is one of those that the finding is about.
    fileprivate func isAbout(_ change: ReachChange) -> Bool {
        guard let workload else { return false }
        let (isFrom, isTo) = (change.from == .workload(workload), change.to == .workload(workload))
        let target = change.newFlow.flow.destination
        switch code {
        case .metadata:
            return isFrom && [0xa9fe_a9fe].map { IPAddress(v4: $0) }.contains(target) || isFrom && target.isV6Metadata
        case .etcd: return isFrom && change.to == .nodes && change.ports.isWithin(2379...2380)
        case .kubelet: return isFrom && change.to == .nodes && change.ports.isWithin(10250...10250)
        case .apiServer:
            return isFrom && change.to == .nodes
                && (change.ports.isWithin(443...443) || change.ports.isWithin(6443...6443))
        case .nodePorts: return isFrom && change.to == .nodes && change.ports.isWithin(30000...32767)
        case .dataFromOutside: return isTo && (change.from == .outside || change.from == .nodes)
        case .dataFromNamespaces:
            guard case .workload(let other) = change.from else { return false }
            return isTo && other.namespace != workload.namespace
        case .ingressOpen: return isTo
        case .egressOpen: return isFrom && !change.ports.isWithin(53...53)
        case .hostNetwork, .selectsNothing, .auditOnly: return false
        }
    }
}

extension IPAddress {
    fileprivate var isV6Metadata: Bool { self == IPAddress(v6High: 0xfd00_0ec2_0000_0000, low: 0x254) }
}

extension PortSpan {
    fileprivate func isWithin(_ range: ClosedRange<UInt16>) -> Bool {
        guard case .ports(let ports) = self else { return false }
        return range.contains(ports.range.first) && range.contains(ports.range.last)
    }
}
