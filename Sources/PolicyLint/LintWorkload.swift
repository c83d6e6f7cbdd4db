// SPDX-License-Identifier: Apache-2.0
import Documents
import KubernetesObjects
import NetworkTypes

/// The pod that a workload's document describes: manifests in git rarely hold pods.
struct LintWorkload {
    /// Nil: its pods have the node's network.
    var pod: LintWorld.KnownPod?

    /// Nil if the document is not a workload.
    init?(_ object: LintObject) {
        guard let template = Self.template(of: object), let spec = template["spec"] else { return nil }
        let isOnHost = spec["hostNetwork"]?.value == .bool(true)
        guard !isOnHost else { return }
        var labels: [String: String] = [:]
        for entry in template["metadata"]?["labels"]?.entries ?? [] { labels[entry.key] = entry.value.string }
        pod = LintWorld.KnownPod(
            namespace: object.namespace, labels: labels,
            account: spec["serviceAccountName"]?.string ?? Pod.defaultServiceAccount,
            ports: Self.ports(of: spec))
    }

    private static func template(of object: LintObject) -> DocumentNode? {
        let spec = object.node["spec"]
        switch object.kind {
        case "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job":
            return spec?["template"]
        case "CronJob": return spec?["jobTemplate"]?["spec"]?["template"]
        default: return nil
        }
    }

    private static func ports(of spec: DocumentNode) -> [NamedPort] {
        // An init container serves nothing while the pod runs, unless it is a sidecar.
        let sidecars = (spec["initContainers"]?.items ?? []).filter { $0["restartPolicy"]?.string == "Always" }
        let containers = (spec["containers"]?.items ?? []) + sidecars
        return containers.flatMap { $0["ports"]?.items ?? [] }.compactMap { port in
            guard let name = port["name"]?.string, case .integer(let number)? = port["containerPort"]?.value,
                let number = UInt16(exactly: number)
            else { return nil }
            let ipProtocol = port["protocol"]?.string.flatMap { IPProtocol(name: $0) } ?? .tcp
            return NamedPort(name: name, ipProtocol: ipProtocol, number: number)
        }.sorted()
    }
}
