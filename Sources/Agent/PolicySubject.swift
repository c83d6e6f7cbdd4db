// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import PolicyModel

extension KubernetesObject {
    /// Whom a policy is about, in words; nil for what is no policy.
    var subject: String? {
        switch self {
        case .networkPolicy(let policy):
            policy.podSelector.isEmpty
                ? "all pods of its namespace" : "pods \(policy.podSelector.words) of its namespace"
        case .tierPolicy(let policy): policy.subject.words
        case .pod, .namespace, .node: nil
        }
    }

    /// Parts of a policy that are not understood, as sentences.
    var unknownParts: [String] {
        switch self {
        case .networkPolicy(let policy): policy.unknown
        case .tierPolicy(let policy): policy.allUnknown
        case .pod, .namespace, .node: []
        }
    }
}

extension PodSelection {
    var words: String {
        switch (namespaces.isEmpty, pods.isEmpty) {
        case (true, true): "all pods"
        case (false, true): "pods of namespaces \(namespaces.words)"
        case (true, false): "pods \(pods.words) of all namespaces"
        case (false, false): "pods \(pods.words) of namespaces \(namespaces.words)"
        }
    }
}

extension LabelSelector {
    /// Whether it selects everything.
    var isEmpty: Bool { matchLabels.isEmpty && matchExpressions.isEmpty }

    /// `app=web,tier notin (a,b)`, as kubectl writes selectors.
    var words: String {
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
