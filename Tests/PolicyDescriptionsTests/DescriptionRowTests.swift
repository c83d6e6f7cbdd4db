// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import KubernetesObjects
import NetworkTypes
import PolicyDescriptions
import PolicyModel
import PolicyPipeline
import Testing
import WorldKit

/// Each kind of peer, port, tier and policy in words, with what it selects.
@Suite struct DescriptionRowTests {
    private static let http = NamedPort(name: "http", number: 8080)
    static let cluster = [
        namespace("shop", ["team": "a"]), namespace("web", ["team": "b"]),
        pod("redis", ["app": "redis"], "10.0.0.1", ports: [http]),
        pod("front-1", ["app": "front"], "10.0.0.2"),
        pod("front-2", ["app": "front"], "10.0.1.2", node: "n2", ports: [NamedPort(name: "http", number: 9090)]),
        pod("web/proxy", ["app": "proxy"], "10.0.1.3", node: "n2"),
        node("n1", "192.168.0.1", labels: ["zone": "a"]), node("n2", "192.168.0.2", labels: ["zone": "b"]),
    ]

    static func description(_ events: ObjectEvent..., policy name: String) throws -> PolicyDescription {
        let pipeline = PolicyPipeline(cluster + events)
        var describer = PolicyDescriber(pipeline.cluster)
        let found = try #require(describer.policies(kind: nil, namespace: nil, name: name).first)
        let description = describer.describe(found)
        return try #require(description)
    }

    static func description(_ events: ObjectEvent..., pod name: String) throws -> PodDescription {
        let pipeline = PolicyPipeline(cluster + events)
        var describer = PolicyDescriber(pipeline.cluster)
        let description = describer.describe(pod: EndpointName(namespace: "shop", name: name))
        return try #require(description)
    }

    struct PeerRow: Sendable, CustomStringConvertible {
        var peer: NetworkPolicyPeer
        var text: String
        var count: Int?
        var names: [String] = []
        var description: String { text }
    }

    @Test(arguments: [
        PeerRow(
            peer: pods(["app": "front"]), text: "pods app=front in namespace shop", count: 2,
            names: ["shop/front-1", "shop/front-2"]),
        PeerRow(
            peer: .pods(namespaces: .labels(["team": "b"]), pods: nil), text: "all pods in namespaces team=b", count: 1,
            names: ["web/proxy"]),
        PeerRow(
            peer: .pods(namespaces: LabelSelector(), pods: LabelSelector("app", .in, "proxy", "redis")),
            text: "pods app in (proxy, redis) in all namespaces", count: 2, names: ["shop/redis", "web/proxy"]),
        PeerRow(
            peer: .pods(namespaces: nil, pods: LabelSelector("app", .notIn, "front")),
            text: "pods app!=front in namespace shop", count: 1, names: ["shop/redis"]),
        PeerRow(
            peer: .pods(namespaces: nil, pods: LabelSelector("tier", .doesNotExist)),
            text: "pods !tier in namespace shop", count: 3, names: ["shop/front-1", "shop/front-2", "shop/redis"]),
        PeerRow(peer: block("10.0.0.0/8", except: "10.1.0.0/16"), text: "10.0.0.0/8 except 10.1.0.0/16", count: nil),
    ])
    func peers(row: PeerRow) throws {
        let event = policy("p", selects: ["app": "redis"], [.ingress], ingress: [rule([row.peer], [port(6379)])])
        let description = try Self.description(event, policy: "p")
        let peer = try #require(description.ingress.first?.peers?.first)
        #expect(peer.text == row.text && peer.hint == nil)
        #expect(peer.pods == row.count.map { PodsAnswer(count: $0, names: row.names) })
        #expect(description.ingress[0].ports == [PortDescription(ports: ["6379/TCP"])])
        #expect(description.selects == PodsAnswer(count: 1, names: ["shop/redis"]))
        #expect(description.isolates == ["ingress"] && description.egress.isEmpty)
    }

