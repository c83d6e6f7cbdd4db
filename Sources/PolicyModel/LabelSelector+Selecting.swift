// SPDX-License-Identifier: Apache-2.0

extension LabelSelector {
    /// Whether it selects an object with these labels.
    public func selects(_ labels: [String: String]) -> Bool {
        matchLabels.allSatisfy { labels[$0.key] == $0.value } && matchExpressions.allSatisfy { $0.holds(for: labels) }
    }
}

extension LabelRequirement {
    /// Whether an object with these labels meets it. `NotIn` is met if the key is missing.
    public func holds(for labels: [String: String]) -> Bool {
        switch self.operator {
        case .in: labels[key].map(values.contains) ?? false
        case .notIn: labels[key].map { !values.contains($0) } ?? true
        case .exists: labels[key] != nil
        case .doesNotExist: labels[key] == nil
        }
    }
}
