// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import WorldKit

extension WrongEvaluator {
    private static func reading(_ name: String, _ change: @escaping @Sendable (inout World) -> Void) -> Self {
        WrongEvaluator(
            name: name,
            misread: { world in
                var copy = world
                change(&copy)
                return copy
            })
    }

    private static func tierPolicies(_ name: String, _ change: @escaping @Sendable (inout TierPolicy) -> Void) -> Self {
        reading(name) { world in
            for index in world.tierPolicies.indices { change(&world.tierPolicies[index]) }
        }
    }

    private static func tierRules(_ name: String, _ change: @escaping @Sendable (TierRule) -> TierRule?) -> Self {
        tierPolicies(name) { policy in
            policy.ingress = policy.ingress.compactMap(change)
            policy.egress = policy.egress.compactMap(change)
        }
    }

    /// Mistakes about tiers, audit and the own node.
    static let tiers: [WrongEvaluator] = [
        reading("tiers unknown") { $0.tierPolicies = [] },
        tierPolicies("Admin and Baseline exchanged") { $0.tier = $0.tier == .admin ? .baseline : .admin },
        tierPolicies("all tiers before NetworkPolicy") { $0.tier = .admin },
        tierPolicies("priorities upside down") { $0.priority = 1000 - $0.priority },
        reading("equal priorities by falling name") { world in
            let order = world.tierPolicies.sorted {
                ($0.priority, $1.metadata.name) < ($1.priority, $0.metadata.name)
            }
            for (place, policy) in order.enumerated() {
                let index = world.tierPolicies.firstIndex { $0 == policy }!
                world.tierPolicies[index].priority = Int32(place)
            }
        },
        tierPolicies("the last rule that matches decides") {
            $0.ingress.reverse()
            $0.egress.reverse()
        },
        tierRules("Pass not read") { $0.action == .pass ? nil : $0 },
        tierRules("Pass taken for Accept") { rule in
            var rule = rule
            if rule.action == .pass { rule.action = .accept }
            return rule
        },
        tierRules("unknown parts not read") { rule in
            var rule = rule
            rule.unknown = []
            return rule
        },
        tierRules("rules with unknown parts not read") { $0.unknown.isEmpty ? $0 : nil },
        tierRules("protocols not read") { rule in
            var rule = rule
            rule.ports = nil
            return rule
        },
        tierRules("a named port is TCP alone") { rule in
            var rule = rule
            rule.ports = rule.ports?.map { $0 == .named("dns") || $0 == .named("sig") ? .named("nobody") : $0 }
            return rule
        },
        tierRules("node peers not read") { rule in
            var rule = rule
            rule.peers.removeAll { if case .nodes = $0 { true } else { false } }
            return rule.peers.isEmpty ? nil : rule
        },
        tierRules("one network of a peer read") { rule in
            var rule = rule
            rule.peers = rule.peers.map { peer in
                guard case .networks(let networks) = peer else { return peer }
                return .networks([networks[0]])
            }
            return rule
        },
        reading("node labels not read") { world in
            for index in world.nodes.indices { world.nodes[index].metadata.labels = [:] }
        },
        tierPolicies("tier policies in audit enforced") { $0.enforcement = .enforce },
        tierPolicies("tier policies in audit not read") {
            guard $0.enforcement == .audit else { return }
            $0.ingress = []
            $0.egress = []
        },
        reading("NetworkPolicies in audit enforced") { world in
            for index in world.policies.indices { world.policies[index].enforcement = .enforce }
        },
        reading("NetworkPolicies in audit not read") { $0.policies.removeAll { $0.enforcement == .audit } },
        reading("an ipBlock's pods have no named ports") { world in
            for index in world.policies.indices {
                world.policies[index].egress = world.policies[index].egress.flatMap(\.withoutNamesInBlocks)
            }
        },
        reading("the node's own addresses not known") { $0.settings.localAddresses = [] },
        reading("NetworkPolicy not enforced on the own node") { $0.settings.enforcesNetworkPolicyOnOwnNode = false },
        reading("NetworkPolicy enforced on the own node") { $0.settings.enforcesNetworkPolicyOnOwnNode = true },
        reading("the node's name server not known") { $0.settings.nodeDNS = [] },
    ]
}

extension NetworkPolicyRule {
    /// One for the ports without names, and one for the names with the peers that are not blocks.
    fileprivate var withoutNamesInBlocks: [NetworkPolicyRule] {
        let pods = peers.filter { if case .pods = $0 { true } else { false } }
        let names = ports.filter { if case .named = $0.port { true } else { false } }
        let plain = ports.filter { if case .named = $0.port { false } else { true } }
        guard !names.isEmpty, pods.count < peers.count else { return [self] }
        var rules: [NetworkPolicyRule] = []
        if !plain.isEmpty { rules.append(NetworkPolicyRule(peers: peers, ports: plain)) }
        if !pods.isEmpty { rules.append(NetworkPolicyRule(peers: pods, ports: names)) }
        return rules
    }
}
