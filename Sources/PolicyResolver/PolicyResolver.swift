// SPDX-License-Identifier: Apache-2.0
import ClusterState
import NetworkTypes
import PolicyModel

/// Resolves the cluster's state to the policy of this node's endpoints, step by step.
///
/// Pods of one group have the same policies, so directions are resolved once for each group with local pods. A policy
/// is resolved once, while it selects at least one of them.
public struct PolicyResolver: Sendable {
    struct LocalEndpoint: Sendable, Equatable {
        var name: EndpointName
        var addresses: [IPAddress]
        var group: UInt32
    }

    struct LocalGroup: Sendable {
        var pods: [UInt32] = []
        /// Policies that select it, in order of evaluation.
        var policies: [UInt32] = []
        var judgesOwnNode = false
        /// Whether its pods' rules may differ, because a condition reads the pod's own address.
        var readsAddresses = false
        var ingress = ResolvedDirection()
        var egress = ResolvedDirection()
    }

    var peerSets = PeerSetTable()
    var endpoints: [UInt32: LocalEndpoint] = [:]
    var groups: [UInt32: LocalGroup] = [:]
    var active: [UInt32: ActivePolicy] = [:]
    var ownNode: PeerSetID?
    var nodeDNS: PeerSetID?
    var judgesOwnNode = false
    var pushed = PushedState()
    /// Endpoints that stand for pods whose object is not known yet, as last reported.
    var held: [UInt32: HeldEndpoint] = [:]
    let settings: PolicySettings

    public init(settings: PolicySettings = PolicySettings()) { self.settings = settings }

    /// Brings resolved policy up to date with the changes that `state` has recorded.
    public mutating func resolve(_ state: ClusterState) -> ResolvedChange {
        var change = ResolvedChange()
        let changes = state.changes
        var dirtyGroups: Set<UInt32> = []
        var dirtyPods: Set<UInt32> = []

        refreshMembership(changes, state)
        acquireNodeSets(state)
        refreshEndpoints(changes, state, &change, dirtyGroups: &dirtyGroups, dirtyPods: &dirtyPods)
        refreshPolicies(changes, state, dirtyGroups: &dirtyGroups)
        for group in dirtyGroups.sorted() { resolve(group: group, state, dirtyPods: &dirtyPods) }
        for pod in dirtyPods {
            guard let endpoint = endpoints[pod], let group = groups[endpoint.group] else { continue }
            let ingress = group.readsAddresses ? self.ingress(of: endpoint, in: group, state) : group.ingress
            change.endpoints[endpoint.name] = ResolvedEndpoint(
                name: endpoint.name, addresses: endpoint.addresses, ingress: ingress, egress: group.egress)
        }
        resolveHeld(changes, state, &change)
        if !changes.localPods.isEmpty { pushed.isContested = true }
        resolvePushed(state, &change)
        deactivateUnused()
        let judges = groups.values.contains { $0.judgesOwnNode }
        if judges != judgesOwnNode {
            judgesOwnNode = judges
            change.judgesOwnNode = judges
        }

        peerSets.finish(&change, in: state)
        change.addresses.reserveCapacity(changes.addresses.count)
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
        if changes.nodes || changes.ownNode { peerSets.refreshNodes(in: state) }
    }

