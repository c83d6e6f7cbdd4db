// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import PolicyModel
import PolicyTranslation

extension KubernetesObject {
    /// The pods that a policy protects, in words; nil for other objects.
    func subject(mesh: MeshSettings) -> String? { Policy(self, mesh: mesh)?.subject.words }

    /// Parts of a policy that are not understood, as sentences.
    var unknownParts: [String] {
        switch self {
        case .networkPolicy(let policy): policy.unknown
        case .tierPolicy(let policy): policy.allUnknown
        case .authorizationPolicy(let policy): policy.allUnknown
        case .pod, .namespace, .node: []
        }
    }
}

extension PodSubject {
    fileprivate var words: String {
        let who = pods.isEmpty ? "all pods" : "pods \(pods.words)"
        return switch namespaces {
        case .named: "\(who) of its namespace"
        case .selector(let selector) where !selector.isEmpty:
            pods.isEmpty ? "pods of namespaces \(selector.words)" : "\(who) of namespaces \(selector.words)"
        case .selector: pods.isEmpty ? who : "\(who) of all namespaces"
        }
    }
}

extension LabelSelector {
    /// Whether it selects everything.
    fileprivate var isEmpty: Bool { matchLabels.isEmpty && matchExpressions.isEmpty }

    /// `app=web,tier notin (a,b)`, as kubectl writes selectors.
    fileprivate var words: String {
        let labels = matchLabels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        return (labels + matchExpressions.map(\.words)).joined(separator: ",")
    }
}

extension LabelRequirement {
    fileprivate var words: String {
        switch `operator` {
        case .in: "\(key) in (\(values.joined(separator: ",")))"
        case .notIn: "\(key) notin (\(values.joined(separator: ",")))"
        case .exists: key
        case .doesNotExist: "!\(key)"
        }
    }
}
