// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import PolicyModel
import RequestDecider
import RequestPolicy
import SPOP
import Testing

@Suite struct RequestDeciderTests {
    typealias Shop = DeciderShop
    struct Row: Sendable, CustomTestStringConvertible {
        var says: String
        var message: SPOPMessage
        var verdict: String
        var testDescription: String { says }
        init(_ says: String, _ message: SPOPMessage, _ verdict: String) {
            (self.says, self.message, self.verdict) = (says, message, verdict)
        }
    }

    @Test(arguments: flows + requests + hosts)
    func answers(row: Row) {
        let decider = AskedDecider()
        decider.take(Shop.policy)
        let answer = decider.answer(row.message)
        #expect(answer.verdict == row.verdict)
        #expect(answer.variables.map(\.scope) == [row.message.name == "flow" ? .session : .transaction])
        // Twice: what is kept of a flow answers in the same way.
        #expect(decider.verdict(row.message) == row.verdict)
    }

    private static let flows: [Row] = [
        Row("requests decide", Shop.message("flow"), "ask"),
        Row("for all sources", Shop.message("flow", from: Shop.stranger), "ask"),
        Row("in IPv6", Shop.message("flow", from: Shop.client6, to: Shop.api6), "ask"),
        Row("no request is read", Shop.message("flow", port: 81), "pass"),
        Row("denied for all requests", Shop.message("flow", from: Shop.stranger, port: 81), "deny"),
        Row("a port that no rule names", Shop.message("flow", port: 90), "deny"),
        Row("an unknown destination", Shop.message("flow", to: Shop.stranger), "deny"),
        Row("to itself", Shop.message("flow", from: Shop.api), "pass"),
        Row("to itself by the other family", Shop.message("flow", from: Shop.api6), "pass"),
    ]

    private static let requests: [Row] = [
        Row("allowed without headers", Shop.message(from: Shop.client, method: "POST"), "headers"),
        Row("allowed", Shop.headers([("host", "api")]), "allow"),
        Row("another method", Shop.headers([], method: "PUT"), "deny"),
        Row("another source", Shop.headers([], from: Shop.stranger), "deny"),
        Row("a header", Shop.headers([("x-token", "ab")], from: Shop.stranger, method: "GET"), "allow"),
        Row("by its name in any case", Shop.headers([("X-Token", "ab")], from: Shop.stranger, method: "GET"), "allow"),
        Row(
            "all its values count",
            Shop.headers([("x-token", "b"), ("x-token", "a")], from: Shop.stranger, method: "GET"),
            "deny"),
        Row("DENY first", Shop.headers([], target: "/admin/x?a=/b"), "deny"),
        Row("an ambiguous path", Shop.headers([], target: "/a%2fb"), "refuse"),
        Row("two readings with two answers", Shop.headers([], target: "/x/../admin"), "refuse"),
        Row("two readings with one answer", Shop.headers([], target: "/admin/../admin/x"), "deny"),
        Row("an absolute target", Shop.headers([("host", "api")], target: "http://api/admin"), "deny"),
        Row("OPTIONS *", Shop.headers([], method: "OPTIONS", target: "*"), "refuse"),
        Row("no request is read", Shop.message(port: 81, method: "PUT", target: "//"), "allow"),
        Row("nor of a denied flow", Shop.message(from: Shop.stranger, port: 81, target: "//"), "deny"),
        Row("to itself", Shop.message(from: Shop.api), "allow"),
        Row("removed since", Shop.message(to: Shop.stranger), "allow"),
    ]

    private static let hosts: [Row] = [
        Row("a host", Shop.message(port: 82, host: "API.Shop"), "allow"),
        Row("with a port", Shop.message(port: 82, host: "api.shop:82"), "deny"),
        Row("none", Shop.message(port: 82, host: nil), "deny"),
        Row("in the target", Shop.message(port: 82, target: "http://api.shop/", host: nil), "allow"),
        Row("in both", Shop.message(port: 82, target: "http://api.shop/", host: "API.shop"), "allow"),
        Row("two hosts", Shop.message(port: 82, target: "http://api.shop/", host: "other"), "refuse"),
        Row("two hosts, the other way", Shop.message(port: 82, target: "http://other/", host: "api.shop"), "refuse"),
        Row("a user before it", Shop.message(port: 82, target: "http://x@api.shop/", host: "api.shop"), "refuse"),
        Row(
            "two hosts and no rule", Shop.message(from: Shop.client, port: 81, target: "http://a/", host: "b"), "refuse"
        ),
        Row("CONNECT", Shop.message(port: 82, method: "CONNECT", target: "api.shop:1", host: "b"), "refuse"),
        Row("among the headers", Shop.headers([("Host", "api.shop")], port: 82), "allow"),
        Row("twice among the headers", Shop.headers([("host", "api.shop"), ("host", "b")], port: 82), "refuse"),
    ]

