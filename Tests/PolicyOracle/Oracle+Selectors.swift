// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import PolicyModel

extension Oracle {
    /// Whether a label selector selects something with these labels. An empty selector selects everything.
    public static func selects(_ selector: LabelSelector, _ labels: [String: String]) -> Bool {
        for (key, value) in selector.matchLabels where labels[key] != value { return false }
        for requirement in selector.matchExpressions where !satisfies(labels, requirement) { return false }
        return true
    }

    private static func satisfies(_ labels: [String: String], _ requirement: LabelRequirement) -> Bool {
        let value = labels[requirement.key]
        switch requirement.operator {
        case .in: return value.map { requirement.values.contains($0) } ?? false
        case .notIn: return value.map { !requirement.values.contains($0) } ?? true
        case .exists: return value != nil
        case .doesNotExist: return value == nil
        }
    }

    /// A namespace without an object has the one label that the API server gives to every namespace.
    func labels(ofNamespace name: String) -> [String: String] {
        var labels = namespaces[name]?.metadata.labels ?? [:]
        labels[Namespace.nameLabel] = name
        return labels
    }
}
