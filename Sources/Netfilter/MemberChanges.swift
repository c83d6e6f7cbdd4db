// SPDX-License-Identifier: Apache-2.0
import NetworkTypes

/// Members removed from and added to the sets in one step; removing and adding the same member changes nothing.
package struct MemberChanges {
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

    package init() {}

    package mutating func add(_ address: IPAddress, to set: String) {
        addresses[set, default: Change()].add(address)
    }
    package mutating func remove(_ address: IPAddress, from set: String) {
        addresses[set, default: Change()].remove(address)
    }
    package mutating func add(_ element: SetElement, to set: String) {
        elements[set, default: Change()].add(element)
    }
    package mutating func remove(_ element: SetElement, from set: String) {
        elements[set, default: Change()].remove(element)
    }

    package mutating func replace(_ old: [SetElement], by new: [SetElement], in set: String) {
        for element in new { add(element, to: set) }
        for element in old { remove(element, from: set) }
    }

    /// Applies the changes to the plan and adds them to the step.
    package func write(to contents: inout TableContents, _ step: inout Transaction) {
        Self.write(addresses, to: &contents, &step, Members.addresses) { members in
            if case .addresses(let addresses) = members { addresses } else { nil }
        }
        Self.write(elements, to: &contents, &step, Members.elements) { members in
            if case .elements(let elements) = members { elements } else { nil }
        }
    }

    private static func write<Member>(
        _ changes: [String: Change<Member>], to contents: inout TableContents, _ step: inout Transaction,
        _ wrap: (Set<Member>) -> Members, _ unwrap: (Members) -> Set<Member>?
    ) {
        for (name, change) in changes.sorted(by: { $0.key < $1.key }) {
            guard let shape = contents.sets[name]?.shape,
                var members = contents.sets[name].flatMap({ unwrap($0.members) })
            else { continue }
            // Emptied first: the set's storage must have one owner while it changes.
            contents.sets[name]!.members = wrap([])
            members.subtract(change.removed)
            members.formUnion(change.added)
            contents.sets[name]!.members = wrap(members)
            if !change.removed.isEmpty { step.removedMembers.append(TableSet(shape, wrap(change.removed))) }
            if !change.added.isEmpty { step.addedMembers.append(TableSet(shape, wrap(change.added))) }
        }
    }
}
