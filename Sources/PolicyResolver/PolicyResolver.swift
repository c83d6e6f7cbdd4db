// SPDX-License-Identifier: Apache-2.0
import ClusterState
import KubernetesObjects
import NetworkTypes
import PolicyModel

/// Cluster state to resolved policy of this node's endpoints, step by step.
///
/// Pods of one group have the same policies, so directions are resolved once for each group that has local pods.
/// A policy is resolved once, while it selects at least one of them.
public struct PolicyResolver: Sendable {
    struct LocalEndpoint: Sendable, Equatable {
        var name: EndpointName
        var addresses: [IPAddress]
        var group: UInt32
    }

    struct LocalGroup: Sendable {
        var pods: [UInt32] = []
        /// Policies that select it, in order of name.
        var policies: [UInt32] = []
        var ingress = ResolvedDirection()
        var egress = ResolvedDirection()
    }

    var peerSets = PeerSetTable()
    var endpoints: [UInt32: LocalEndpoint] = [:]
    var groups: [UInt32: LocalGroup] = [:]
    var active: [UInt32: ActivePolicy] = [:]
    var ownNode: PeerSetID?
    var pushed = PushedState()

    public init() {}

    /// Brings resolved policy up to date with the changes that `state` has noted.
    public mutating func resolve(_ state: ClusterState) -> ResolvedChange {
        var change = ResolvedChange()
        let changes = state.changes
        var dirtyGroups: Set<UInt32> = []
        var dirtyPods: Set<UInt32> = []

        refreshMembership(changes, state)
        let isNodeNew = refreshOwnNode(changes, state)
        refreshEndpoints(changes, state, &change, dirtyGroups: &dirtyGroups, dirtyPods: &dirtyPods)
        refreshPolicies(changes, state, dirtyGroups: &dirtyGroups)
        if isNodeNew { dirtyGroups.formUnion(groups.keys) }
        for group in dirtyGroups.sorted() { resolve(group: group, state, dirtyPods: &dirtyPods) }
        for pod in dirtyPods {
            guard let endpoint = endpoints[pod], let group = groups[endpoint.group] else { continue }
            change.endpoints[endpoint.name] = ResolvedEndpoint(
                name: endpoint.name, addresses: endpoint.addresses, ingress: group.ingress, egress: group.egress)
        }
        if isNodeNew { pushed.isDirty = true }
        if !changes.localPods.isEmpty { pushed.isContested = true }
        resolvePushed(state, &change)
        deactivateUnused()

        peerSets.finish(&change, in: state)
        for address in changes.addresses {
            let group = state.group(of: address).flatMap { peerSets.sets(ofGroup: $0).isEmpty ? nil : $0 }
            change.addresses.append(AddressGroup(address, group.map(PeerGroupID.init(rawValue:))))
        }
        change.removedEndpoints.sort()
        return change
    }

    private mutating func refreshMembership(_ changes: ClusterChanges, _ state: ClusterState) {
        var dirty = changes.groups
        for namespace in changes.namespaces.sorted() where peerSets.refresh(namespace: namespace, in: state) {
            if state.isLive(namespace: namespace) { dirty.formUnion(state.namespaces[Int(namespace)].groups) }
        }
        for group in dirty.sorted() { peerSets.refresh(group: group, in: state) }
    }

    private mutating func refreshOwnNode(_ changes: ClusterChanges, _ state: ClusterState) -> Bool {
        guard ownNode == nil || changes.ownNode else { return false }
        let old = ownNode
        let new = peerSets.acquire(.ownNode(state.ownNodeAddresses), in: state)
        if let old { peerSets.release(old) }
        ownNode = new
        return new != old
    }

    private mutating func refreshEndpoints(
        _ changes: ClusterChanges, _ state: ClusterState, _ change: inout ResolvedChange,
        dirtyGroups: inout Set<UInt32>, dirtyPods: inout Set<UInt32>
    ) {
        for pod in changes.localPods.sorted() {
            let old = endpoints[pod]
            let new = localEndpoint(pod, state)
            let isReplaced = changes.replacedPods.contains(pod)
            guard old != new || (isReplaced && new != nil) else { continue }
            if let old {
                groups[old.group]?.pods.removeSorted(pod)
                if new == nil || isReplaced { change.removedEndpoints.append(old.name) }
                if groups[old.group]?.pods.isEmpty == true { dirtyGroups.insert(old.group) }
            }
            endpoints[pod] = new
            guard let new else { continue }
            if groups[new.group]?.pods.isEmpty ?? true { dirtyGroups.insert(new.group) }
            groups[new.group, default: LocalGroup()].pods.insertSorted(pod)
            dirtyPods.insert(pod)
        }
    }

