// SPDX-License-Identifier: Apache-2.0
import ClusterState
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyResolver
import Testing

/// In which order policies decide about shop/web, and when they are resolved.
@Suite struct OrderTests {
    private static let web = Rows.pod("shop", "web", 1)
    private static let deny = TierRule(action: .deny, peers: [.pods(PodSelection())])
    private static let pods = "all pods in all namespaces, any port"

    struct Row: Sendable, CustomStringConvertible {
        var says: String
        var policies: [KubernetesObject]
        var ingress: [String]
        var description: String { says }
    }

    @Test(arguments: [
        Row(says: "no policy", policies: [], ingress: []),
        Row(
            says: "the other direction alone", policies: [Rows.networkPolicy("p", [.egress])], ingress: []),
        Row(
            says: "isolation by several, in order of name",
            policies: [Rows.networkPolicy("b", [.ingress]), Rows.networkPolicy("a", [.ingress])],
            ingress: [
                "admin allow own node: own node, any port", "networkPolicy otherwise deny by shop/a shop/b",
            ]),
        Row(
            says: "Admin, NetworkPolicy, Baseline",
            policies: [
                Rows.tierPolicy("last", .baseline, ingress: [deny]), Rows.networkPolicy("p", [.ingress]),
                Rows.tierPolicy("first", .admin, ingress: [deny]),
            ],
            ingress: [
                "admin allow own node: own node, any port", "admin deny first#0: \(pods)",
                "networkPolicy otherwise deny by shop/p", "baseline deny last#0: \(pods)",
            ]),
        Row(
            says: "priority before name",
            policies: [
                Rows.tierPolicy("a", .admin, priority: 2, ingress: [deny]),
                Rows.tierPolicy("b", .admin, priority: 1, ingress: [deny, deny]),
            ],
            ingress: [
                "admin allow own node: own node, any port", "admin deny b#0: \(pods)", "admin deny b#1: \(pods)",
                "admin deny a#0: \(pods)",
            ]),
        Row(
            says: "what is in audit decides nothing",
            policies: [Rows.networkPolicy("p", [.ingress], in: .audit)], ingress: []),
    ])
    func order(row: Row) {
        #expect(ResolvedLines([Self.web] + row.policies).ingress == row.ingress)
        #expect(ResolvedLines(row.policies.reversed() + [Self.web]).ingress == row.ingress)
    }

    @Test func auditHasATierOfItsOwn() throws {
        var state = ClusterState(nodeName: "n")
        for object in [Self.web, Rows.networkPolicy("p", [.ingress], in: .audit)] { state.index(.set(object)) }
        var resolver = PolicyResolver()
        let endpoint = try #require(
            resolver.resolve(state).endpoints[EndpointName(namespace: "shop", name: "web")])
        #expect(endpoint.ingress.tiers.isEmpty)
        #expect(endpoint.ingress.audit?.map(\.tier) == [.admin, .networkPolicy])
    }

    /// A policy takes its peer sets when it first selects a local pod, and gives them back with the last.
    @Test func aPolicyIsResolvedWhileItSelectsALocalPod() {
        var state = ClusterState(nodeName: "n")
        var resolver = PolicyResolver()
        func step(_ event: ObjectEvent) -> Int {
            state.index(event)
            _ = resolver.resolve(state)
            state.commit()
            return resolver.peerSetCount
        }
        let guardrail = Rows.tierPolicy("g", .admin, ingress: [Self.deny])
        let ownNode = step(.set(Rows.pod("shop", "far", 2, node: "other")))
        #expect(step(.set(guardrail)) == ownNode)
        #expect(step(.set(Self.web)) == ownNode + 1)
        #expect(resolver.policySelections.keys.map(\.name) == ["g"])
        #expect(step(.set(Rows.tierPolicy("g", .admin, ingress: []))) == ownNode)
        #expect(step(.set(guardrail)) == ownNode + 1)
        #expect(step(.removed(Self.web.key)) == ownNode)
        #expect(resolver.policySelections.isEmpty)
    }

    @Test func aNamespaceWithOtherLabelsIsSelectedByOtherPolicies() {
        var state = ClusterState(nodeName: "n")
        var resolver = PolicyResolver()
        let subject = PodSelection(namespaces: LabelSelector(matchLabels: ["team": "a"]))
        let guardrail = TierPolicy(metadata: ObjectMeta(name: "g"), tier: .admin, subject: subject)
        for object in [Self.web, .tierPolicy(guardrail)] { state.index(.set(object)) }
        _ = resolver.resolve(state)
        state.commit()
        #expect(resolver.policySelections.isEmpty)
        let shop = Namespace(metadata: ObjectMeta(name: "shop", labels: ["team": "a"]))
        state.index(.set(.namespace(shop)))
        _ = resolver.resolve(state)
        state.commit()
        #expect(resolver.policySelections.values.map { $0.map(\.description) } == [["shop/web"]])
    }
}
