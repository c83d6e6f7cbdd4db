// SPDX-License-Identifier: Apache-2.0
import ClusterState
import PolicyModel

/// Which policies are resolved because they select local groups.
extension PolicyResolver {
    /// Resolves what changed again, and marks the groups that other policies may select now.
    mutating func refreshPolicies(
        _ changes: ClusterChanges, _ state: ClusterState, dirtyGroups: inout Set<UInt32>
    ) {
        if !changes.namespaces.isEmpty, !state.clusterPolicies.isEmpty {
            for (group, local) in groups
            where !local.pods.isEmpty && changes.namespaces.contains(state.groups[Int(group)].namespace) {
                dirtyGroups.insert(group)
            }
        }
        for number in stalePolicies(changes).sorted() {
            let record = state.policies[Int(number)]
            for (group, local) in groups where !local.pods.isEmpty {
                let isSelected = record.map { state.selects($0, group: group) } ?? false
                if isSelected || local.policies.contains(number) { dirtyGroups.insert(group) }
            }
            guard let old = active[number] else { continue }
            for set in old.peerSets { peerSets.release(set) }
            // A policy that is gone stays, empty, until the groups that it selected have released it.
            var new =
                record.map { peerSets.activate($0, in: state) }
                ?? ActivePolicy(reference: old.reference, layer: old.layer)
            new.users = old.users
            active[number] = new
        }
    }

    /// Policies that are new, gone or different, and those whose rules change with the numbers of a port name.
    private func stalePolicies(_ changes: ClusterChanges) -> Set<UInt32> {
        var stale = changes.policies
        guard !changes.portNames.isEmpty else { return stale }
        for (number, policy) in active where !policy.portNames.isDisjoint(with: changes.portNames) {
            stale.insert(number)
        }
        return stale
    }

    /// Counts one more group that a policy selects, and resolves the policy for the first one.
    mutating func use(_ number: UInt32, _ state: ClusterState) {
        if active[number] == nil, let record = state.policies[Int(number)] {
            active[number] = peerSets.activate(record, in: state)
        }
        active[number]?.users += 1
    }

    mutating func deactivateUnused() {
        for (number, policy) in active where policy.users == 0 {
            for set in policy.peerSets { peerSets.release(set) }
            active[number] = nil
        }
    }
}
