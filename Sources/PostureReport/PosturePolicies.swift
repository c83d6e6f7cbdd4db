// SPDX-License-Identifier: Apache-2.0
import ClusterInventory
import Findings
import KubernetesObjects
import PolicyModel
import PolicyTranslation
import Reachability

/// Findings about policies themselves.
struct PosturePolicies {
    let inventory: ClusterInventory
    let pods: [EndpointName: Pod]

    var findings: [PostureFinding] {
        var namespaces: [String: [String: String]] = [:]
        for case .namespace(let object) in inventory.objects {
            namespaces[object.metadata.name] = object.metadata.labels
        }
        // Pods with the same labels count once.
        var groups: Set<Group> = []
        for pod in pods.values where !pod.hostNetwork && !pod.isFinished {
            groups.insert(Group(namespace: pod.metadata.namespace, labels: pod.metadata.labels))
        }
        return inventory.objects.filter { $0.kind.isPolicy }.flatMap { object in
            findings(object, groups, namespaces)
        }
    }

    private struct Group: Hashable {
        var namespace: String
        var labels: [String: String]
    }

    private func findings(
        _ object: KubernetesObject, _ groups: Set<Group>, _ namespaces: [String: [String: String]]
    ) -> [PostureFinding] {
        var found: [PostureFinding] = []
        if let policy = Policy(object, mesh: inventory.settings.mesh) {
            let selectsAny = groups.contains { group in
                let isHome: Bool =
                    switch policy.subject.namespaces {
                    case .named(let name): name == group.namespace
                    case .selector(let selector): selector.selects(namespaces[group.namespace] ?? [:])
                    }
                return isHome && policy.subject.pods.selects(group.labels)
            }
            if !selectsAny {
                found.append(
                    finding(
                        .selectsNothing, object, "Its selector matches no pod that policy can protect.",
                        "correct the selector, or delete the policy (bulkheadctl lint names the nearest labels)"))
            }
        }
        if object.enforcement == .audit {
            found.append(
                finding(
                    .auditOnly, object, "It is in audit: what it would deny is counted and reported, and passes.",
                    "enforce it once its reports are as expected"))
        }
        return found
    }

    private func finding(
        _ code: PostureCode, _ object: KubernetesObject, _ message: String, _ fix: String
    ) -> PostureFinding {
        let place = inventory.places[object.key].map { FindingPlace(file: $0.file, line: $0.line) }
        return PostureFinding(
            code: code, workload: nil, object: "\(object.key)", message: message, place: place, remedy: .none(fix))
    }
}
