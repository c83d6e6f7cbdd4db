// SPDX-License-Identifier: Apache-2.0
import ClusterState
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyResolver
import Testing
import WorldKit

/// Which peer sets rules make, who is in them, and what a step says about it.
@Suite struct PeerSetTests {
    /// Objects through the index into resolved policy, step by step.
    private struct Scene {
        var state = ClusterState(nodeName: "n1")
        var resolver = PolicyResolver()
        private(set) var change = ResolvedChange()
        private var texts: [PeerSetID: String] = [:]

        init(_ events: [ObjectEvent]) { step(events) }

        mutating func callAsFunction(_ events: ObjectEvent..., local: [CIDR]? = nil) {
            if let local { state.set(localAddresses: local) }
            step(events)
        }

        private mutating func step(_ events: [ObjectEvent]) {
            for event in events { state.index(event) }
            change = resolver.resolve(state)
            state.commit()
            for (id, set) in change.addedPeerSets { texts[id] = set.description }
        }

        /// "all nodes +192.168.0.2/32 -192.168.0.3/32", one row a set.
        var members: [String] {
            change.members.map { id, change in
                let parts = change.joined.map { " +\($0)" } + change.left.map { " -\($0)" }
                return texts[id, default: "?"] + parts.joined()
            }.sorted()
        }

        /// What a new set holds beside pods: "all nodes: 127.0.0.0/8 …".
        var added: [String] {
            change.addedPeerSets.values.map { set in
                set.blocks.isEmpty ? set.description : "\(set): " + set.blocks.map(\.description).joined(separator: " ")
            }.sorted()
        }

        /// Whether the step is nothing but members of prefixes.
        var isMembersAlone: Bool {
            var rest = change
            rest.members = [:]
            return rest.isEmpty
        }
    }

    private static func guardrail(_ name: String, _ selector: LabelSelector) -> ObjectEvent {
        tier(name, egress: [rule(.deny, .nodes(selector))])
    }

    private static let gpu = LabelSelector(matchLabels: ["gpu": "yes"])
    private static let cluster = [
        node("n1", "192.168.0.1"), node("n2", "192.168.0.2", labels: ["gpu": "yes"]),
        pod("web", ["app": "web"], "10.0.0.1"),
        guardrail("all", LabelSelector()), guardrail("gpu", gpu),
    ]

    @Test func setsBeginWithTheirMembers() {
        #expect(
            Scene(Self.cluster).added == [
                "all nodes: 127.0.0.0/8 192.168.0.1/32 192.168.0.2/32 ::1/128", "nodes gpu=yes: 192.168.0.2/32",
                "own node: 127.0.0.0/8 192.168.0.1/32 ::1/128",
            ])
    }

    static let rows: [(event: ObjectEvent, members: [String])] = [
        (node("n3", "192.168.0.3"), ["all nodes +192.168.0.3/32"]),
        (
            node("n3", "192.168.0.3", labels: ["gpu": "yes"]),
            ["all nodes +192.168.0.3/32", "nodes gpu=yes +192.168.0.3/32"]
        ),
        (
            node("n2", "192.168.0.9", labels: ["gpu": "yes"]),
            ["all nodes +192.168.0.9/32 -192.168.0.2/32", "nodes gpu=yes +192.168.0.9/32 -192.168.0.2/32"]
        ),
        (node("n2", "192.168.0.2"), ["nodes gpu=yes -192.168.0.2/32"]),
        (
            .removed(ObjectKey(kind: .node, namespace: "", name: "n2")),
            ["all nodes -192.168.0.2/32", "nodes gpu=yes -192.168.0.2/32"]
        ),
        // This node is all that it takes in, under each label that it has.
        (
            node("n1", "192.168.0.1", labels: ["gpu": "yes"]), ["nodes gpu=yes +127.0.0.0/8 +192.168.0.1/32 +::1/128"]
        ),
        (
            node("n1", "192.168.0.7"),
            ["all nodes +192.168.0.7/32 -192.168.0.1/32", "own node +192.168.0.7/32 -192.168.0.1/32"]
        ),
        // Two nodes with one address: it is a member as long as one of them has it.
        (node("n3", "192.168.0.2"), []), (node("n2", "192.168.0.2", labels: ["gpu": "yes", "zone": "a"]), []),
    ]

    @Test(arguments: rows) func aNodesChangeIsMembersAlone(_ event: ObjectEvent, _ members: [String]) {
        var scene = Scene(Self.cluster)
        scene(event)
        #expect(scene.members == members)
        #expect(scene.isMembersAlone, "no endpoint's rules differ")
    }

    @Test func aLocalRouteIsAMember() {
        var scene = Scene(Self.cluster)
        scene(local: [cidr("172.20.0.0/24")])
        #expect(scene.members == ["all nodes +172.20.0.0/24", "own node +172.20.0.0/24"])
        #expect(scene.isMembersAlone)
        // A pod inside it: the prefix would take the pod for the node.
        scene(pod("inside", ["app": "web"], "172.20.0.5"))
        #expect(scene.members == ["all nodes -172.20.0.0/24", "own node -172.20.0.0/24"])
        #expect(scene.change.endpoints.count == 1)
        scene(.removed(ObjectKey(kind: .pod, namespace: "shop", name: "inside")))
        #expect(scene.members == ["all nodes +172.20.0.0/24", "own node +172.20.0.0/24"])
    }

    /// Two rules that say the same share a set; it lives as long as one of them.
    @Test func equalSelectorsAreOneSet() {
        var scene = Scene(Self.cluster)
        scene(Self.guardrail("again", Self.gpu))
        #expect(scene.added.isEmpty)
        scene(.removed(ObjectKey(kind: .clusterNetworkPolicy, namespace: "", name: "gpu")))
        #expect(scene.change.removedPeerSets.isEmpty)
        scene(.removed(ObjectKey(kind: .clusterNetworkPolicy, namespace: "", name: "again")))
        #expect(scene.change.removedPeerSets.count == 1)
        scene(node("n3", "192.168.0.3", labels: ["gpu": "yes"]))
        #expect(scene.members == ["all nodes +192.168.0.3/32"])
    }

    @Test func aSetThatGoesReportsNoMembers() {
        var scene = Scene(Self.cluster)
        scene(
            .removed(ObjectKey(kind: .clusterNetworkPolicy, namespace: "", name: "gpu")),
            node("n3", "192.168.0.3", labels: ["gpu": "yes"]))
        #expect(scene.members == ["all nodes +192.168.0.3/32"])
        #expect(scene.change.removedPeerSets.count == 1)
    }

    // MARK: Pods

    @Test func podsJoinByGroup() {
        let isolation = policy("p", [.ingress], ingress: [rule([pods(["app": "api"])])])
        var scene = Scene(Self.cluster + [isolation])
        #expect(scene.added.contains("pods app=api in namespace shop"))
        #expect(scene.change.groups.isEmpty)
        scene(pod("api", ["app": "api"], "10.0.0.2"))
        #expect(scene.change.groups.count == 1 && scene.change.groups.values.allSatisfy { $0.count == 1 })
        let group = scene.change.groups.keys.first
        #expect(Set(scene.change.addresses) == [AddressGroup(address("10.0.0.2"), group)])
        scene(pod("api", ["app": "web"], "10.0.0.2"))
        #expect(scene.change.removedGroups == [group])
        #expect(scene.members.isEmpty)
    }
}
