// SPDX-License-Identifier: Apache-2.0

extension Batch {
    /// A transaction's messages, in an order in which each finds the objects to which it refers.
    package init(_ step: Transaction, to table: TableIdentity, sequence: UInt32) {
        self.init(table, sequence: sequence)
        if step.replacesTable {
            // Removing a missing table would fail: it is added first, which does nothing if it exists.
            addTable()
            removeTable()
            addTable()
        }
        for object in step.newObjects { add(object) }
        for (index, set) in step.newSets.enumerated() { declare(set.shape, number: UInt32(index + 1)) }
        for chain in step.newChains { declare(chain) }
        for set in step.newSets { addMembers(set) }
        for chain in step.newChains {
            for rule in chain.rules { add(rule, to: chain.name) }
        }
        for chain in step.rewrittenChains {
            clear(chain.name)
            for rule in chain.rules { add(rule, to: chain.name) }
        }
        for set in step.emptiedSets { empty(set.name) }
        for set in step.removedMembers { removeMembers(set) }
        for set in step.addedMembers { addMembers(set) }
        for chain in step.removedChains { clear(chain) }
        for chain in step.removedChains { removeChain(chain) }
        for set in step.removedSets { removeSet(set) }
        for object in step.removedObjects { remove(object) }
        finish()
    }
}
