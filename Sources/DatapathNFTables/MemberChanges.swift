// SPDX-License-Identifier: Apache-2.0
import NetworkTypes

/// What is taken out of and put into the sets in one step; taking out and putting back is nothing.
struct MemberChanges {
    private struct Change<Member: Hashable> {
        var removed: Set<Member> = []
        var added: Set<Member> = []

        mutating func add(_ member: Member) {
            if removed.remove(member) == nil { added.insert(member) }
        }
        mutating func remove(_ member: Member) {
            if added.remove(member) == nil { removed.insert(member) }
        }
    }

    private var addresses: [String: Change<IPAddress>] = [:]
    private var elements: [String: Change<SetElement>] = [:]

    mutating func add(_ address: IPAddress, to set: String) { addresses[set, default: Change()].add(address) }
    mutating func remove(_ address: IPAddress, from set: String) { addresses[set, default: Change()].remove(address) }
    mutating func add(_ element: SetElement, to set: String) { elements[set, default: Change()].add(element) }
    mutating func remove(_ element: SetElement, from set: String) { elements[set, default: Change()].remove(element) }

    mutating func replace(_ old: [SetElement], by new: [SetElement], in set: String) {
        for element in new { add(element, to: set) }
        for element in old { remove(element, from: set) }
    }

    /// Puts the changes into the plan and into the step.
    func apply(to contents: inout TableContents, _ step: inout Transaction) {
        for (name, change) in addresses.sorted(by: { $0.key < $1.key }) {
            guard case .addresses(var members) = contents.sets[name]?.members else { continue }
            // Emptied first: the set's storage must have one owner while it changes.
            contents.sets[name]!.members = .addresses([])
            members.subtract(change.removed)
            members.formUnion(change.added)
            contents.sets[name]!.members = .addresses(members)
            let shape = contents.sets[name]!.shape
            if !change.removed.isEmpty { step.removedMembers.append(TableSet(shape, .addresses(change.removed))) }
            if !change.added.isEmpty { step.addedMembers.append(TableSet(shape, .addresses(change.added))) }
        }
        for (name, change) in elements.sorted(by: { $0.key < $1.key }) {
            guard case .elements(var members) = contents.sets[name]?.members else { continue }
            contents.sets[name]!.members = .elements([])
            members.subtract(change.removed)
            members.formUnion(change.added)
            contents.sets[name]!.members = .elements(members)
            let shape = contents.sets[name]!.shape
            if !change.removed.isEmpty { step.removedMembers.append(TableSet(shape, .elements(change.removed))) }
            if !change.added.isEmpty { step.addedMembers.append(TableSet(shape, .elements(change.added))) }
        }
    }
}