    @Test func emptyListsMeanAll() throws {
        let description = try Self.description(policy("p", [.egress], egress: [rule()]), policy: "p")
        #expect(description.egress[0].peers == nil && description.egress[0].ports == nil)
        #expect(description.subject == "all pods in namespace shop" && description.selects.count == 3)
    }

    @Test func portsByNumberAndName() throws {
        let ports = [port(80, through: 90, .udp), port("http"), NetworkPolicyPort(ipProtocol: .sctp)]
        let ingress = try Self.description(
            policy("p", selects: ["app": "redis"], [.ingress], ingress: [rule([], ports)]), policy: "p")
        let numbers = ["80-90/UDP", "every SCTP port"].map { PortDescription(ports: [$0]) }
        #expect(ingress.ingress[0].ports == numbers + [PortDescription(name: "http", ports: ["8080/TCP"])])
        // On egress the names are those of the peers.
        let egress = try Self.description(
            policy("p", selects: ["app": "redis"], [.egress], egress: [rule([pods(["app": "front"])], [port("http")])]),
            policy: "p")
        #expect(egress.egress[0].ports == [PortDescription(name: "http", ports: ["9090/TCP"])])
        let blocks = try Self.description(
            policy("p", [.egress], egress: [rule([block("10.0.0.0/24")], [port("http")])]), policy: "p")
        #expect(blocks.egress[0].ports == [PortDescription(name: "http", ports: ["8080/TCP"])])
    }

    @Test func tiersInOrder() throws {
        let pod = try Self.description(
            tier("late", .admin, 20, ingress: [rule(.deny, .pods(everyPod(in: ["team": "b"])), name: "no-b")]),
            tier("early", .admin, 10, ingress: [rule(.accept, network("10.9.0.0/16"))]),
            tier("base", .baseline, ingress: [rule(.deny, .pods(everyPod()))], enforcement: .audit),
            policy("own", selects: ["app": "redis"], [.ingress]), policy("all", [.egress]), pod: "redis")
        #expect(pod.ingress.layers.map(\.tier) == ["Admin", "NetworkPolicy", "Baseline"])
        #expect(pod.ingress.layers[0].policies.map(\.policy.name) == ["early", "late"])
        #expect(pod.ingress.layers[0].policies[1].ingress[0].name == "no-b")
        #expect(pod.ingress.layers[0].policies[1].ingress[0].action == "deny")
        #expect(pod.ingress.layers[1].isolatedBy.map(\.name) == ["own"] && pod.ingress.otherwise == "deny")
        #expect(pod.ingress.layers[2].policies[0].enforcement == "audit")
        #expect(pod.egress.layers.map(\.tier) == ["NetworkPolicy"] && pod.egress.otherwise == "deny")
        #expect(pod.egress.layers[0].policies.map(\.policy.name) == ["all"])
        let nodes = try Self.description(
            tier("n", egress: [rule(.deny, .nodes(.labels(["zone": "b"])))]), policy: "n")
        #expect(nodes.egress[0].peers?[0].text == "nodes zone=b")
        #expect(nodes.egress[0].peers?[0].addresses == ["192.168.0.2/32"])
    }

    @Test func authorizationInOrder() throws {
        let accounts = authorization(
            "allow", .allow,
            [
                allOf(
                    from: [source(principals: ["cluster.local/ns/shop/sa/default"], notIpBlocks: ["10.9.0.0/16"])],
                    to: [operation(ports: [80], methods: ["GET"], paths: ["/a*"])])
            ])
        let pod = try Self.description(
            accounts, authorization("deny", .deny, [allOf(from: [source(namespaces: ["web"])])]),
            authorization("report", .audit, [allOf()]), pod: "redis")
        let layer = try #require(pod.ingress.layers.first)
        #expect(layer.tier == "Authorization" && layer.isolatedBy.map(\.name) == ["allow"])
        #expect(layer.policies.map(\.policy.name) == ["deny", "allow", "report"], "those that deny first")
        #expect(layer.policies[0].ingress[0].conditions?[0].peers[0].pods?.names == ["web/proxy"])
        #expect(layer.policies[0].ingress[0].ports == [PortDescription(ports: ["every TCP port"])])
        let rule = layer.policies[1].ingress[0]
        #expect(rule.request == "method GET; path /a*" && rule.ports == [PortDescription(ports: ["80/TCP"])])
        #expect(rule.conditions?.map(\.excluded) == [false, true])
        #expect(rule.conditions?[0].peers[0].pods?.count == 3)
        #expect(rule.conditions?[1].peers[0].cidr == "10.9.0.0/16")
        #expect(layer.policies[2].report == true && layer.policies[2].ingress[0].action == "report")
        #expect(pod.ingress.otherwise == "allow", "authorization is not a default")
    }

