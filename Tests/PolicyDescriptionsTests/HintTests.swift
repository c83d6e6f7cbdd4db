// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import KubernetesObjects
import NetworkTypes
import PolicyDescriptions
import PolicyModel
import PolicyPipeline
import Testing
import WorldKit

/// Why something selects nothing, and what was probably meant.
@Suite struct HintTests {
    private static let cluster = [
        namespace("shop", ["team": "alpha"]), namespace("web", ["team": "beta"]), namespace("empty", ["team": "gamma"]),
        pod(
            "wordpress-1", ["app": "wordpress", "tier": "front"], "10.0.0.1",
            ports: [NamedPort(name: "http", number: 80)]),
        pod("wordpress-2", ["app": "wordpress"], "10.0.0.2"), pod("wordpress-3", ["app": "wordpress"], "10.0.0.3"),
        pod("db", ["app": "db"], "10.0.0.4"), pod("web/proxy", ["app": "proxy", "role": "edge"], "10.0.1.3"),
        node("n1", "192.168.0.1", labels: ["zone": "a"]),
    ]

    struct Row: Sendable, CustomStringConvertible {
        var peer: NetworkPolicyPeer
        var hint: String
        var description: String { hint }
        init(_ peer: NetworkPolicyPeer, _ hint: String) {
            self.peer = peer
            self.hint = hint
        }
    }

    private static func anywhere(_ labels: [String: String]) -> NetworkPolicyPeer {
        .pods(namespaces: LabelSelector(), pods: .labels(labels))
    }

    @Test(arguments: [
        Row(
            pods(["app": "word-press"]),
            "label app=word-press selects no pod in namespace shop; did you mean app=wordpress, which 3 pods in shop have?"
        ),
        Row(
            pods(["app": "dbb"]),
            "label app=dbb selects no pod in namespace shop; did you mean app=db, which 1 pod in shop has?"),
        Row(
            pods(["app": "proxy"]),
            "label app=proxy selects no pod in namespace shop; 1 pod in namespace web has it, which only a "
                + "namespaceSelector selects"),
        Row(
            .pods(namespaces: .labels(["team": "beta"]), pods: .labels(["app": "db"])),
            "label app=db selects no pod in namespaces team=beta; 1 pod in namespace shop has it, which the "
                + "namespaceSelector does not select"),
        Row(
            pods(["ap": "wordpress"]),
            "label ap=wordpress selects no pod in namespace shop; did you mean app=wordpress?"),
        Row(pods(["teir": "x"]), "label teir=x selects no pod in namespace shop; did you mean the label tier?"),
        Row(
            pods(["app": "proxyy"]),
            "label app=proxyy selects no pod in namespace shop; did you mean app=proxy, which 1 pod in web has?"),
        Row(pods(["unlike": "anything"]), "label unlike=anything selects no pod in namespace shop"),
        Row(
            pods(["app": "db", "tier": "front"]),
            "each of its conditions holds for some pod in namespace shop, and no pod meets all of them"),
        Row(
            .pods(namespaces: nil, pods: LabelSelector("app", .doesNotExist)),
            "every pod in namespace shop has the label app"),
        Row(
            .pods(namespaces: .labels(["team": "beta"]), pods: LabelSelector("app", .notIn, "proxy")),
            "every pod in namespaces team=beta has the label app=proxy"),
        Row(
            .pods(namespaces: nil, pods: LabelSelector("apps", .exists)),
            "no pod in namespace shop has a label apps; did you mean app?"),
        Row(
            .pods(namespaces: .labels(["team": "bet"]), pods: nil),
            "no namespace has the label team=bet; did you mean team=beta, which namespace web has?"),
        Row(
            .pods(namespaces: .labels(["taem": "beta"]), pods: nil),
            "no namespace has the label taem=beta; did you mean the label team?"),
        Row(
            .pods(namespaces: .labels([Namespace.nameLabel: "wbe"]), pods: nil),
            "no namespace has the label kubernetes.io/metadata.name=wbe; did you mean "
                + "kubernetes.io/metadata.name=web, which namespace web has?"),
        Row(
            .pods(namespaces: .labels(["team": "beta", Namespace.nameLabel: "shop"]), pods: nil),
            "no namespace has all of the labels kubernetes.io/metadata.name=shop,team=beta"),
        Row(.pods(namespaces: .labels(["team": "gamma"]), pods: nil), "there are no pods in namespaces team=gamma"),
        Row(
            anywhere(["app": "prxy"]),
            "label app=prxy selects no pod in all namespaces; did you mean app=proxy, which 1 pod in web has?"),
    ])
    func podPeers(row: Row) {
        let event = policy("p", [.ingress], ingress: [rule([row.peer])])
        let answer = Self.unused(event)
        #expect(answer.peers.map(\.hint) == [row.hint])
        #expect(answer.peers.map { "\($0.rule)" } == ["shop/p ingress rule 1"])
        #expect(answer.selectNothing.isEmpty && answer.leftOut.isEmpty)
    }

