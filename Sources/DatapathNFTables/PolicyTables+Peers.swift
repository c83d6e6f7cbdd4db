// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import NetworkTypes
import PolicyModel

extension PolicyTables {
    /// Makes the sets of new groups with all their members.
    ///
    /// - Returns: whether every member has a set; if not, the plan must be built anew.
    mutating func fill(
        _ newGroups: Set<[PeerSetID]>, from policy: borrowing CompiledPolicy, _ step: inout Transaction
    ) -> Bool {
        guard !newGroups.isEmpty else { return true }
        var groupsOfClass: [AddressClassID: [[PeerSetID]]] = [:]
        for (id, addressClass) in policy.addressClasses {
            let members = newGroups.filter { groups[$0]!.intersects(addressClass.peerSets) }
            if !members.isEmpty { groupsOfClass[id] = Array(members) }
        }
        var hosts: [String: Set<IPAddress>] = [:]
        for (address, entry) in policy.addresses.hosts {
            for key in groupsOfClass[entry.addressClass] ?? [] where !groups[key]!.covered.contains(address) {
                guard let set = groups[key]!.hostSets[address.family] else { return false }
                hosts[set, default: []].insert(address)
            }
        }
        for key in newGroups.sorted(by: { groups[$0]!.name < groups[$1]!.name }) {
            for var set in groups[key]!.sets() {
                if case .addresses(let blocks) = set.members, let more = hosts[set.shape.name] {
                    set.members = .addresses(blocks.isEmpty ? more : blocks.union(more))
                }
                add(set, &step)
            }
        }
        return true
    }

    /// Moves an address between the peer groups that were there before this step.
    ///
    /// - Returns: whether every group that it joins has a set for it.
    mutating func move(
        _ address: IPAddress, besides newGroups: Set<[PeerSetID]>, of policy: borrowing CompiledPolicy,
        _ changes: inout MemberChanges
    ) -> Bool {
        let entry = policy.addresses.hosts[address]
        let peerSets = entry.flatMap { policy.addressClasses[$0.addressClass]?.peerSets } ?? []
        for (key, group) in groups where !newGroups.contains(key) && !group.covered.contains(address) {
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
