// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import PolicyModel

extension InventoryInput {
    /// The cluster after these manifests are applied to it: what they name replaces what is there. Pods of a workload
    /// whose document is among them keep their names and become what its template says. Pods and nodes keep what only
    /// a cluster knows.
    public func applying(_ manifests: InventoryInput) -> InventoryInput {
        let keys = Set(manifests.objects.lazy.map(\.key))
        let names = Set(manifests.services.lazy.map { [$0.namespace, $0.name] })
        let templates = Set(manifests.workloads.lazy.map(\.name))
        let replaced = Dictionary(
            objects.lazy.filter { keys.contains($0.key) }.map { ($0.key, $0) }, uniquingKeysWith: { _, last in last })
        var result = manifests
        result.objects =
            objects.filter { !keys.contains($0.key) }
            + manifests.objects.map { object in replaced[object.key].map { object.keepingStatus(of: $0) } ?? object }
        result.services = services.filter { !names.contains([$0.namespace, $0.name]) } + manifests.services
        result.workloads = workloads.filter { !templates.contains($0.name) } + manifests.workloads
        result.policies =
            policies.filter { document in document.key.map { !keys.contains($0) } ?? true } + manifests.policies
        result.owners = owners.filter { !keys.contains($0.key) }
            .merging(manifests.owners, uniquingKeysWith: { _, new in new })
        result.roll(manifests.workloads, before: workloads, except: keys)
        return result
    }

    /// Gives the pods of workloads what their new templates say.
    private mutating func roll(
        _ templates: [WorkloadTemplate], before: [WorkloadTemplate], except keys: Set<ObjectKey>
    ) {
        guard !templates.isEmpty else { return }
        let grouping = WorkloadGrouping(self)
        let earlier = Dictionary(before.lazy.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        let first = Dictionary(templates.lazy.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        let byWorkload = Dictionary(grouping: first.values) {
            grouping.workload(behind: $0.name, labels: $0.pod.metadata.labels)
        }
        var changes: [ObjectKey: WorkloadTemplate] = [:]
        for (workload, templates) in byWorkload {
            guard let template = StandInPods.best(templates, for: workload) else { continue }
            for pod in grouping.pods(of: workload) where !keys.contains(pod.key) { changes[pod.key] = template }
        }
        for index in objects.indices {
            guard let template = changes[objects[index].key], case .pod(let pod) = objects[index] else { continue }
            objects[index] = .pod(pod.rolled(to: template.pod, from: earlier[template.name]?.pod))
        }
    }
}

extension KubernetesObject {
    /// A manifest without a status does not take away the addresses that a running cluster gave.
    fileprivate func keepingStatus(of old: KubernetesObject) -> KubernetesObject {
        switch (self, old) {
        case (.pod(let pod), .pod(let old)): return .pod(pod.keepingStatus(of: old))
        case (.node(var node), .node(let old)):
            if node.addresses.isEmpty { node.addresses = old.addresses }
            return .node(node)
        default: return self
        }
    }
}

extension Pod {
    fileprivate func keepingStatus(of old: Pod) -> Pod {
        // With another network or on another node, it is another pod.
        guard podIPs.isEmpty, hostIPs.isEmpty, hostNetwork == old.hostNetwork,
            nodeName.isEmpty || nodeName == old.nodeName
        else { return self }
        var pod = self
        pod.podIPs = old.podIPs
        pod.hostIPs = old.hostIPs
        pod.phase = old.phase
        pod.nodeName = old.nodeName
        if pod.metadata.createdAt == 0 { pod.metadata.createdAt = old.metadata.createdAt }
        return pod
    }

    /// The pod in place of this one after its workload's template has changed.
    ///
    /// - Parameter old: the template before; nil: it is not known.
    fileprivate func rolled(to template: Pod, from old: Pod?) -> Pod {
        var pod = self
        let added = metadata.labels.filter { label, _ in
            old.map { $0.metadata.labels[label] == nil } ?? Self.isGiven(label)
        }
        pod.metadata.labels = template.metadata.labels.merging(added, uniquingKeysWith: { written, _ in written })
        pod.serviceAccountName = template.serviceAccountName
        let injected = namedPorts.filter { port in
            old.map { !$0.namedPorts.contains(port) } ?? (port.name == Self.proxyPort)
        }
        let names = Set(template.namedPorts.map(\.name))
        pod.namedPorts = (template.namedPorts + injected.filter { !names.contains($0.name) }).sorted()
        guard hostNetwork != template.hostNetwork else { return pod }
        pod.hostNetwork = template.hostNetwork
        pod.podIPs = []
        return pod
    }

    /// The port of a mesh's sidecar for Prometheus.
    private static let proxyPort = "http-envoy-prom"

    /// Whether controllers or a mesh add a label to pods.
    private static func isGiven(_ label: String) -> Bool {
        givenLabels.contains(label) || givenPrefixes.contains { label.hasPrefix($0) }
    }

    private static let givenLabels: Set<String> = [
        "pod-template-hash", "rollouts-pod-template-hash", "controller-revision-hash", "pod-template-generation",
        "job-name", "controller-uid",
    ]
    private static let givenPrefixes = [
        "statefulset.kubernetes.io/", "apps.kubernetes.io/", "batch.kubernetes.io/", "topology.kubernetes.io/",
        "topology.istio.io/", "service.istio.io/", "security.istio.io/",
    ]
}
