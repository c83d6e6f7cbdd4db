// SPDX-License-Identifier: Apache-2.0
import Yams

/// What a field of a Kubernetes object may hold: those fields of its kind that Bulkhead's manifests may use. Another
/// field is misspelled, or missing here.
indirect enum Shape: Sendable {
    case text
    /// One that YAML does not read as something else, such as a number.
    case string
    case number
    case flag
    /// One of some words.
    case word([String])
    case list(Shape)
    /// Any keys.
    case map(Shape)
    case object([String: Shape], required: [String] = [])

    /// What is wrong below `path`.
    func problems(_ node: Node, at path: String) -> [String] {
        switch self {
        case .text: return node.scalar == nil ? ["\(path) is no text"] : []
        case .string: return node.any is String ? [] : ["\(path) is no string"]
        case .number: return node.int == nil ? ["\(path) is no whole number"] : []
        case .flag: return node.bool == nil ? ["\(path) is neither true nor false"] : []
        case .word(let words):
            return words.contains(node.string ?? "") ? [] : ["\(path) is none of \(words.joined(separator: ", "))"]
        case .list(let shape):
            guard let items = node.sequence else { return ["\(path) is no list"] }
            return items.enumerated().flatMap { shape.problems($1, at: "\(path)[\($0)]") }
        case .map(let shape):
            guard let fields = node.mapping else { return ["\(path) is no mapping"] }
            return fields.flatMap { shape.problems($1, at: "\(path).\($0.string ?? "?")") }
        case .object(let shapes, let required):
            guard let fields = node.mapping else { return ["\(path) is no mapping"] }
            let missing = required.filter { fields[$0] == nil }.map { "\(path).\($0) is missing" }
            return missing
                + fields.flatMap { key, value in
                    let name = key.string ?? "?"
                    return shapes[name]?.problems(value, at: "\(path).\(name)") ?? ["\(path).\(name) is not known"]
                }
        }
    }

    /// By kind and version.
    static let kinds: [String: Shape] = [
        "ServiceAccount v1": .object(
            head.merging(["automountServiceAccountToken": .flag]) { $1 }, required: ["metadata"]),
        "ConfigMap v1": .object(head.merging(["data": .map(.text)]) { $1 }, required: ["metadata", "data"]),
        "ClusterRole rbac.authorization.k8s.io/v1": .object(
            head.merging(["rules": .list(rule)]) { $1 }, required: ["metadata", "rules"]),
        "ClusterRoleBinding rbac.authorization.k8s.io/v1": .object(
            head.merging([
                "roleRef": .object(["apiGroup": .text, "kind": .text, "name": .text]),
                "subjects": .list(.object(["kind": .text, "name": .text, "namespace": .text])),
            ]) { $1 }, required: ["metadata", "roleRef", "subjects"]),
        "DaemonSet apps/v1": .object(head.merging(["spec": daemonSet]) { $1 }, required: ["metadata", "spec"]),
        "NetworkPolicy networking.k8s.io/v1": .object(
            head.merging(["spec": networkPolicy]) { $1 }, required: ["metadata", "spec"]),
        "PodMonitor monitoring.coreos.com/v1": .object(
            head.merging(["spec": podMonitor]) { $1 }, required: ["metadata", "spec"]),
        "PrometheusRule monitoring.coreos.com/v1": .object(
            head.merging(["spec": prometheusRule]) { $1 }, required: ["metadata", "spec"]),
    ]

    private static let networkPolicy = Shape.object(
        [
            "podSelector": .object(["matchLabels": .map(.text)], required: ["matchLabels"]),
            "policyTypes": .list(.word(["Ingress", "Egress"])),
            "ingress": .list(.object(["ports": .list(.object(["protocol": .text, "port": .number]))])),
        ], required: ["podSelector", "policyTypes"])

    // Of the Prometheus operator's API (monitoring.coreos.com/v1).

    private static let podMonitor = Shape.object(
        [
            "namespaceSelector": .object(["matchNames": .list(.text)], required: ["matchNames"]),
            "selector": .object(["matchLabels": .map(.text)], required: ["matchLabels"]),
            "podMetricsEndpoints": .list(
                .object(
                    ["port": .text, "path": .text, "interval": .text, "honorLabels": .flag], required: ["port"])),
        ], required: ["selector", "podMetricsEndpoints"])

    private static let prometheusRule = Shape.object(
        [
            "groups": .list(
                .object(
                    [
                        "name": .text,
                        "rules": .list(
                            .object(
                                [
                                    "alert": .text, "expr": .text, "for": .text, "labels": .map(.text),
                                    "annotations": .map(.text),
                                ], required: ["alert", "expr"])),
                    ], required: ["name", "rules"]))
        ], required: ["groups"])

    private static let head: [String: Shape] = ["apiVersion": .text, "kind": .text, "metadata": metadata]
    private static let metadata = Shape.object(
        ["name": .text, "namespace": .text, "labels": .map(.text), "annotations": .map(.text)], required: ["name"])
    private static let rule = Shape.object(
        ["apiGroups": .list(.text), "resources": .list(.text), "verbs": .list(.text)],
        required: ["apiGroups", "resources", "verbs"])

    private static let daemonSet = Shape.object(
        [
            "selector": .object(["matchLabels": .map(.text)], required: ["matchLabels"]),
            "updateStrategy": .object([
                "type": .word(["RollingUpdate", "OnDelete"]), "rollingUpdate": .object(["maxUnavailable": .text]),
            ]),
            "template": .object([
                "metadata": .object(["labels": .map(.text), "annotations": .map(.text)]), "spec": pod,
            ]),
        ], required: ["selector", "template"])

    private static let pod = Shape.object(
        [
            "serviceAccountName": .text, "automountServiceAccountToken": .flag, "priorityClassName": .text,
            "hostNetwork": .flag, "enableServiceLinks": .flag,
            "dnsPolicy": .word(["Default", "ClusterFirst", "ClusterFirstWithHostNet", "None"]),
            "nodeSelector": .map(.text), "terminationGracePeriodSeconds": .number,
            "affinity": .object(["nodeAffinity": nodeAffinity]),
            "tolerations": .list(.object(["operator": .word(["Exists", "Equal"]), "key": .text, "effect": .text])),
            "securityContext": .object([
                "seccompProfile": .object(["type": .word(["RuntimeDefault", "Localhost"])]),
                "sysctls": .list(.object(["name": .text, "value": .text], required: ["name", "value"])),
            ]),
            "initContainers": .list(container), "containers": .list(container),
            "volumes": .list(
                .object(
                    [
                        "name": .text,
                        "hostPath": .object(
                            ["path": .text, "type": .word(["Directory", "DirectoryOrCreate"])], required: ["path"]),
                        "emptyDir": .object(["medium": .word(["Memory"]), "sizeLimit": .text]),
                        "configMap": .object(["name": .text], required: ["name"]),
                    ], required: ["name"])),
        ], required: ["containers"])

    private static let nodeAffinity = Shape.object([
        "requiredDuringSchedulingIgnoredDuringExecution": .object(
            [
                "nodeSelectorTerms": .list(
                    .object([
                        "matchExpressions": .list(
                            .object(
                                [
                                    "key": .text, "values": .list(.string),
                                    "operator": .word(["In", "NotIn", "Exists", "DoesNotExist"]),
                                ], required: ["key", "operator"]))
                    ]))
            ], required: ["nodeSelectorTerms"])
    ])

    private static let container = Shape.object(
        [
            "name": .text, "image": .text, "imagePullPolicy": .word(["Always", "IfNotPresent", "Never"]),
            "command": .list(.text), "args": .list(.text),
            "env": .list(
                .object([
                    "name": .text, "value": .string,
                    "valueFrom": .object(["fieldRef": .object(["fieldPath": .text])]),
                ])),
            "securityContext": .object([
                "runAsUser": .number, "runAsNonRoot": .flag, "privileged": .flag, "allowPrivilegeEscalation": .flag,
                "readOnlyRootFilesystem": .flag,
                "capabilities": .object(["drop": .list(.text), "add": .list(.text)]),
            ]),
            "ports": .list(
                .object(
                    ["name": .text, "containerPort": .number, "protocol": .word(["TCP", "UDP", "SCTP"])],
                    required: ["containerPort"])),
            "startupProbe": probe, "livenessProbe": probe, "readinessProbe": probe,
            "resources": .object(["requests": .map(.text), "limits": .map(.text)]),
            "volumeMounts": .list(
                .object(["name": .text, "mountPath": .text, "readOnly": .flag], required: ["name", "mountPath"])),
        ], required: ["name", "image"])

    private static let probe = Shape.object(
        [
            "httpGet": .object(["host": .text, "port": .text, "path": .text], required: ["port", "path"]),
            "tcpSocket": .object(["port": .text], required: ["port"]),
            "periodSeconds": .number, "timeoutSeconds": .number, "failureThreshold": .number,
        ])
}
