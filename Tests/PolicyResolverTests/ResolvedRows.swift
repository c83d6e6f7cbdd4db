// SPDX-License-Identifier: Apache-2.0
import ClusterState
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyResolver
import WorldKit

/// Objects of the rows: the pod shop/web of this node, which policy is resolved for, and its surroundings.
enum Rows {
    static let all = LabelSelector()
    static let web = LabelSelector(matchLabels: ["app": "web"])

    static func pod(
        _ namespace: String, _ name: String, _ number: UInt32, http: UInt16? = nil, node: String = "n"
    ) -> KubernetesObject {
        .pod(
            Pod(
                "\(namespace)/\(name)", ["app": name], ["\(IPAddress(v4: 0x0a00_0000 + number))"], node: node,
                ports: http.map { [NamedPort(name: "http", number: $0)] } ?? []))
    }

    static func networkPolicy(
        _ name: String, _ types: Set<PolicyType>, ingress: [NetworkPolicyRule] = [], egress: [NetworkPolicyRule] = [],
        in audit: Enforcement = .enforce
    ) -> KubernetesObject {
        var policy = NetworkPolicy(name, selects: ["app": "web"], types, ingress: ingress, egress: egress)
        policy.enforcement = audit
        return .networkPolicy(policy)
    }

    static func tierPolicy(
        _ name: String, _ tier: TierPolicy.Tier, priority: Int32 = 1, ingress: [TierRule] = [],
        egress: [TierRule] = []
    ) -> KubernetesObject {
        .tierPolicy(
            TierPolicy(name, tier, priority, ingress: ingress, egress: egress))
    }
}

/// What is resolved for shop/web, one line a rule: tier, action, identity, peers, ports.
struct ResolvedLines {
    var ingress: [String] = []
    var egress: [String] = []

    init(_ objects: [KubernetesObject], settings: PolicySettings = PolicySettings()) {
        var state = ClusterState(nodeName: "n")
        for object in objects { state.index(.set(object)) }
        var resolver = PolicyResolver(settings: settings)
        let change = resolver.resolve(state)
        guard let endpoint = change.endpoints[EndpointName(namespace: "shop", name: "web")] else { return }
        ingress = Self.lines(endpoint.ingress.tiers, change)
        egress = Self.lines(endpoint.egress.tiers, change)
    }

    private static func lines(_ tiers: [ResolvedTier], _ change: ResolvedChange) -> [String] {
        tiers.flatMap { tier in
            tier.rules.map { rule in
                "\(tier.tier) \(rule.action) \(text(rule.identity)): \(text(rule.peers, change)), \(text(rule.ports))"
                    + (rule.request.map { ", \($0)" } ?? "")
            } + (tier.otherwiseDeny.map { ["\(tier.tier) otherwise deny \(text($0))"] } ?? [])
        }
    }

    private static func text(_ identity: RuleIdentity) -> String {
        switch identity {
        case .rule(let policy, _, let index, let name): "\(policy)#\(index)\(name.map { " (\($0))" } ?? "")"
        case .report(let policy, _, let index): "\(policy)#\(index) reports"
        case .isolation(_, let by): "by \(by.map(\.description).joined(separator: " "))"
        case .ownNode: "own node"
        case .noPolicy: "no policy"
        case .failsafe(let name): name
        case .overLimit: "over limit"
        }
    }

    private static func text(_ peers: PeerMatch, _ change: ResolvedChange) -> String {
        func names(_ sets: [PeerSetID]) -> String {
            sets.map { change.addedPeerSets[$0]?.description ?? "?" }.sorted().joined(separator: " + ")
        }
        switch peers {
        case .any: return "anybody"
        case .sets(let sets): return sets.isEmpty ? "nobody" : names(sets)
        case .terms(let terms):
            return terms.map { ($0.isExcluded ? "not " : "") + "(\(names($0.sets)))" }.joined(separator: " and ")
        }
    }

    private static func text(_ ports: PortMatch) -> String {
        guard case .ports(let ports) = ports else { return "any port" }
        return ports.isEmpty ? "no port" : ports.map(\.description).joined(separator: " ")
    }
}
