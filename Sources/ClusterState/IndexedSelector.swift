// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import PolicyModel

/// A label as numbers of ``ClusterState/strings``. Label sets are sorted by key.
package struct LabelPair: Sendable, Hashable, Comparable {
    package var key: UInt32
    package var value: UInt32
    package init(key: UInt32, value: UInt32) {
        self.key = key
        self.value = value
    }
    package static func < (a: Self, b: Self) -> Bool { (a.key, a.value) < (b.key, b.value) }

    /// Stands for unknown labels: it meets no condition, neither that a label exists nor that it does not.
    static let unknown = LabelPair(key: .max, value: .max)
}

/// One condition of a selector; `values` sorted, without duplicates.
package struct IndexedRequirement: Sendable, Hashable, Comparable {
    package enum Operator: UInt8, Sendable { case isIn, isNotIn, exists, doesNotExist }
    package var key: UInt32
    package var `operator`: Operator
    package var values: [UInt32]

    package static func < (a: Self, b: Self) -> Bool {
        if a.key != b.key { return a.key < b.key }
        if a.operator != b.operator { return a.operator.rawValue < b.operator.rawValue }
        return a.values.lexicographicallyPrecedes(b.values)
    }

    /// Whether labels (sorted by key) meet this condition. `NotIn` is met if the key is missing.
    package func isMet(by labels: [LabelPair]) -> Bool {
        if labels.last == .unknown { return false }
        let index = labels.lowerBound(LabelPair(key: key, value: 0))
        let present = index < labels.count && labels[index].key == key
        switch `operator` {
        case .exists: return present
        case .doesNotExist: return !present
        case .isIn: return present && values.containsSorted(labels[index].value)
        case .isNotIn: return !present || !values.containsSorted(labels[index].value)
        }
    }
}

/// A label selector in canonical form: equal selectors are equal values. No requirement: selects everything.
package struct IndexedSelector: Sendable, Hashable {
    package var requirements: [IndexedRequirement]

    package init(requirements: [IndexedRequirement] = []) {
        self.requirements = []
        for requirement in requirements { self.requirements.insertSorted(requirement) }
    }

    package func matches(_ labels: [LabelPair]) -> Bool {
        for requirement in requirements where !requirement.isMet(by: labels) { return false }
        return true
    }
}

extension ClusterState {
    /// The canonical form of a selector; every string that it names is added, retained, to `strings`.
    mutating func index(_ selector: LabelSelector, retaining used: inout [UInt32]) -> IndexedSelector {
        func number(_ text: String) -> UInt32 {
            let number = strings.retain(text).number
            used.append(number)
            return number
        }
        var requirements: [IndexedRequirement] = []
        for (key, value) in selector.matchLabels {
            requirements.append(IndexedRequirement(key: number(key), operator: .isIn, values: [number(value)]))
        }
        for expression in selector.matchExpressions {
            var values: [UInt32] = []
            for value in expression.values { values.insertSorted(number(value)) }
            let key = number(expression.key)
            switch expression.operator {
            case .in: requirements.append(IndexedRequirement(key: key, operator: .isIn, values: values))
            case .notIn: requirements.append(IndexedRequirement(key: key, operator: .isNotIn, values: values))
            case .exists: requirements.append(IndexedRequirement(key: key, operator: .exists, values: []))
            case .doesNotExist: requirements.append(IndexedRequirement(key: key, operator: .doesNotExist, values: []))
            }
        }
        return IndexedSelector(requirements: requirements)
    }

    /// The text for a person: `app=api,tier in (a, b),!legacy`, in order of key; empty for the empty selector.
    package func text(_ selector: IndexedSelector) -> String {
        selector.requirements.map { requirement in
            let key = Self.quotedIfNeeded(strings[requirement.key])
            let values = requirement.values.map { Self.quotedIfNeeded(strings[$0]) }.sorted()
            switch requirement.operator {
            case .exists: return key
            case .doesNotExist: return "!\(key)"
            case .isIn:
                return values.count == 1 ? "\(key)=\(values[0])" : "\(key) in (\(values.joined(separator: ", ")))"
            case .isNotIn:
                return values.count == 1 ? "\(key)!=\(values[0])" : "\(key) not in (\(values.joined(separator: ", ")))"
            }
        }.sorted().joined(separator: ",")
    }

    /// Quotes what is not a plain label text, so that different selectors never read the same.
    private static func quotedIfNeeded(_ text: String) -> String {
        let plain = text.utf8.allSatisfy { byte in
            (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte) || byte == 45
                || byte == 46 || byte == 47 || byte == 95
        }
        return plain && !text.isEmpty ? text : text.debugDescription
    }
}