    /// Acquires, in the first step, the sets that belong to every endpoint's rules.
    private mutating func acquireNodeSets(_ state: ClusterState) {
        guard ownNode == nil else { return }
        ownNode = peerSets.acquire(.ownNode, in: state)
        guard !settings.nodeDNS.isEmpty else { return }
        let blocks = Set(settings.nodeDNS).sorted().map { AddressBlock(cidr: CIDR(host: $0)) }
        nodeDNS = peerSets.acquire(.blocks(blocks), in: state)
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

    // MARK: One group

    private mutating func resolve(group number: UInt32, _ state: ClusterState, dirtyPods: inout Set<UInt32>) {
        guard var group = groups[number] else { return }
        let old = group.policies
        group.policies = group.pods.isEmpty ? [] : state.policies(selecting: number)
        for policy in group.policies { use(policy, state) }
        for policy in old { active[policy]?.users -= 1 }
        guard !group.pods.isEmpty else {
            groups[number] = nil
            return
        }
        let policies = group.policies.compactMap { active[$0] }
        let ports = state.ports(ofGroup: number)
        let readsAddresses = policies.contains(where: \.readsAddresses)
        let ingress = readsAddresses ? ResolvedDirection() : direction(.ingress, of: policies, ports: ports)
        let egress = direction(.egress, of: policies, ports: ports)
        group.judgesOwnNode = judgesOwnNode(policies)
        if readsAddresses || group.readsAddresses || ingress != group.ingress || egress != group.egress {
            group.readsAddresses = readsAddresses
            group.ingress = ingress
            group.egress = egress
            dirtyPods.formUnion(group.pods)
        }
        groups[number] = group
    }

    private func ingress(
        of endpoint: LocalEndpoint, in group: LocalGroup, _ state: ClusterState
    ) -> ResolvedDirection {
        direction(
            .ingress, of: group.policies.compactMap { active[$0] }, ports: state.ports(ofGroup: endpoint.group),
            addresses: endpoint.addresses)
    }

    private func judgesOwnNode(_ policies: [ActivePolicy]) -> Bool {
        policies.contains { policy in
            policy.layer == .networkPolicy
                ? settings.enforcesNetworkPolicyOnOwnNode && policy.isolates.contains(.egress)
                : !policy.egress.isEmpty
        }
    }

    /// What is in force, and, if policies in audit would change it, what would be.
    private func direction(
        _ direction: Direction, of policies: [ActivePolicy], ports: [IndexedPort], addresses: [IPAddress] = []
    ) -> ResolvedDirection {
        let subject = Subject(ports: ports, addresses: addresses)
        let tiers = tiers(direction, of: policies.filter { !$0.isInAudit }, subject)
        guard policies.contains(where: \.isInAudit) else { return ResolvedDirection(tiers: tiers) }
        let audit = self.tiers(direction, of: policies, subject)
        return ResolvedDirection(tiers: tiers, audit: audit == tiers ? nil : audit)
    }

    /// What rules read of the endpoint that they protect.
    private struct Subject {
        var ports: [IndexedPort]
        var addresses: [IPAddress]
    }

    private func tiers(_ direction: Direction, of policies: [ActivePolicy], _ subject: Subject) -> [ResolvedTier] {
        var result = orderedTiers(direction, of: policies.filter { $0.layer != .authorization }, subject)
        if direction == .ingress {
            result += authorization(of: policies.filter { $0.layer == .authorization }, subject)
        }
        return result
    }

    /// Authorization as rules of which the first that matches decides. The rules of all policies that deny come before
    /// those that allow. Those that read the request come after the others of their action: they hand the flow to the
    /// proxy, which asks all of them again for each request.
    private func authorization(of policies: [ActivePolicy], _ subject: Subject) -> [ResolvedTier] {
        let rules = policies.flatMap { $0.rules(.ingress, ports: subject.ports, addresses: subject.addresses) }
        let isolating = policies.filter { $0.isolates.contains(.ingress) }
        guard !rules.isEmpty || !isolating.isEmpty else { return [] }
        var result = ownNodeRules(.ingress)
        for action in [RuleAction.deny, .allow] {
            let matching = rules.filter { $0.action == action }
            result += matching.filter { $0.request == nil } + matching.filter { $0.request != nil }
        }
        if !isolating.isEmpty {
            result.append(
                ResolvedRule(
                    identity: .isolation(.ingress, by: isolating.map(\.reference)), action: .deny, peers: .any,
                    ports: .ports([ProtocolPorts(.tcp, .all)])))
        }
        return [ResolvedTier(tier: .authorization, rules: result, otherwiseDeny: nil)]
    }

    private func orderedTiers(
        _ direction: Direction, of policies: [ActivePolicy], _ subject: Subject
    ) -> [ResolvedTier] {
        func rules(_ tier: Tier) -> [ResolvedRule] {
            policies.filter { $0.layer == tier }.flatMap {
                $0.rules(direction, ports: subject.ports, addresses: subject.addresses)
            }
        }
        let isolating = policies.filter { $0.isolates.contains(direction) }
        var admin = rules(.admin)
        var baseline = rules(.baseline)
        let hasTiers = !admin.isEmpty || !baseline.isEmpty
        guard hasTiers || !isolating.isEmpty else { return [] }
        var isolated: [ResolvedRule] = []
        switch direction {
        case .ingress: admin = ownNodeRules(.ingress) + admin
        case .egress:
            admin = failsafeRules(ownNode: settings.enforcesNetworkPolicyOnOwnNode || hasTiers) + admin
            if !settings.enforcesNetworkPolicyOnOwnNode, !isolating.isEmpty {
                // The Baseline tier decides about the own node, and no tier after it.
                isolated = ownNodeRules(.egress, action: baseline.isEmpty ? .allow : .pass)
                if !baseline.isEmpty { baseline += ownNodeRules(.egress) }
            }
        }
        var result: [ResolvedTier] = []
        if !admin.isEmpty { result.append(ResolvedTier(tier: .admin, rules: admin, otherwiseDeny: nil)) }
        if !isolating.isEmpty {
            isolated += rules(.networkPolicy)
            let deny = RuleIdentity.isolation(direction, by: isolating.map(\.reference))
            result.append(ResolvedTier(tier: .networkPolicy, rules: isolated, otherwiseDeny: deny))
        }
        if !baseline.isEmpty { result.append(ResolvedTier(tier: .baseline, rules: baseline, otherwiseDeny: nil)) }
        return result
    }

    /// What no policy may deny a pod: an address by DHCP, and names from the node's resolver.
    func failsafeRules(ownNode isJudged: Bool) -> [ResolvedRule] {
        var rules: [ResolvedRule] = []
        if isJudged, let ownNode {
            rules.append(
                ResolvedRule(
                    identity: .failsafe("DHCP"), action: .allow, peers: .sets([ownNode]),
                    ports: .ports([ProtocolPorts(.udp, PortRange(67)), ProtocolPorts(.udp, PortRange(547))])))
        }
        if let nodeDNS {
            rules.append(
                ResolvedRule(
                    identity: .failsafe("node DNS"), action: .allow, peers: .sets([nodeDNS]),
                    ports: .ports([ProtocolPorts(.tcp, PortRange(53)), ProtocolPorts(.udp, PortRange(53))])))
        }
        return rules
    }

    func ownNodeRules(_ direction: Direction, action: RuleAction = .allow) -> [ResolvedRule] {
        guard let ownNode else { return [] }
        return [
            ResolvedRule(identity: .ownNode(direction), action: action, peers: .sets([ownNode]), ports: .any)
        ]
    }
}
