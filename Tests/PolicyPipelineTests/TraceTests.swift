// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Explanations
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyPipeline
import Testing
import WorldKit

/// What was tried on the way to a verdict, for each kind of condition and each way in which a tier ends.
@Suite struct TraceTests {
    private static let cluster = [
        namespace("shop", ["team": "red"]), namespace("other", ["team": "blue"]),
        pod("web", ["app": "web", "tier": "web"], "10.0.0.1"), pod("api", ["app": "api"], "10.0.0.2"),
        pod("other/far", ["app": "web"], "10.0.1.1", node: "n2"), node("n1", "192.168.0.1"),
        node("n2", "192.168.0.2", labels: ["rack": "2"]),
    ]

    private static func ingress(
        _ from: String, _ policies: [ObjectEvent]
    ) -> DirectionTrace? {
        PolicyPipeline(cluster + policies).trace(
            Flow(source: address(from), destination: address("10.0.0.2"), ipProtocol: .tcp, destinationPort: 6379)
        ).ingress
    }

    private static func allow(_ rules: NetworkPolicyRule...) -> [ObjectEvent] {
        [policy("api", selects: ["app": "api"], [.ingress], ingress: rules)]
    }

    /// The peer of the rule, who asks, and what the peer lacks.
    private static let lacks: [(NetworkPolicyPeer, String, String)] = [
        (pods(["tier": "backend"]), "10.0.0.1", "label tier=web, not backend"),
        (pods(["role": "db"]), "10.0.0.1", "no label role, which must be db"),
        (pods(["tier": "backend"]), "10.0.1.1", "namespace other, not shop, and no label tier, which must be backend"),
        (
            .pods(namespaces: nil, pods: LabelSelector("tier", .in, "a", "b")), "10.0.0.1", "label tier=web, not a or b"
        ),
        (
            .pods(namespaces: nil, pods: LabelSelector("tier", .notIn, "web")), "10.0.0.1",
            "label tier=web, which is excluded"
        ),
        (.pods(namespaces: nil, pods: LabelSelector("role", .exists)), "10.0.0.1", "no label role"),
        (
            .pods(namespaces: nil, pods: LabelSelector("tier", .doesNotExist)), "10.0.0.1",
            "label tier=web, which must be missing"
        ),
        (
            .pods(namespaces: .labels(["team": "red"]), pods: nil), "10.0.1.1",
            "namespace label team=blue, not red"
        ),
        (pods(["app": "web"]), "10.9.9.9", "10.9.9.9 is not the address of a pod with a network of its own"),
        (
            block("10.0.0.0/24", except: "10.0.0.1/32"), "10.0.0.1",
            "address 10.0.0.1, not 10.0.0.0/24 except 10.0.0.1/32"
        ),
    ]