    private func localEndpoint(_ pod: UInt32, _ state: ClusterState) -> LocalEndpoint? {
        let record = state.pods[Int(pod)]
        guard record.isLocal, record.hasGroup else { return nil }
        let addresses = state.ownedAddresses(ofPod: pod)
        guard !addresses.isEmpty else { return nil }
        return LocalEndpoint(name: state.endpointName(ofPod: pod), addresses: addresses, group: record.group)
    }

    private mutating func refreshPolicies(
        _ changes: ClusterChanges, _ state: ClusterState, dirtyGroups: inout Set<UInt32>
    ) {
        var stale = changes.policies
        if !changes.portNames.isEmpty {
            for (number, policy) in active where !policy.portNames.isDisjoint(with: changes.portNames) {
                stale.insert(number)
            }
        }
        for number in stale.sorted() {
            let record = state.policies[Int(number)]
            for (group, local) in groups where !local.pods.isEmpty {
                let isSelected =
                    record.map { policy in
                        policy.namespace == state.groups[Int(group)].namespace
                            && policy.podSelector.matches(state.labels(ofGroup: group))
                    } ?? false
                if isSelected || local.policies.contains(number) { dirtyGroups.insert(group) }
            }
            guard let old = active[number] else { continue }
            for set in old.peerSets { peerSets.release(set) }
            if let record, let reference = state.reference(ofPolicy: number) {
                active[number] = peerSets.activate(record, reference, in: state)
                active[number]?.users = old.users
            } else {
                // Kept empty until the groups that it selected have let go of it.
                active[number] = ActivePolicy(reference: old.reference, isolates: [], users: old.users)
            }
        }
    }

    // MARK: One group

    private mutating func resolve(group number: UInt32, _ state: ClusterState, dirtyPods: inout Set<UInt32>) {
        guard var group = groups[number] else { return }
        let old = group.policies
        let selecting = group.pods.isEmpty ? [] : policies(selecting: number, state)
        for policy in selecting { use(policy, state) }
        for policy in old { active[policy]?.users -= 1 }
        guard !group.pods.isEmpty else {
            groups[number] = nil
            return
        }
        group.policies = selecting
        let ports = state.ports(ofGroup: number)
        let ingress = ingressDirection(selecting, ports: ports)
        let egress = egressDirection(selecting)
        if ingress != group.ingress || egress != group.egress {
            group.ingress = ingress
            group.egress = egress
            dirtyPods.formUnion(group.pods)
        }
        groups[number] = group
    }

    private func policies(selecting group: UInt32, _ state: ClusterState) -> [UInt32] {
        let labels = state.labels(ofGroup: group)
        return state.namespaces[Int(state.groups[Int(group)].namespace)].policies.filter {
            state.policies[Int($0)]?.podSelector.matches(labels) ?? false
        }
    }

    private mutating func use(_ number: UInt32, _ state: ClusterState) {
        if active[number] == nil, let record = state.policies[Int(number)],
            let reference = state.reference(ofPolicy: number)
        {
            active[number] = peerSets.activate(record, reference, in: state)
        }
        active[number]?.users += 1
    }

    private func ingressDirection(_ selecting: [UInt32], ports: [IndexedPort]) -> ResolvedDirection {
        let isolating = selecting.compactMap { active[$0] }.filter { $0.isolates.contains(.ingress) }
        guard !isolating.isEmpty else { return ResolvedDirection() }
        let rules = isolating.flatMap { $0.ingress.map { $0.rule(ports: ports) } }
        let deny = RuleIdentity.isolation(.ingress, by: isolating.map(\.reference))
        return ResolvedDirection(tiers: [
            ResolvedTier(tier: .admin, rules: ownNodeRules(.ingress), otherwiseDeny: nil),
            ResolvedTier(tier: .networkPolicy, rules: rules, otherwiseDeny: deny),
        ])
    }

    private func egressDirection(_ selecting: [UInt32]) -> ResolvedDirection {
        let isolating = selecting.compactMap { active[$0] }.filter { $0.isolates.contains(.egress) }
        guard !isolating.isEmpty else { return ResolvedDirection() }
        let rules = ownNodeRules(.egress) + isolating.flatMap(\.egress)
        let deny = RuleIdentity.isolation(.egress, by: isolating.map(\.reference))
        return ResolvedDirection(tiers: [ResolvedTier(tier: .networkPolicy, rules: rules, otherwiseDeny: deny)])
    }

    func ownNodeRules(_ direction: Direction) -> [ResolvedRule] {
        guard let ownNode else { return [] }
        return [
            ResolvedRule(identity: .ownNode(direction), action: .allow, peers: .sets([ownNode]), ports: .any)
        ]
    }

    private mutating func deactivateUnused() {
        for (number, policy) in active where policy.users == 0 {
            for set in policy.peerSets { peerSets.release(set) }
            active[number] = nil
        }
    }
}
