// SPDX-License-Identifier: Apache-2.0
import PolicyModel
import RequestDecider
import RequestPolicy
import Testing

@Suite struct RequestCountersTests {
    typealias Shop = DeciderShop

    private func count(_ rule: Int?, _ verdict: RequestCounts.Verdict, _ requests: UInt64) -> RequestCounts.Count {
        .init(policy: .init(namespace: "shop", name: "viewer"), rule: rule, verdict: verdict, requests: requests)
    }

    /// The lines of one metric with the value, sorted.
    private func lines(_ counters: RequestCounters, _ name: String) -> [String] {
        (counters.families.first { $0.name == name }?.samples ?? []).map { sample in
            let labels = sample.labels.map { "\($0.name)=\($0.value)" }.joined(separator: " ")
            if case .integer(let number) = sample.value { return "\(labels) \(number)" }
            return labels
        }
    }

    @Test func requestsAreCountedByRuleOnce() throws {
        let decider = AskedDecider(Shop.policy)
        for _ in 0..<3 { _ = decider.verdict(Shop.headers([])) }
        _ = decider.verdict(Shop.headers([], method: "PUT"))
        _ = decider.verdict(Shop.headers([], target: "//"))
        _ = decider.verdict(Shop.message(port: 82, method: "PUT", host: "api.shop"))
        // Not decided: the next question is.
        _ = decider.verdict(Shop.message())
        _ = decider.verdict(Shop.message("flow", port: 81))
        let told = try #require(decider.told())
        let trial = RequestCounts.Count(
            policy: .init(namespace: "shop", name: "trial"), rule: 0, verdict: .wouldDeny, requests: 1)
        #expect(
            Set(told.counts) == [count(1, .allow, 3), count(nil, .deny, 1), count(4, .allow, 1), trial])
        #expect(told.refused == ["the path has an empty segment (//)": 1] && told.generation == "7")
        #expect(told.denied.map(\.verdict) == [.deny, .refuse, .wouldDeny])
        #expect(decider.told() == nil, "it is told once")
        #expect(decider.counters.passedFlows == 1)
        #expect(
            lines(decider.counters, "bulkhead_http_requests_total").sorted() == [
                "verdict=allow namespace=shop policy=viewer rule=2 3",
                "verdict=allow namespace=shop policy=viewer rule=5 1",
                "verdict=deny namespace=shop policy=viewer rule= 1",
                "verdict=wouldDeny namespace=shop policy=trial rule=1 1",
            ])
    }

    @Test func whatDidNotArriveIsToldAgain() throws {
        let decider = AskedDecider(Shop.policy)
        _ = decider.verdict(Shop.headers([], method: "PUT"))
        decider.refuse("a")
        let first = try #require(decider.told())
        _ = decider.verdict(Shop.headers([], method: "PATCH"))
        decider.refuse("a")
        decider.putBack(first)
        let again = try #require(decider.told())
        #expect(again.counts == [count(nil, .deny, 2)] && again.refused == ["a": 2])
        #expect(again.denied.map(\.method) == ["PUT", "PATCH"], "in their order")
    }

    @Test func onlyTheNewestRecordsAreKept() throws {
        let decider = AskedDecider(Shop.policy)
        let limit = RequestCounts.deniedLimit
        func deny(_ numbers: Range<Int>) {
            for number in numbers { _ = decider.verdict(Shop.headers([], method: "M\(number)")) }
        }
        deny(0..<limit + 10)
        let told = try #require(decider.told())
        #expect(told.denied.map(\.method) == (10..<limit + 10).map { "M\($0)" })
        #expect(told.counts == [count(nil, .deny, UInt64(limit) + 10)])
        deny(limit + 10..<limit + 13)
        decider.putBack(told)
        let again = try #require(decider.told())
        #expect(again.denied.count == limit && again.denied.last?.method == "M\(limit + 12)")
        #expect(again.denied.first?.method == "M13")
    }

    /// While the daemon refuses bodies, what is kept for it does not grow beyond a limit.
    @Test func whatIsKeptIsBounded() throws {
        var counters = RequestCounters()
        for round in 0..<3 {
            var body = RequestCounts(generation: 1)
            body.counts = (0..<6000).map { count(round * 6000 + $0, .allow, 1) }
            counters.putBack(body)
        }
        let told = counters.takeUntold(generation: 1)
        #expect(told?.counts.count == 2_000)
    }

    /// A rule that is gone has no series any more; a total never goes down otherwise.
    @Test func removedPoliciesAreForgotten() {
        let decider = AskedDecider(Shop.policy)
        _ = decider.verdict(Shop.headers([]))
        _ = decider.verdict(Shop.message(port: 82, method: "PUT", host: "api.shop"))
        var policy = Shop.policy
        policy.programs[1]?.auditRules = []
        decider.take(policy)
        #expect(lines(decider.counters, "bulkhead_http_requests_total").count == 2)
        decider.take(policy)
        _ = decider.verdict(Shop.headers([]))
        #expect(
            lines(decider.counters, "bulkhead_http_requests_total").contains(
                "verdict=allow namespace=shop policy=viewer rule=2 2"))
        decider.take(RequestPolicy())
        #expect(lines(decider.counters, "bulkhead_http_requests_total").isEmpty)
        let untold = decider.told()?.counts.map(\.policy?.name)
        #expect(Set(untold ?? []) == ["viewer", "trial"], "the daemon still learns of them")
    }
}