    @Test func nothingIsAllowedWithoutAPolicy() {
        let decider = AskedDecider()
        #expect(decider.verdict(Shop.message("flow")) == "deny")
        #expect(decider.verdict(Shop.message()) == "unknown")
        #expect(decider.verdict(Shop.headers([])) == "unknown")
        #expect(!decider.passes(Shop.client, Shop.api, 81))
        #expect(decider.told()?.refused == ["no policy is known yet": 3])
    }

    @Test func whatAnEarlierRunKnewAllowsNothingUnknown() {
        let decider = AskedDecider(Shop.policy)
        #expect(decider.verdict(Shop.headers([])) == "allow")
        #expect(decider.verdict(Shop.message(to: Shop.stranger)) == "unknown")
        decider.take(Shop.policy)
        #expect(decider.verdict(Shop.message(to: Shop.stranger)) == "allow")
        #expect(
            decider.told()?.refused == ["no policy is known of the destination": 1])
    }

    @Test func aNewPolicyDecidesTheNextRequest() {
        let decider = AskedDecider(Shop.policy)
        #expect(decider.verdict(Shop.headers([], method: "PUT")) == "deny")
        #expect(decider.passes(Shop.client, Shop.api, 81))
        var policy = Shop.policy
        policy.generation += 1
        policy.programs[1]?.rules.insert(Shop.rule(1, port: 80, (.method, "PUT")), at: 0)
        policy.programs[1]?.rules.removeAll { $0.ports == [PortRange(81)] }
        decider.take(policy)
        #expect(decider.verdict(Shop.headers([], method: "PUT")) == "allow")
        #expect(!decider.passes(Shop.client, Shop.api, 81))
        #expect(decider.passes(Shop.client, Shop.stranger, 81), "no rule is about it any more")
        #expect(decider.policy?.generation == 8)
        decider.take(RequestPolicy())
        #expect(decider.verdict(Shop.headers([], method: "DELETE")) == "allow")
        #expect(decider.verdict(Shop.message("flow")) == "deny")
    }

    @Test func recordsNameTheRule() throws {
        let decider = AskedDecider(Shop.policy)
        let denied = try #require(decider.record(Shop.headers([("host", "h")], target: "/admin?secret")))
        var expected = RequestCounts.Denied(
            time: "now", source: "10.0.0.1", sourcePort: 40_000, destination: "10.0.0.2", port: 80, pod: "shop/api",
            method: "POST", host: "h", path: "/admin", verdict: .deny)
        (expected.policy, expected.rule) = (.init(namespace: "shop", name: "viewer"), 0)
        #expect(denied == expected)
        let isolated = try #require(decider.record(Shop.headers([], method: "PUT")))
        #expect(isolated.policy?.name == "viewer" && isolated.rule == nil && isolated.reason == nil)
        let refused = try #require(decider.record(Shop.headers([], target: "/a;b")))
        #expect(refused.verdict == .refuse && refused.reason == "the path has parameters (;)" && refused.policy == nil)
        let flow = try #require(decider.record(Shop.message("flow", from: Shop.stranger, port: 81)))
        #expect(flow.verdict == .deny && flow.method == "" && flow.path == "")
        #expect(decider.record(Shop.headers([])) == nil && decider.record(Shop.message()) == nil)
        let trial = try #require(decider.record(Shop.message(port: 82, method: "PUT", host: "api.shop")))
        #expect(trial.verdict == .wouldDeny && trial.policy?.name == "trial" && trial.rule == 0)
        let talkative = AskedDecider(Shop.policy, recordsAllowed: true)
        let allowed = try #require(talkative.record(Shop.headers([])))
        #expect(allowed.verdict == .allow && allowed.rule == 1)
        #expect(talkative.told()?.denied == [], "only the log has it")
    }

    /// A rule behind one that reads nothing matters to no request.
    @Test func rulesThatCannotDecideRefuseNothing() {
        var policy = Shop.policy
        policy.programs[1] = RequestProgram(rules: [
            Shop.rule(0, port: 80), Shop.rule(1, .deny, port: 80, (.path, "/admin"), (.header("x"), "a")),
            Shop.isolation,
        ])
        let decider = AskedDecider(policy)
        #expect(decider.verdict(Shop.message("flow")) == "pass")
        #expect(decider.verdict(Shop.message(target: "/a%2fb")) == "allow")
    }
}
