// SPDX-License-Identifier: Apache-2.0
import ClusterInventory
import KubernetesObjects
import PolicyModel

/// Labels that select the pods of one workload and no other pod of its namespace.
struct WorkloadLabels {
    private struct Pair: Hashable {
        var namespace: String
        var key: String
        var value: String
    }

    private var podsWith: [Pair: Set<EndpointName>] = [:]
    private let pods: [EndpointName: Pod]

    /// Labels that alone are the usual way to select a workload.
    private static let usual = ["app.kubernetes.io/name", "app", "k8s-app", "name", "app.kubernetes.io/instance"]

    init(_ pods: [EndpointName: Pod]) {
        self.pods = pods
        for (name, pod) in pods where !pod.hostNetwork {
            for (key, value) in PassingLabels.removed(from: pod.metadata.labels) {
                podsWith[Pair(namespace: name.namespace, key: key, value: value), default: []].insert(name)
            }
        }
    }

    /// Nil: other pods have the same labels, or there are none.
    func selecting(_ workload: Workload) -> [String: String]? {
        let members = Set(workload.pods.filter { pods[$0].map { !$0.hostNetwork } ?? false })
        guard let first = members.first, var common = pods[first]?.metadata.labels else { return nil }
        common = PassingLabels.removed(from: common)
        for name in members { common = common.filter { pods[name]?.metadata.labels[$0.key] == $0.value } }
        let singles = Self.usual.compactMap { key in common[key].map { [key: $0] } }
        return (singles + [common]).first { selected($0, workload.name.namespace) == members }
    }

    private func selected(_ labels: [String: String], _ namespace: String) -> Set<EndpointName>? {
        var sets = labels.compactMap { podsWith[Pair(namespace: namespace, key: $0.key, value: $0.value)] }
        guard !sets.isEmpty else { return nil }
        sets.sort { $0.count < $1.count }
        return sets.dropFirst().reduce(sets[0]) { $0.intersection($1) }
    }
}
