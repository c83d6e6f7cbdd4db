// SPDX-License-Identifier: Apache-2.0
import PolicyModel
import Requests
import Testing

@Suite struct RequestRulesTests {
    private func match(_ field: RequestCondition.Field, _ values: [String], not: Bool = false) -> RequestMatch {
        RequestMatch(conditions: [
            RequestCondition(field, values.map { .text(TextMatch(written: $0)) }, isExcluded: not)
        ])
    }

    @Test(arguments: [
        (RequestCondition.Field.method, ["GET"], "GET", true), (.method, ["get"], "GET", false),
        (.method, ["*"], "GET", true), (.method, ["P*", "*T"], "GET", true), (.method, ["P*"], "GET", false),
    ])
    func textsAreCompared(field: RequestCondition.Field, values: [String], method: String, matches: Bool) {
        #expect(match(field, values).matches(HTTPRequest(method: method)) == matches)
        #expect(match(field, values, not: true).matches(HTTPRequest(method: method)) != matches)
    }

    @Test func aMissingHeaderMatchesNegationsAlone() {
        let request = HTTPRequest(method: "GET", host: "Shop.Example", headers: ["x-a": "1,2"])
        #expect(match(.header("x-a"), ["1,2"]).matches(request))
        #expect(!match(.header("x-b"), ["*"]).matches(request))
        #expect(match(.header("x-b"), ["*"], not: true).matches(request))
        #expect(match(.host, ["shop.example"]).matches(request))
    }

    @Test(arguments: [
        ([PathSegment.literal("a"), .one], "/a/b", true), ([.literal("a"), .one], "/a/", false),
        ([.literal("a"), .one], "/a/b/c", false), ([.literal("a"), .any], "/a/b/c", true),
        ([.literal("a"), .any], "/a/", true), ([.literal("a"), .any], "/a", false),
        ([.literal("a"), .any, .literal("z")], "/a/b/c/z", true),
        ([.literal("a"), .any, .literal("z")], "/a/z", false),
        ([.one, .literal("b"), .any], "/a/b/c", true), ([.one], "a", false),
    ])
    func templatesMatchSegments(template: [PathSegment], path: String, matches: Bool) {
        let condition = RequestMatch(conditions: [RequestCondition(.path, [.template(template)])])
        #expect(condition.matches(HTTPRequest(method: "GET", path: path)) == matches)
    }

    @Test func aPathWithTwoAnswersIsRefused() {
        let rules = RequestRules([
            .init(action: .deny, request: match(.path, ["/admin*"])), .init(action: .allow),
        ])
        func answer(_ path: String) -> RequestAnswer { rules.answer(HTTPRequest(method: "GET", path: path)) }
        #expect(answer("/ok") == .allow(rule: 1))
        #expect(answer("/admin") == .deny(rule: 0))
        #expect(answer("/x/../admin") == .refuse(.pathWithTwoAnswers))
        #expect(answer("/%61dmin") == .refuse(.pathWithTwoAnswers))
        #expect(answer("/x/../ok") == .allow(rule: 1))
        #expect(answer("/x//y") == .refuse(.emptySegment))
        // Where no rule reads paths, they do not matter.
        #expect(RequestRules([]).answer(HTTPRequest(method: "GET", path: "//")) == .allow(rule: nil))
    }

    /// In CONNECT's channel nothing reads requests.
    @Test func connectIsRefusedWhereRequestsAreRead() {
        let connect = HTTPRequest(method: "CONNECT", host: "shop:80", path: "shop:80")
        let reading = RequestRules.Rule(action: .deny, request: match(.method, ["DELETE"]))
        #expect(RequestRules([reading]).answer(connect) == .refuse(.tunnel))
        #expect(RequestRules([.init(action: .deny)]).answer(connect) == .deny(rule: 0))
        // All requests of such a flow are allowed, so none is read.
        #expect(RequestRules([.init(action: .allow), reading]).answer(connect) == .allow(rule: 0))
        #expect(RequestRules([]).answer(connect) == .allow(rule: nil))
    }

    @Test(arguments: [
        ("shop.example", true), ("shop.example:8080", true), ("[fd00::1]:80", true), ("10.0.0.1", true), ("", true),
        ("a_b~c-d", true), ("evil\0.shop.example", false), ("evil/.shop.example", false), ("evil, shop.example", false),
        ("evil@shop.example", false), ("evil shop.example", false), ("%65vil.shop.example", false),
        ("\u{FFFD}.shop.example", false), ("evil?.shop.example", false), ("evil\t.shop.example", false),
    ])
    func aHostIsANameOrAnAddress(host: String, isPlain: Bool) {
        let request = HTTPRequest(method: "GET", host: host)
        let answer = RequestRules([.init(action: .deny, request: match(.host, ["*.shop.example"]))]).answer(request)
        #expect((answer == .refuse(.malformedHost)) == !isPlain)
        let methods = RequestRules([.init(action: .deny, request: match(.method, ["POST"]))])
        #expect(methods.answer(request) == .allow(rule: nil))
    }

    @Test func aHeaderThatARuleReadsHasNoNullByte() {
        let rules = RequestRules([.init(action: .deny, request: match(.header("x-a"), ["*evil"]))])
        func answer(_ headers: [String: String]) -> RequestAnswer {
            rules.answer(HTTPRequest(method: "GET", headers: headers))
        }
        #expect(answer(["x-a": "evil\0"]) == .refuse(.nullByte))
        #expect(answer(["x-b": "evil\0"]) == .allow(rule: nil))
        #expect(answer(["x-a": "evil"]) == .deny(rule: 0))
    }
}
