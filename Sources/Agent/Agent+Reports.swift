// SPDX-License-Identifier: Apache-2.0
import KubernetesClient
import KubernetesObjects
import KubernetesWatch
import PolicyModel
import PolicyPipeline

extension Agent where Plane: ~Copyable {
    /// Reports about objects of the cluster, in order: policies that are refused, partly understood or without effect,
    /// pods of this node for which policy does not hold, and the node itself if its kernel decides otherwise than policy.
    public func reports() -> [ObjectReport] {
        guard let follower = settings.cluster, phase.isClusterKnown else { return [] }
        return (refusedReports(follower) + policyReports() + requestReports() + podReports() + proofReports()).sorted {
            $0.object < $1.object
        }
    }

    private func refusedReports(_ follower: ClusterFollower) -> [ObjectReport] {
        let refused = follower.watches.flatMap { $0.status?.refused ?? [:] }
        logRefused(Set(refused.map(\.key)), source: clusterName)
        return refused.map { key, reason in
            ObjectReport(
                object: key, uid: inputs.store.clusterPolicies[key]?.metadata.uid ?? "", reason: "Refused",
                message: "is not enforced: \(reason)")
        }
    }

    private func policyReports() -> [ObjectReport] {
        var reports: [ObjectReport] = []
        for (key, policy) in inputs.store.clusterPolicies {
            let unknown = policy.unknownParts
            if !unknown.isEmpty {
                reports.append(
                    ObjectReport(
                        object: key, uid: policy.metadata.uid, reason: "PartlyUnderstood",
                        message: "is enforced so that the parts that are not understood allow nothing: "
                            + unknown.joined(separator: "; ")))
            }
        }
        return reports
            + inputs.store.shadowedInCluster.map { key in
                ObjectReport(
                    object: key, uid: inputs.store.clusterPolicies[key]?.metadata.uid ?? "", reason: "GuardrailBefore",
                    message: "is overridden on nodes with a static guardrail of the same name")
            }
    }

    private func podReports() -> [ObjectReport] {
        let unprotected = pipeline.endpointsOverLimit.compactMap { name in
            report(name, "NotProtected", "is not protected: this node has more pods than the tables hold")
        }
        return unprotected + unreachableReports()
    }

    /// Pods that have been without an interface for longer than its creation takes.
    private func unreachableReports() -> [ObjectReport] {
        // No reports before the network is known, nor about pods whose interface could not be set.
        let without = endpointsWithoutInterface.filter { programmed.places[$0] != nil }
        let found = without.compactMap { id in
            report(
                pipeline.compiled.endpoints[id]?.name, "NotEnforceable",
                "policy may not hold for it: no interface of this node leads to its addresses, as with macvlan, ipvlan "
                    + "and SR-IOV")
        }
        let now = ContinuousClock.now
        var since: [ObjectReport: ContinuousClock.Instant] = [:]
        for report in found { since[report] = mismatches.unreachable[report] ?? now }
        mismatches.unreachable = since
        return found.filter { since[$0].map { now - $0 >= settings.interfaceGrace } ?? false }
    }

    /// Nil for endpoints without a Pod object: an Event would have no object.
    private func report(_ pod: EndpointName?, _ reason: String, _ message: String) -> ObjectReport? {
        guard let pod, let uid = inputs.podUIDs[pod] else { return nil }
        return ObjectReport(
            object: ObjectKey(kind: .pod, namespace: pod.namespace, name: pod.name), uid: uid, reason: reason,
            message: message)
    }
}
