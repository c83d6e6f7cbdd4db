// SPDX-License-Identifier: Apache-2.0
import Findings

/// What the report looks for. A code keeps its meaning and its severity.
public enum PostureCode: String, Sendable, Hashable, CaseIterable, Comparable {
    case metadata = "BR001"
    case etcd = "BR002"
    case kubelet = "BR003"
    case dataFromOutside = "BR004"
    case dataFromNamespaces = "BR005"
    case ingressOpen = "BR006"
    case egressOpen = "BR007"
    case hostNetwork = "BR008"
    case apiServer = "BR009"
    case nodePorts = "BR010"
    case selectsNothing = "BR011"
    case auditOnly = "BR012"

    public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }

    /// What findings with the code have in common.
    public var kind: FindingKind {
        FindingKind(
            code: rawValue, name: text.name, title: text.title, severity: text.severity, why: text.why,
            help: "docs/report.md")
    }

    public var severity: Severity { text.severity }

    private typealias Text = (name: String, title: String, severity: Severity, why: String)

    private var text: Text { criticalText ?? laterText }

    private var criticalText: Text? {
        switch self {
        case .metadata:
            (
                "metadata-address", "Can reach the metadata service of the cloud", .high,
                "An attacker in the workload can ask for the credentials of its node."
            )
        case .etcd:
            (
                "etcd", "Can reach etcd", .high,
                "Everything in the cluster, every secret included, is in etcd; only its certificates are then in the way."
            )
        case .kubelet:
            (
                "kubelet", "Can reach the kubelets", .medium,
                "A kubelet that accepts anonymous or stolen credentials runs commands in every pod of its node."
            )
        case .dataFromOutside:
            (
                "data-port-outside", "Data port open to addresses outside the cluster", .high,
                "Data services are often without authentication, or with one shared password."
            )
        case .dataFromNamespaces:
            (
                "data-port-namespaces", "Data port open to other namespaces", .medium,
                "A workload of another namespace, once taken over, reads and changes the data."
            )
        default: nil
        }
    }

    private var laterText: Text {
        switch self {
        case .ingressOpen:
            (
                "no-ingress-isolation", "Pods without isolation for ingress", .medium,
                "No policy decides about their incoming traffic, so that everything may come in."
            )
        case .egressOpen:
            (
                "no-egress-isolation", "Pods without isolation for egress", .medium,
                "No policy decides about their outgoing traffic: data can leave, and tools can be loaded."
            )
        case .hostNetwork:
            (
                "host-network", "Pods with the network of their node", .medium,
                "They have the node's addresses, its loopback services and its view of the traffic."
            )
        case .apiServer:
            (
                "api-server", "Can reach the API server", .low,
                "A stolen service account token is of use wherever the API server can be reached."
            )
        case .nodePorts:
            (
                "node-ports", "Can reach the NodePorts of nodes", .low,
                "By a NodePort, a workload reaches services as an address of a node, which policies often allow."
            )
        case .selectsNothing:
            (
                "policy-selects-nothing", "Policy without effect: it selects no pod", .low,
                "What it should protect is open."
            )
        default:
            (
                "policy-audits-only", "Policy that only audits", .info,
                "What it would deny is reported, and passes."
            )
        }
    }
}
