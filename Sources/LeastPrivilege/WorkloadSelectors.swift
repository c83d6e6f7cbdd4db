// SPDX-License-Identifier: Apache-2.0
import ClusterInventory
import KubernetesObjects
import NetworkTypes
import PolicyModel

/// Labels that select the pods of a workload and, if that is possible, no others.
struct WorkloadSelectors {
    /// Labels by which people name workloads, best first.
    private static let usual = [
        "app.kubernetes.io/name", "app", "k8s-app", "name", "app.kubernetes.io/instance",
        "app.kubernetes.io/component", "component", "tier", "role",
    ]

    /// The pods with an own address, by name.
    let pods: [EndpointName: Pod]
    private let byNamespace: [String: [Pod]]

    init(_ inventory: ClusterInventory) {
        var pods: [EndpointName: Pod] = [:]
        for object in inventory.objects {
            guard case .pod(let pod) = object else { continue }
            pods[EndpointName(namespace: pod.metadata.namespace, name: pod.metadata.name)] = pod
        }
        self.pods = pods
        byNamespace = Dictionary(
            grouping: pods.values.filter { !$0.hostNetwork && !$0.isFinished }, by: \.metadata.namespace)
    }

    /// The fewest labels that select exactly these pods of one namespace; if no labels do, all that they have in common.
    func labels(of members: [EndpointName]) -> [String: String] {
        let members = Set(members)
        let known = members.compactMap { pods[$0] }
        guard let first = known.first else { return [:] }
        var common = PassingLabels.removed(from: first.metadata.labels)
        for pod in known { common = common.filter { pod.metadata.labels[$0.key] == $0.value } }
        func isExact(_ labels: [String: String]) -> Bool {
            !labels.isEmpty && selected(by: labels, in: first.metadata.namespace).isSubset(of: members)
        }
        let keys = common.keys.sorted { (Self.rank($0), $0) < (Self.rank($1), $1) }
        for key in keys {
            let one = common.filter { $0.key == key }
            if isExact(one) { return one }
        }
        guard isExact(common) else { return common }
        for key in keys.reversed() {
            var fewer = common
            fewer[key] = nil
            if isExact(fewer) { common = fewer }
        }
        return common
    }

    private static func rank(_ key: String) -> Int { usual.firstIndex(of: key) ?? usual.count }

    /// The pods of a namespace with these labels.
    func selected(by labels: [String: String], in namespace: String) -> Set<EndpointName> {
        Set(
            (byNamespace[namespace] ?? []).lazy
                .filter { pod in labels.allSatisfy { pod.metadata.labels[$0.key] == $0.value } }
                .map { EndpointName(namespace: $0.metadata.namespace, name: $0.metadata.name) })
    }
}