    @Test(arguments: lacks)
    func whatThePeerLacks(_ row: (NetworkPolicyPeer, String, String)) throws {
        let trace = try #require(Self.ingress(row.1, Self.allow(rule([row.0], [port(6379)]))))
        let tier = try #require(trace.tiers.last)
        #expect(tier.outcome == .isolate(trace.decision.identity) && trace.verdict == .deny)
        let step = try #require(tier.rules.first)
        #expect(!step.meetsPeer && step.meetsPort && !step.matches)
        #expect(
            step.text(for: trace.flow) == "port 6379/TCP of shop/api rule 1 matches, the peer does not: \(row.2)")
    }

    @Test func portsAndBoth() throws {
        let rules = Self.allow(
            rule([pods(["app": "web"])], [port(80), port(443)]), rule([pods(["app": "db"])], [port(5432)]),
            rule([pods(["app": "web"])], [port(6379)]), rule([], []))
        let trace = try #require(Self.ingress("10.0.0.1", rules))
        let tier = try #require(trace.tiers.last)
        #expect(
            tier.rules.map { $0.text(for: trace.flow) } == [
                "the peer of shop/api rule 1 matches, port 6379/TCP does not: 80/TCP, 443/TCP",
                "neither the peer nor port 6379/TCP of shop/api rule 2 matches: label app=web, not db; 5432/TCP",
                "shop/api rule 3 matches: allow",
            ])
        #expect(tier.text == "shop/api rule 3 allows" && tier.restText == "1 rule was not tried")
        #expect(trace.decidedBy == trace.decision.identity && trace.verdict == .allow)
    }

    /// Of several peers the nearest comes first.
    @Test func theNearestPeerComesFirst() throws {
        let trace = try #require(
            Self.ingress("10.0.0.1", Self.allow(rule([pods(["app": "x", "tier": "y"]), pods(["app": "db"])]))))
        let step = try #require(trace.tiers.last?.rules.first)
        #expect(step.misses.map(\.unmet.count) == [1, 2])
        #expect(step.misses.first?.text == "label app=web, not db")
    }

    @Test func tiersInOrder() throws {
        let pass = tier("pass", ingress: [rule(.pass, .pods(everyPod(["app": "web"])), name: "trust")])
        let baseline = tier("base", .baseline, 0, ingress: [rule(.deny, network("0.0.0.0/0"))])
        let isolated = try #require(Self.ingress("10.0.0.1", [pass, baseline] + Self.allow()))
        #expect(isolated.tiers.map(\.tier) == [.admin, .networkPolicy, .baseline])
        #expect(isolated.tiers[0].text == "pass rule 1 (trust) passes the flow to the next tier")
        #expect(isolated.tiers[1].text == "no rule allows, so it is denied by default (shop/api)")
        #expect(isolated.tiers[2].outcome == .notReached && isolated.tiers[2].notTried == 1)
        let open = try #require(Self.ingress("10.0.0.1", [pass, baseline]))
        #expect(open.tiers.map(\.tier) == [.admin, .baseline])
        #expect(open.tiers[1].text == "base rule 1 denies" && open.verdict == .deny)
        let other = try #require(Self.ingress("10.9.9.9", [pass]))
        #expect(other.tiers.map(\.text) == ["no rule matches: the next tier decides"])
        #expect(other.verdict == .allow && other.decidedBy == nil)
        #expect(try #require(Self.ingress("10.9.9.9", [])).tiers.isEmpty)
    }

    @Test func theOwnNodeAndFailsafes() throws {
        let trace = try #require(Self.ingress("192.168.0.1", Self.allow()))
        #expect(
            trace.tiers.map(\.text) == ["the rule for the own node allows", "not reached: an earlier tier has decided"])
    }

    @Test func authorizationIsAVerdictOfItsOwn() throws {
        let writer = authorization(
            "writer", selects: ["app": "api"],
            [allOf(from: [source(principals: ["cluster.local/ns/shop/sa/writer"])], to: [operation(ports: [6379])])])
        let denied = try #require(Self.ingress("10.0.0.1", [writer]))
        let tier = try #require(denied.tiers.last)
        #expect(tier.tier == .authorization && tier.outcome == .isolate(denied.decision.identity))
        #expect(
            tier.rules.map { $0.text(for: denied.flow) } == [
                "port 6379/TCP of shop/writer rule 1 matches, the peer does not: service account default, not writer"
            ])
        let reader = authorization("reader", selects: ["app": "api"], [allOf(to: [operation(methods: ["GET"])])])
        let depends = try #require(Self.ingress("10.0.0.1", [reader]))
        #expect(depends.tiers.last?.outcome == .handOver(depends.decision.identity))
        #expect(depends.verdict == .dependsOnRequest)
        let stopped = try #require(Self.ingress("10.0.0.1", [reader] + Self.allow()))
        #expect(stopped.tiers.last?.outcome == .notReached && stopped.decidedBy == stopped.decision.identity)
    }

    /// Policies in audit have steps of their own.
    @Test func audit() throws {
        let audited = tier(
            "watch", ingress: [rule(.deny, .pods(everyPod(["app": "web"])))], enforcement: .audit)
        let trace = try #require(Self.ingress("10.0.0.1", [audited]))
        #expect(trace.verdict == .allow && trace.tiers.allSatisfy { $0.outcome.verdict == nil })
        #expect(trace.audit.map(\.text) == ["watch rule 1 denies"])
        #expect(try #require(Self.ingress("10.9.9.9", [audited])).audit.isEmpty)
    }

    /// A pod with a thousand rules gets a short answer: near misses first, and the number of all others.
    @Test func manyRulesAreCounted() throws {
        let rules = (0..<1000).map { number in
            number == 700
                ? rule([pods(["app": "db"])], [port(6379)])
                : rule([pods(["app": "db", "n": "\(number)"])], [port(UInt16(10_000 + number))])
        }
        let events = [policy("api", selects: ["app": "api"], [.ingress], ingress: rules)]
        let trace = try #require(Self.ingress("10.0.0.1", events))
        let tier = try #require(trace.tiers.last)
        #expect(tier.rules.count == TierTrace.missLimit && tier.leftOut == 1000 - TierTrace.missLimit)
        #expect(tier.rules.count { $0.meetsPort } == 1)
        #expect(tier.restText == "988 more rules do not match")
    }
}
