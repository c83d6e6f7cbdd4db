// SPDX-License-Identifier: Apache-2.0
import ClusterState
import NetworkTypes
import PolicyModel

/// What was pushed, and what of it is in force.
struct PushedState: Sendable {
    struct Entry: Sendable {
        var endpoint: PushedEndpoint
        var ingress = ResolvedDirection()
        var egress = ResolvedDirection()
        var peerSets: [PeerSetID] = []
    }

    var entries: [Entry] = []
    /// Names and addresses as last reported.
    var reported: [EndpointName: [IPAddress]] = [:]
    /// Rules have to be resolved again.
    var isDirty = false
    /// A pod's endpoint changed, and with it perhaps whose an address is.
    var isContested = false
}

extension PolicyResolver {
    /// Replaces all that was pushed before; takes effect with the next ``resolve(_:)``.
    ///
    /// A pod that later appears on this node with the name or an address of a pushed endpoint takes it over, as the
    /// cluster's word on its pods is the newer one; the pushed endpoint has it back when the pod is gone.
    public mutating func push(_ policy: PushedPolicy) throws(PushedPolicyError) {
        try policy.validate()
        let (names, owners) = podEndpoints()
        for endpoint in policy.endpoints {
            guard !names.contains(endpoint.name) else { throw .nameOfPod(endpoint.name) }
            for address in endpoint.addresses {
                if let owner = owners[address] { throw .addressOwned(address, by: owner) }
            }
        }
        for entry in pushed.entries { for set in entry.peerSets { peerSets.release(set) } }
        pushed.entries = policy.endpoints.map { PushedState.Entry(endpoint: $0) }
        pushed.isDirty = true
    }

    private func podEndpoints() -> (names: Set<EndpointName>, owners: [IPAddress: EndpointName]) {
        var names: Set<EndpointName> = []
        var owners: [IPAddress: EndpointName] = [:]
        for endpoint in endpoints.values {
            names.insert(endpoint.name)
            for address in endpoint.addresses { owners[address] = endpoint.name }
        }
        for (name, addresses) in held {
            names.insert(name)
            for address in addresses { owners[address] = name }
        }
        return (names, owners)
    }

    mutating func resolvePushed(_ state: ClusterState, _ change: inout ResolvedChange) {
        guard pushed.isDirty || (pushed.isContested && !pushed.entries.isEmpty) else { return }
        if pushed.isDirty {
            for index in pushed.entries.indices { resolvePushed(entry: index, state) }
        }
        let (names, owners) = podEndpoints()
        var reported: [EndpointName: [IPAddress]] = [:]
        for entry in pushed.entries where !names.contains(entry.endpoint.name) {
            let addresses = entry.endpoint.addresses.filter { owners[$0] == nil }.sorted()
            guard !addresses.isEmpty else { continue }
            reported[entry.endpoint.name] = addresses
            guard pushed.isDirty || pushed.reported[entry.endpoint.name] != addresses else { continue }
            change.endpoints[entry.endpoint.name] = ResolvedEndpoint(
                name: entry.endpoint.name, addresses: addresses, ingress: entry.ingress, egress: entry.egress)
        }
        for name in pushed.reported.keys where reported[name] == nil { change.removedEndpoints.append(name) }
        pushed.reported = reported
        pushed.isDirty = false
        pushed.isContested = false
    }

    private mutating func resolvePushed(entry index: Int, _ state: ClusterState) {
        let old = pushed.entries[index].peerSets
        let endpoint = pushed.entries[index].endpoint
        var used: [PeerSetID] = []
        pushed.entries[index].ingress = direction(.ingress, endpoint.ingress, of: endpoint.name, &used, state)
        pushed.entries[index].egress = direction(.egress, endpoint.egress, of: endpoint.name, &used, state)
        pushed.entries[index].peerSets = used
        for set in old { peerSets.release(set) }
    }

    /// Pushed rules are a tier of their own before the default, so that "pass" leaves them and the default decides.
    private mutating func direction(
        _ direction: Direction, _ pushed: PushedDirection, of name: EndpointName, _ used: inout [PeerSetID],
        _ state: ClusterState
    ) -> ResolvedDirection {
        guard !pushed.rules.isEmpty || pushed.defaultVerdict == .deny else { return ResolvedDirection() }
        let reference = PolicyReference(kind: "ResolvedPolicy", namespace: name.namespace, name: name.name)
        var rules = ownNodeRules(direction)
        for (index, rule) in pushed.rules.enumerated() {
            var peers = PeerMatch.any
            if case .blocks(let blocks) = rule.peers {
                var sets: [PeerSetID] = []
                if !blocks.isEmpty {
                    var sorted: [AddressBlock] = []
                    for block in blocks.sorted() where sorted.last != block { sorted.append(block) }
                    sets.append(peerSets.acquire(.blocks(sorted), in: state))
                }
                used += sets
                peers = .sets(sets)
            }
            let identity = RuleIdentity.rule(reference, direction, index: index, name: rule.name)
            rules.append(ResolvedRule(identity: identity, action: rule.action, peers: peers, ports: rule.ports))
        }
        var tiers = [ResolvedTier(tier: .admin, rules: rules, otherwiseDeny: nil)]
        if pushed.defaultVerdict == .deny {
            let deny = RuleIdentity.isolation(direction, by: [reference])
            tiers.append(ResolvedTier(tier: .networkPolicy, rules: [], otherwiseDeny: deny))
        }
        return ResolvedDirection(tiers: tiers)
    }
}
