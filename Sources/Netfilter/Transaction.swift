// SPDX-License-Identifier: Apache-2.0

/// What becomes of a table in one step, in the order of the properties. Carried out in ``parts``.
package struct Transaction: Sendable {
    /// The table is first removed and then written from scratch.
    package var replacesTable = false
    package var newObjects: [TableObject] = []
    package var newSets: [TableSet] = []
    package var newChains: [TableChain] = []
    /// Chains that exist and whose rules are all replaced.
    package var rewrittenChains: [TableChain] = []
    /// Sets whose members are all removed before others are added.
    package var emptiedSets: [SetShape] = []
    package var removedMembers: [TableSet] = []
    package var addedMembers: [TableSet] = []
    package var removedChains: [String] = []
    /// Those of ``removedChains`` that a hook calls.
    package var removedBaseChains: Set<String> = []
    package var removedSets: [String] = []
    package var removedObjects: [TableObject] = []
    package init() {}

    package var isEmpty: Bool {
        !replacesTable && newObjects.isEmpty && newSets.isEmpty && newChains.isEmpty && rewrittenChains.isEmpty
            && emptiedSets.isEmpty && removedMembers.isEmpty && addedMembers.isEmpty && removedChains.isEmpty
            && removedSets.isEmpty && removedObjects.isEmpty
    }

    /// How many things it adds, removes or rewrites.
    package var count: Int {
        let sets = (newSets + removedMembers + addedMembers).reduce(0) { $0 + $1.members.count }
        return newObjects.count + newSets.count + newChains.count + rewrittenChains.count + emptiedSets.count + sets
            + removedChains.count + removedSets.count + removedObjects.count
    }

    /// The step as transactions of the kernel's, of which one changes what packets meet. First comes what nothing leads
    /// to yet, last what nothing leads to any more.
    ///
    /// A transaction takes effect by one store of the kernel's, but not for a packet under way. Such a packet goes on
    /// by the rules that it began with, and finds the elements of sets as they are at the moment of each look-up. It
    /// would be led into chains that are empty for it, or miss sets that its rules ask for. Sets of ranges, too, are
    /// filled only some time after that store (nf_tables_commit, nft_pipapo_commit).
    package var parts: [Transaction] {
        guard !replacesTable else { return [self] }
        var (before, after) = (Transaction(), Transaction())
        var change = self
        swap(&before.newObjects, &change.newObjects)
        swap(&before.newSets, &change.newSets)
        before.newChains = change.newChains.filter { $0.hook == nil }
        change.newChains.removeAll { $0.hook == nil }
        after.removedChains = change.removedChains.filter { !removedBaseChains.contains($0) }
        change.removedChains.removeAll { !removedBaseChains.contains($0) }
        swap(&after.removedSets, &change.removedSets)
        swap(&after.removedObjects, &change.removedObjects)
        return [before, change, after].filter { !$0.isEmpty }
    }

    /// Everything from scratch.
    package init(replacing contents: TableContents) {
        replacesTable = true
        newObjects = contents.objects.values.sorted { $0.name < $1.name }
        newSets = contents.sets.values.sorted { $0.shape.name < $1.shape.name }
        newChains = contents.chains.values.sorted { $0.name < $1.name }
    }
}
