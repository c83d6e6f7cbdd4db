// SPDX-License-Identifier: Apache-2.0
import Netfilter

/// Elements that several endpoints may add to one set: each exists while any endpoint wants it. If two want different
/// targets for one key of a map, as while an interface passes from one pod to another, one of them gets it.
struct SharedElements: Sendable {
    /// How many want it, by set, key and target; elements of a set have the target nil.
    private var uses: [String: [[UInt8]: [ChainVerdict?: Int]]] = [:]

    private func element(_ set: String, _ key: [UInt8]) -> SetElement? {
        guard let targets = uses[set]?[key], !targets.isEmpty else { return nil }
        let target = targets.keys.min { ($0?.description ?? "") < ($1?.description ?? "") }
        return SetElement(key: key, target: target ?? nil)
    }

    mutating func add(_ element: SetElement, to set: String, _ changes: inout MemberChanges) {
        change(element, in: set, by: 1, &changes)
    }

    mutating func remove(_ element: SetElement, from set: String, _ changes: inout MemberChanges) {
        change(element, in: set, by: -1, &changes)
    }

    private mutating func change(_ wanted: SetElement, in set: String, by count: Int, _ changes: inout MemberChanges) {
        let before = element(set, wanted.key)
        let uses = self.uses[set]?[wanted.key]?[wanted.target] ?? 0
        self.uses[set, default: [:]][wanted.key, default: [:]][wanted.target] = uses + count == 0 ? nil : uses + count
        if self.uses[set]?[wanted.key]?.isEmpty ?? false { self.uses[set]?[wanted.key] = nil }
        let after = element(set, wanted.key)
        guard before != after else { return }
        if let before { changes.remove(before, from: set) }
        if let after { changes.add(after, to: set) }
    }

    /// Whether any endpoint wants an element with this key.
    func contains(_ key: [UInt8], in set: String) -> Bool { uses[set]?[key] != nil }
}
