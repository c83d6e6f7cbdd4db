// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Netfilter
import NetworkTypes
import PolicyModel

extension PolicyTables {
    /// Creates the sets of new groups, and gives groups that only leaving programs used their present members.
    ///
    /// - Returns: whether every member has a set; if not, the plan must be rebuilt.
    mutating func fill(
        _ newGroups: Set<String>, from policy: borrowing CompiledPolicy, _ step: inout Transaction,
        _ changes: inout MemberChanges
    ) -> Bool {
        guard !newGroups.isEmpty else { return true }
        let new = newGroups.map { groups[$0]! }.sorted { $0.name < $1.name }
        var indicesOfSet: [PeerSetID: [Int]] = [:]
        for index in new.indices {
            for id in new[index].peerSets { indicesOfSet[id, default: []].append(index) }
        }
        var indicesOfClass: [AddressClassID: Set<Int>] = [:]
        for (id, addressClass) in policy.addressClasses {
            let members = Set(addressClass.peerSets.lazy.compactMap { indicesOfSet[$0] }.joined())
            if !members.isEmpty { indicesOfClass[id] = members }
        }
        var hosts = [[AddressFamily: [IPAddress]]](repeating: [:], count: new.count)
        for (address, entry) in policy.addresses.hosts {
            for index in indicesOfClass[entry.addressClass] ?? [] where !new[index].covered.contains(address) {
                guard new[index].hostSets[address.family] != nil else { return false }
                hosts[index][address.family, default: []].append(address)
            }
        }
        for (group, hosts) in zip(new, hosts) {
            for var set in group.sets() {
                if case .addresses(var members) = set.members, let family = set.shape.fields[0].family {
                    set.members = .addresses([])
                    members.formUnion(hosts[family] ?? [])
                    set.members = .addresses(members)
                }
                if let old = contents.sets[set.shape.name] {
                    replace(old, by: set, &step, &changes)
                } else {
                    add(set, &step)
                }
            }
        }
        return true
    }

    private mutating func replace(
        _ old: TableSet, by new: TableSet, _ step: inout Transaction, _ changes: inout MemberChanges
    ) {
        guard old.members != new.members else { return }
        let name = new.shape.name
        noteShrink()
        switch (old.members, new.members) {
        case (.addresses(let before), .addresses(let after)):
            for address in after.subtracting(before) { changes.add(address, to: name) }
            for address in before.subtracting(after) { changes.remove(address, from: name) }
        case (.elements(let before), .elements(let after)):
            changes.replace(Array(before), by: Array(after), in: name)
        default:
            contents.sets[name] = new
            step.emptiedSets.append(new.shape)
            if !new.members.isEmpty { step.addedMembers.append(new) }
        }
    }

    /// Updates the prefixes of groups that existed before this step and stay. Nil: all groups.
    mutating func movePrefixes(
        among carried: Set<String>?, of policy: borrowing CompiledPolicy, _ step: inout Transaction,
        _ changes: inout MemberChanges
    ) {
        for name in changingGroups.sorted() where carried?.contains(name) ?? true {
            guard let group = groups[name], group.hasChangingPrefixes else { continue }
            var descriptions: [PeerSetDescription] = []
            for id in group.peerSets { if let set = policy.peerSets[id] { descriptions.append(set) } }
            guard groups[name]!.setPrefixes(descriptions) else { continue }
            for set in groups[name]!.sets() {
                // Single addresses follow their classes.
                if case .addresses = set.members { continue }
                guard let old = contents.sets[set.shape.name] else { continue }
                replace(old, by: set, &step, &changes)
            }
        }
    }

    /// Moves an address between the groups that were there before this step and stay; nil: all of them.
    ///
    /// - Returns: whether every group that it joins has a set for it.
    mutating func move(
        _ address: IPAddress, among carried: Set<String>?, of policy: borrowing CompiledPolicy,
        _ changes: inout MemberChanges
    ) -> Bool {
        let entry = policy.addresses.hosts[address]
        let peerSets = entry.flatMap { policy.addressClasses[$0.addressClass]?.peerSets } ?? []
        // Members from blocks stay.
        for name in changingGroups where carried?.contains(name) ?? true {
            guard let group = groups[name], !group.covered.contains(address) else { continue }
            let isMember = group.intersects(peerSets)
            guard let set = group.hostSets[address.family] else {
                if isMember { return false }
                continue
            }
            guard case .addresses(let members) = contents.sets[set]!.members else { continue }
            let wasMember = members.contains(address)
            if isMember, !wasMember {
                changes.add(address, to: set)
                if group.mayDeny { noteShrink() }
            } else if wasMember, !isMember {
                changes.remove(address, from: set)
                noteShrink()
            }
        }
        return true
    }
}
