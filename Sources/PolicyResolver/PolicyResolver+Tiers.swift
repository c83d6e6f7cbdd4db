// SPDX-License-Identifier: Apache-2.0
import ClusterState
import PolicyModel

/// Which policies of the Admin and Baseline tiers select which local groups, kept up to date.
extension PolicyResolver {
    mutating func refreshTierPolicies(
        _ changes: ClusterChanges, _ state: ClusterState, dirtyGroups: inout Set<UInt32>
    ) {
        guard !state.orderedTierPolicies.isEmpty || !activeTiers.isEmpty else { return }
        if !changes.namespaces.isEmpty {
            for (group, local) in groups
            where !local.pods.isEmpty && changes.namespaces.contains(state.groups[Int(group)].namespace) {
                dirtyGroups.insert(group)
            }
        }
        var stale = changes.tierPolicies
        if !changes.portNames.isEmpty {
            for (number, policy) in activeTiers where !policy.portNames.isDisjoint(with: changes.portNames) {
                stale.insert(number)
            }
        }
        for number in stale.sorted() {
            let record = state.tierPolicies[Int(number)]
            for (group, local) in groups where !local.pods.isEmpty {
                let isSelected = record.map { state.selects($0, group: group) } ?? false
                if isSelected || local.tierPolicies.contains(number) { dirtyGroups.insert(group) }
            }
            guard let old = activeTiers[number] else { continue }
            for set in old.peerSets { peerSets.release(set) }
            if let record {
                activeTiers[number] = peerSets.activate(record, in: state)
                activeTiers[number]?.users = old.users
            } else {
                // Kept empty until the groups that it selected have let go of it.
                activeTiers[number] = ActivePolicy(
                    reference: old.reference, tier: old.tier, isolates: [], users: old.users)
            }
        }
    }

    func tierPolicies(selecting group: UInt32, _ state: ClusterState) -> [UInt32] {
        state.orderedTierPolicies.filter { number in
            state.tierPolicies[Int(number)].map { state.selects($0, group: group) } ?? false
        }
    }

    mutating func use(tierPolicy number: UInt32, _ state: ClusterState) {
        if activeTiers[number] == nil, let record = state.tierPolicies[Int(number)] {
            activeTiers[number] = peerSets.activate(record, in: state)
        }
        activeTiers[number]?.users += 1
    }
}
