// SPDX-License-Identifier: Apache-2.0

/// metav1.LabelSelector. Empty selects everything.
public struct LabelSelector: Sendable, Hashable {
    public var matchLabels: [String: String]
    public var matchExpressions: [LabelRequirement]
    public init(matchLabels: [String: String] = [:], matchExpressions: [LabelRequirement] = []) {
        self.matchLabels = matchLabels
        self.matchExpressions = matchExpressions
    }
}

/// metav1.LabelSelectorRequirement.
public struct LabelRequirement: Sendable, Hashable {
    public enum Operator: String, Sendable, Hashable {
        case `in` = "In"
        case notIn = "NotIn"
        case exists = "Exists"
        case doesNotExist = "DoesNotExist"
    }
    public var key: String
    public var `operator`: Operator
    /// Not empty for `in` and `notIn`, empty otherwise.
    public var values: [String]
    public init(key: String, operator: Operator, values: [String] = []) {
        self.key = key
        self.operator = `operator`
        self.values = values
    }
}