    @Test func factsOfPods() throws {
        let redis = try Self.description(pod: "redis")
        #expect(redis.node == "n1" && redis.addresses == ["10.0.0.1"] && redis.labels == ["app": "redis"])
        #expect(redis.namedPorts == ["http 8080/TCP"] && redis.serviceAccount == "default" && redis.notes.isEmpty)
        #expect(redis.ingress == DirectionDescription() && redis.createdAt == nil)
        let far = try Self.description(policy("p", [.ingress]), pod: "front-2")
        #expect(far.node == nil && far.ingress.layers.count == 1, "policy of other nodes' pods is known as well")
        let host = try Self.description(
            WorldKit.pod("host", [:], "192.168.0.1", hostNetwork: true, createdAt: 86_400), pod: "host")
        #expect(host.notes == ["it has the node's network: no policy selects it, and as a peer it is its node"])
        #expect(host.createdAt == "1970-01-02T00:00:00.000Z")
        let done = try Self.description(WorldKit.pod("done", [:], "10.0.0.8", phase: .succeeded), pod: "done")
        #expect(done.addresses.isEmpty && done.notes == ["it has finished: its addresses are no longer its own"])
        let new = try Self.description(WorldKit.pod("new"), pod: "new")
        #expect(new.notes == ["it has no address yet: policy holds for it once it has one"])
        let robbed = try Self.description(
            WorldKit.pod("young", [:], "10.0.0.1", createdAt: 9), pod: "redis")
        #expect(robbed.notes == ["10.0.0.1 belongs to pod shop/young, which claims it too"])
    }

    @Test func namesAreBounded() throws {
        let many = (0..<40).map { number -> ObjectEvent in
            pod("many-\(number + 10)", ["app": "many"], "10.0.2.\(number)")
        }
        let pipeline = PolicyPipeline(Self.cluster + many + [policy("p", selects: ["app": "many"], [.ingress])])
        var describer = PolicyDescriber(pipeline.cluster)
        let description = describer.describe(
            PolicyReference(kind: "NetworkPolicy", namespace: "shop", name: "p"))
        #expect(description?.selects.count == 40)
        #expect(description?.selects.names == (10..<20).map { "shop/many-\($0)" })
    }

    @Test func policiesByName() {
        let pipeline = PolicyPipeline(
            Self.cluster + [policy("p", [.ingress]), policy("web/p", [.ingress]), tier("p", egress: [])])
        let describer = PolicyDescriber(pipeline.cluster)
        func found(_ text: String) -> [String] {
            guard let asked = PolicyQuestion(text) else { return ["wrong"] }
            return describer.policies(kind: asked.kind, namespace: asked.namespace, name: asked.name).map(\.description)
        }
        #expect(found("p") == ["p", "shop/p", "web/p"] && found("shop/p") == ["shop/p"])
        #expect(found("netpol/p") == ["shop/p", "web/p"] && found("networkpolicies/web/p") == ["web/p"])
        #expect(found("ClusterNetworkPolicy/p") == ["p"] && found("q").isEmpty)
        #expect(["", "a/", "/a", "a/b/c", "netpol/a/b/c"].allSatisfy { found($0) == ["wrong"] })
    }
}

extension PolicyPipeline {
    init(_ events: [ObjectEvent]) {
        self.init(nodeName: "n1")
        _ = apply(events)
    }
}
