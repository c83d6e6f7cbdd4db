// SPDX-License-Identifier: Apache-2.0
import PolicyModel

/// Label sets that stand for all label sets: what holds for every one that a selector selects holds for every object
/// that the selector can ever select.
///
/// A set has only the labels that its selector demands, because selectors that demand labels select supersets as well.
/// Selectors that exclude labels do not, so there is a further set for each excluded label that may be there.
struct LabelWitnesses {
    /// The value of labels whose value does not matter.
    static let anyValue = "bulkhead-lint"
    static let limit = 64

    /// The excluded values of each key, of all selectors.
    private var excluded: [String: Set<String>] = [:]
    /// Whether a selector had more sets than the limit: conclusions from them are then not valid.
    private(set) var isOverLimit = false

    init(_ selectors: [LabelSelector]) {
        for requirement in selectors.flatMap(\.matchExpressions) {
            switch requirement.operator {
            case .notIn: excluded[requirement.key, default: []].formUnion(requirement.values)
            case .doesNotExist: excluded[requirement.key, default: []].insert(Self.anyValue)
            case .in, .exists: break
            }
        }
    }

    /// The sets that stand for everything that a selector selects; none if it can select nothing.
    mutating func sets(_ selector: LabelSelector) -> [[String: String]] {
        guard var sets = Self.minimal(selector) else {
            isOverLimit = true
            return []
        }
        for (key, values) in excluded.sorted(by: { $0.key < $1.key }) {
            let more = sets.filter { $0[key] == nil }.flatMap { set in
                values.sorted().map { value in set.merging([key: value]) { old, _ in old } }
            }
            sets += more.filter(selector.selects)
            guard sets.count <= Self.limit else {
                isOverLimit = true
                return Array(sets.prefix(Self.limit))
            }
        }
        return sets
    }

    /// Only what is demanded; one set per combination of values. Nil: there are too many.
    private static func minimal(_ selector: LabelSelector) -> [[String: String]]? {
        var sets: [[String: String]] = [[:]]
        for requirement in selector.requirements {
            let values =
                switch requirement.operator {
                case .in: requirement.values
                case .exists: [anyValue]
                case .notIn, .doesNotExist: [String]()
                }
            guard !values.isEmpty else { continue }
            sets = sets.flatMap { set -> [[String: String]] in
                if let has = set[requirement.key] {
                    return requirement.operator == .exists || values.contains(has) ? [set] : []
                }
                return values.map { value in set.merging([requirement.key: value]) { old, _ in old } }
            }
            // Unfinished sets are not selected, and would seem to show that nothing is.
            if sets.count > limit * 4 { return nil }
        }
        return sets.filter(selector.selects)
    }
}
