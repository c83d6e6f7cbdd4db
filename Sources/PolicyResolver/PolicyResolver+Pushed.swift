// SPDX-License-Identifier: Apache-2.0
import ClusterState
import NetworkTypes
import PolicyModel

/// What was pushed, and what of it takes effect.
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
    /// Rules must be resolved again.
    var isDirty = false
    /// An endpoint of this node changed, and with it perhaps the owner of a pushed address or name.
    var isContested = false
}

extension PolicyResolver {
    /// Replaces everything that was pushed before; takes effect with the next ``resolve(_:)``.
    ///
    /// A pod that later appears on this node with the name or an address of a pushed endpoint takes it over, because
    /// the cluster's information about its pods is newer; the pushed endpoint gets it back when the pod is gone.
    public mutating func push(_ policy: PushedPolicy, over state: ClusterState) throws(PushedPolicyError) {
        try policy.validate()
        for endpoint in policy.endpoints {
            if let pod = pod(withNameOf: endpoint, state) { throw .nameOfPod(pod) }
            for address in endpoint.addresses {
                if let owner = podEndpoint(with: address, state) { throw .addressOwned(address, by: owner) }
            }
        }
        for entry in pushed.entries { for set in entry.peerSets { peerSets.release(set) } }
        pushed.entries = policy.endpoints.map { PushedState.Entry(endpoint: $0) }
        pushed.isDirty = true
    }

    /// The pod of this node with a pushed endpoint's namespace and name, if the pod is an endpoint.
    private func pod(withNameOf endpoint: PushedEndpoint, _ state: ClusterState) -> EndpointName? {
        let name = EndpointName(namespace: endpoint.name.namespace, name: endpoint.name.name)
        return state.number(ofPod: name).flatMap { endpoints[$0] } == nil ? nil : name
    }

    /// The endpoint of a pod, known or held, that has an address as of the last step.
    private func podEndpoint(with address: IPAddress, _ state: ClusterState) -> EndpointName? {
        guard let number = state.localOwner(of: address) else { return nil }
        if let held = held[number] { return held.name }
        return endpoints[number].flatMap { $0.name.kind == .pod ? $0.name : nil }
    }

    mutating func resolvePushed(_ state: ClusterState, _ change: inout ResolvedChange) {
        guard pushed.isDirty || (pushed.isContested && !pushed.entries.isEmpty) else { return }
        if pushed.isDirty {
            for index in pushed.entries.indices { resolvePushed(entry: index, state) }
        }
        var reported: [EndpointName: [IPAddress]] = [:]
        for entry in pushed.entries where pod(withNameOf: entry.endpoint, state) == nil {
            let addresses = state.judgedAddresses(ofPushed: entry.endpoint.name)
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
