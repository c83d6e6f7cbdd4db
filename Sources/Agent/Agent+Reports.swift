// SPDX-License-Identifier: Apache-2.0
import KubernetesClient
import KubernetesObjects
import KubernetesWatch
import PolicyModel
import PolicyPipeline

extension Agent where Plane: ~Copyable {
    /// How long a pod may be without an interface of this node before that is told: its network is being made.
    private static var interfaceGrace: Duration { .seconds(15) }

    /// What is to be told about objects of the cluster, in order: policies that are refused, understood in part or
    /// without effect, and pods of this node that policy does not hold for.
    public func reports() -> [ObjectReport] {
        guard let follower = settings.cluster, cluster.gathering == nil else { return [] }
        return (refusedReports(follower) + policyReports() + podReports()).sorted { $0.object < $1.object }
    }

    private func refusedReports(_ follower: ClusterFollower) -> [ObjectReport] {
        follower.watches.flatMap { $0.status?.refused ?? [:] }.map { key, reason in
            ObjectReport(
                object: key, uid: store.clusterPolicies[key]?.metadata.uid ?? "", reason: "Refused",
                message: "is not enforced: \(reason)")
        }
    }

    private func policyReports() -> [ObjectReport] {
        var reports: [ObjectReport] = []
        for (key, policy) in store.clusterPolicies {
            let unknown = policy.unknownParts
            if !unknown.isEmpty {
                reports.append(
                    ObjectReport(
                        object: key, uid: policy.metadata.uid, reason: "PartlyUnderstood",
                        message: "is enforced so that what is not understood allows nothing: "
                            + unknown.joined(separator: "; ")))
            }
        }
        return reports
            + store.shadowedInCluster.map { key in
                ObjectReport(
                    object: key, uid: store.clusterPolicies[key]?.metadata.uid ?? "", reason: "GuardrailBefore",
                    message: "has no effect on nodes that have a static guardrail of its name")
            }
    }

    private func podReports() -> [ObjectReport] {
        var reports = pipeline.endpointsOverLimit.map { name in
            report(name, "NotProtected", "is not protected: this node has more pods than the tables hold")
        }
        let now = ContinuousClock.now
        let without = endpointsWithoutInterface
        cluster.unreachable = cluster.unreachable.filter { without.contains($0.key) }
        for name in without {
            let since = cluster.unreachable[name] ?? now
            cluster.unreachable[name] = since
            guard now - since >= Self.interfaceGrace else { continue }
            reports.append(
                report(
                    name, "NotEnforceable",
                    "policy may not hold for it: no interface of this node leads to its addresses, as for macvlan, "
                        + "ipvlan and SR-IOV"))
        }
        return reports
    }

    private func report(_ pod: EndpointName, _ reason: String, _ message: String) -> ObjectReport {
        ObjectReport(
            object: ObjectKey(kind: .pod, namespace: pod.namespace, name: pod.name), uid: cluster.uids[pod] ?? "",
            reason: reason, message: message)
    }

    /// Local pods to which no route leads through an interface, as far as the network is known.
    private var endpointsWithoutInterface: Set<EndpointName> {
        guard network != nil else { return [] }
        let names = pipeline.compiled.endpoints.compactMap { id, endpoint -> EndpointName? in
            guard case .some(.none) = interfaces[id], cluster.uids[endpoint.name] != nil else { return nil }
            return endpoint.name
        }
        return Set(names)
    }
}
