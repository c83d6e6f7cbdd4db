// SPDX-License-Identifier: Apache-2.0
import ClusterState
import KubernetesObjects
import NetworkTypes
import PolicyModel
import Testing
import WorldKit

/// Which policies select which pods, in which order, and what an event marks as changed.
@Suite struct PolicyIndexTests {
    /// shop (team=a): web and db. dev (no labels): web.
    private static let pods = [
        pod("shop", "web", 1, ["app": "web"]), pod("shop", "db", 2, ["app": "db"]),
        pod("dev", "web", 3, ["app": "web"]),
    ]
    private static let shop = KubernetesObject.namespace(Namespace("shop", ["team": "a"]))

    private static func pod(
        _ namespace: String, _ name: String, _ number: UInt32, _ labels: [String: String]
    ) -> KubernetesObject {
        .pod(Pod("\(namespace)/\(name)", labels, ["\(IPAddress(v4: 0x0a00_0000 + number))"], node: "n"))
    }

    private static func networkPolicy(
        _ namespace: String, _ name: String, _ labels: [String: String] = [:]
    ) -> KubernetesObject {
        .networkPolicy(NetworkPolicy("\(namespace)/\(name)", selects: labels, [.ingress]))
    }

    private static func tierPolicy(
        _ name: String, _ tier: TierPolicy.Tier, _ priority: Int32, team: String? = nil,
        kind: TierPolicy.Kind = .clusterNetworkPolicy
    ) -> KubernetesObject {
        let subject = everyPod(in: team.map { ["team": $0] } ?? [:])
        return .tierPolicy(TierPolicy(name, tier, priority, kind: kind, subject: subject))
    }

    struct Row: Sendable, CustomStringConvertible {
        var says: String
        var policies: [KubernetesObject]
        /// Names of the policies that select shop/web, shop/db and dev/web.
        var web: String
        var db = ""
        var dev = ""
        var description: String { says }
    }

    @Test(arguments: [
        Row(says: "none", policies: [], web: ""),
        Row(says: "by pod label", policies: [networkPolicy("shop", "p", ["app": "web"])], web: "p"),
        Row(says: "all pods of the namespace", policies: [networkPolicy("shop", "p")], web: "p", db: "p"),
        Row(says: "of another namespace", policies: [networkPolicy("dev", "p", ["app": "web"])], web: "", dev: "p"),
        Row(
            says: "in order of name", policies: ["c", "a", "b"].map { networkPolicy("shop", $0, ["app": "web"]) },
            web: "a b c"),
        Row(says: "namespaces by label", policies: [tierPolicy("g", .admin, 1, team: "a")], web: "g", db: "g"),
        Row(says: "every pod", policies: [tierPolicy("g", .admin, 1)], web: "g", db: "g", dev: "g"),
        Row(says: "no such label", policies: [tierPolicy("g", .admin, 1, team: "b")], web: ""),
        Row(
            says: "Admin, NetworkPolicy, Baseline",
            policies: [
                tierPolicy("default", .baseline, 0, kind: .baselineAdminNetworkPolicy), networkPolicy("shop", "p"),
                tierPolicy("g", .admin, 1),
            ], web: "g p default", db: "g p default", dev: "g default"),
        Row(
            says: "by priority, name, kind",
            policies: [
                tierPolicy("a", .admin, 2, team: "a"), tierPolicy("z", .admin, 1, team: "a"),
                tierPolicy("b", .admin, 1, team: "a", kind: .clusterNetworkPolicy),
                tierPolicy("b", .admin, 1, team: "a", kind: .adminNetworkPolicy),
            ], web: "b/AdminNetworkPolicy b z a", db: "b/AdminNetworkPolicy b z a"),
    ])
    func policiesOfPods(row: Row) {
        for policies in [row.policies, row.policies.reversed()] {
            var state = ClusterState(nodeName: "n")
            for object in Self.pods + [Self.shop] + policies { state.index(.set(object)) }
            #expect(Self.policies(of: 1, in: state) == row.web)
            #expect(Self.policies(of: 2, in: state) == row.db)
            #expect(Self.policies(of: 3, in: state) == row.dev)
            #expect(state.counts.policies == row.policies.count)
            #expect(state.policyReferences.count == row.policies.count)
        }
    }

    private static func policies(of address: UInt32, in state: ClusterState) -> String {
        guard let group = state.group(of: IPAddress(v4: 0x0a00_0000 + address)) else { return "no group" }
        let references = state.policies(selecting: group).compactMap { state.policies[Int($0)]?.reference }
        return references.map { $0.kind == "AdminNetworkPolicy" ? "\($0.name)/\($0.kind)" : $0.name }
            .joined(separator: " ")
    }

    struct Step: Sendable, CustomStringConvertible {
        var says: String
        var event: ObjectEvent
        var changed: Int
        var left: [String]
        var description: String { says }
    }

    /// Each on top of shop/p (all pods) and g (Admin, priority 1, all pods).
    @Test(arguments: [
        Step(says: "the same", event: .set(networkPolicy("shop", "p")), changed: 0, left: ["g", "shop/p"]),
        Step(says: "the same of a tier", event: .set(tierPolicy("g", .admin, 1)), changed: 0, left: ["g", "shop/p"]),
        Step(says: "selector", event: .set(networkPolicy("shop", "p", ["a": "b"])), changed: 1, left: ["g", "shop/p"]),
        Step(says: "priority", event: .set(tierPolicy("g", .admin, 2)), changed: 1, left: ["g", "shop/p"]),
        Step(says: "tier", event: .set(tierPolicy("g", .baseline, 1)), changed: 1, left: ["g", "shop/p"]),
        Step(
            says: "another kind", event: .set(tierPolicy("g", .admin, 1, kind: .adminNetworkPolicy)), changed: 1,
            left: ["g", "g", "shop/p"]),
        Step(says: "removed", event: .removed(networkPolicy("shop", "p").key), changed: 1, left: ["g"]),
        Step(says: "removed of a tier", event: .removed(tierPolicy("g", .admin, 1).key), changed: 1, left: ["shop/p"]),
        Step(says: "unknown name", event: .removed(networkPolicy("shop", "q").key), changed: 0, left: ["g", "shop/p"]),
        Step(
            says: "unknown namespace", event: .removed(networkPolicy("dev", "p").key), changed: 0,
            left: ["g", "shop/p"]),
    ])
    func changes(row: Step) {
        var state = ClusterState(nodeName: "n")
        for object in [Self.networkPolicy("shop", "p"), Self.tierPolicy("g", .admin, 1)] { state.index(.set(object)) }
        state.commit()
        state.index(row.event)
        #expect(state.changes.policies.count == row.changed)
        #expect(state.policyReferences.map(\.description) == row.left)
    }

    /// Numbers, strings and namespaces of policies that are gone are free after the commit.
    @Test func nothingIsLeftBehind() {
        var state = ClusterState(nodeName: "n")
        let policies = [
            Self.networkPolicy("shop", "p", ["app": "web"]), Self.tierPolicy("g", .admin, 1, team: "a"),
        ]
        for _ in 0..<3 {
            for policy in policies { state.index(.set(policy)) }
            state.commit()
            #expect(state.counts.namespaces == 1 && state.strings.count > 0)
            for policy in policies { state.index(.removed(policy.key)) }
            state.commit()
            #expect(state.counts == ClusterCounts() && state.strings.count == 0)
            #expect(state.policies.count == 2)
        }
    }
}