    private static func unused(_ events: ObjectEvent..., namespace: String? = nil) -> UnusedAnswer {
        let pipeline = PolicyPipeline(cluster + events)
        var describer = PolicyDescriber(pipeline.cluster)
        var answer = UnusedAnswer(started: "")
        describer.addEmpty(to: &answer) { namespace == nil || $0.namespace == namespace }
        return answer
    }

    @Test func whatSelectsSomethingIsNotTold() {
        let answer = Self.unused(
            policy(
                "p", selects: ["app": "wordpress"], [.ingress, .egress],
                ingress: [rule([Self.anywhere(["app": "proxy"])], [port("http")])],
                egress: [rule([block("8.8.8.8/32")]), rule([pods(["tier": "front"])], [port("http")])]))
        #expect(answer == UnusedAnswer(started: ""))
    }

    @Test func subjects() {
        let answer = Self.unused(policy("p", selects: ["app": "dbx"], [.ingress]), policy("empty/q", [.egress]))
        #expect(answer.selectNothing.map(\.policy.name) == ["q", "p"])
        #expect(answer.selectNothing[0].hint == "there are no pods in namespace empty")
        #expect(answer.selectNothing[1].hint.hasSuffix("did you mean app=db, which 1 pod in shop has?"))
        let events = [policy("p", selects: ["app": "dbx"], [.ingress]), policy("empty/q", [.egress])]
        #expect(Self.unused(events[0], events[1], namespace: "empty").selectNothing.map(\.policy.name) == ["q"])
    }

    @Test func ports() {
        let ingress = Self.unused(
            policy("p", selects: ["app": "wordpress"], [.ingress], ingress: [rule([], [port("htpp"), port(80)])]))
        #expect(ingress.peers.map(\.peer) == ["port htpp"])
        #expect(
            ingress.peers.map(\.hint) == ["no pod that it selects has a port named htpp; did you mean http?"])
        let egress = Self.unused(
            policy("p", [.egress], egress: [rule([pods(["app": "wordpress"])], [port("http", .udp)])]))
        #expect(egress.peers.map(\.hint) == ["no pod among its peers has a port http of UDP; it is of TCP"])
        // A tier's port name is of any protocol: one of them is enough.
        let any = Self.unused(tier("t", egress: [rule(.accept, .pods(everyPod()), ports: [.named("http")])]))
        #expect(any.peers.isEmpty)
    }

    @Test func identitiesAndNodes() {
        let answer = Self.unused(
            authorization(
                "a", .allow, [allOf(from: [source(serviceAccounts: ["shop/defualt"]), source(namespaces: ["shopp"])])]),
            tier("t", egress: [rule(.deny, .nodes(.labels(["zone": "b"])))]))
        #expect(
            answer.peers.map(\.hint) == [
                "no node has the label zone=b; did you mean zone=a, which node n1 has?",
                "no pod there has the service account defualt; did you mean default?",
                "there are no pods in namespace shopp; did you mean shop?",
            ])
    }

    @Test func listsAreBounded() {
        let many = (0..<130).map { policy("p\($0 + 100)", [.ingress], ingress: [rule([pods(["app": "x"])])]) }
        let pipeline = PolicyPipeline(Self.cluster + many)
        var describer = PolicyDescriber(pipeline.cluster)
        var answer = UnusedAnswer(started: "")
        describer.addEmpty(to: &answer) { _ in true }
        #expect(answer.peers.count == PolicyDescriber.unusedLimit && answer.leftOut == ["peers": 30])
        #expect(answer.peers[0].rule.policy?.name == "p100")
    }
}
