// SPDX-License-Identifier: Apache-2.0

extension Transaction {
    /// What it would repair, in words, if it leads from what others have made of a table to what the table should
    /// be.
    ///
    /// - Parameter limit: how many things are named; one more item says how many are not.
    package func repairs(limit: Int) -> [String] {
        guard !replacesTable else { return ["the table as a whole"] }
        var names: [String] = []
        func name(_ more: [String]) { names += more.prefix(max(0, limit - names.count)) }
        name(rewrittenChains.map { "the rules of the chain \($0.name)" })
        name(newChains.map { "the missing chain \($0.name)" })
        name(newSets.map { "the missing set \($0.shape.name)" })
        name(newObjects.map { "the missing counter \($0.name)" })
        for shape in emptiedSets { name(["the members of \(shape.name)"]) }
        let emptied = Set(emptiedSets.map(\.name))
        for set in addedMembers where names.count < limit && !emptied.contains(set.shape.name) {
            name(set.someTexts(limit - names.count).map { "\($0), missing in \(set.shape.name)" })
        }
        for set in removedMembers where names.count < limit {
            name(set.someTexts(limit - names.count).map { "\($0), added to \(set.shape.name)" })
        }
        name(removedChains.map { "the added chain \($0)" })
        name(removedSets.map { "the added set \($0)" })
        name(removedObjects.map { "the added counter \($0.name)" })
        let rest = repairCount(emptied) - names.count
        return rest > 0 ? names + ["\(rest) more"] : names
    }

    /// The members of an emptied set are one thing.
    private func repairCount(_ emptied: Set<String>) -> Int {
        count - addedMembers.filter { emptied.contains($0.shape.name) }.reduce(0) { $0 + $1.members.count }
    }
}
