// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import KubernetesWatch
import Testing

/// Resources that a cluster may lack, and objects that are not understood.
@Suite struct CustomResourceTests {
    private static func policy(_ name: String, _ version: Int, _ spec: String) -> String {
        #"{"metadata":{"name":"\#(name)","resourceVersion":"\#(version)","labels":{"v":"\#(version)"}},"spec":\#(spec)}"#
    }
    private static func policy(_ name: String, _ version: Int) -> String {
        policy(name, version, #"{"tier":"Admin","priority":5,"subject":{"namespaces":{}}}"#)
    }

    @Test func appearsAndVanishes() throws {
        var driver = WatchDriver(.clusterNetworkPolicy)
        #expect(driver.sent[0].target == "/apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies?limit=500")
        #expect(driver.sent[0].accept == "application/json")
        try driver.answer(404, "404 page not found")
        #expect(driver.completions == 1 && driver.watch.status.phase == .absent && driver.failures.isEmpty)
        #expect((.seconds(30) ... .seconds(60)).contains(try #require(driver.timer).after))
        try driver.fire()
        try driver.answer(404, "404 page not found")
        try driver.fire()
        try driver.answer(200, WatchDriver.list([Self.policy("p", 3)], at: 4))
        #expect(driver.summary == "p:3" && driver.isWatching && driver.completions == 1)

        // Its definition is deleted.
        try driver.answer(404, "404 page not found")
        try driver.fire()
        #expect(!driver.isWatching && driver.summary == "p:3")
        for _ in 0..<2 {
            try driver.answer(404, "404 page not found")
            #expect(driver.summary == "p:3")
            try driver.fire()
        }
        try driver.answer(404, "404 page not found")
        #expect(driver.summary == "" && driver.watch.status.phase == .absent && driver.completions == 1)
    }

    /// An older Istio serves v1beta1 alone.
    @Test func anOlderVersionServes() throws {
        var driver = WatchDriver(.authorizationPolicy)
        func path(_ version: String) -> String { "/apis/security.istio.io/\(version)/authorizationpolicies?limit=500" }
        #expect(driver.sent.last?.target == path("v1"))
        try driver.answer(404, "404 page not found")
        #expect(driver.sent.last?.target == path("v1beta1") && driver.completions == 0)
        try driver.answer(404, "404 page not found")
        #expect(driver.completions == 1 && driver.watch.status.phase == .absent && driver.failures.isEmpty)
        try driver.fire()
        #expect(driver.sent.last?.target == path("v1"))
        try driver.answer(404, "404 page not found")
        let policy = #"{"metadata":{"name":"p","namespace":"n","resourceVersion":"3","labels":{"v":"3"}},"spec":{}}"#
        try driver.answer(200, WatchDriver.list([policy], at: 4))
        #expect(driver.summary == "p:3" && driver.isWatching && driver.completions == 1)
        #expect(driver.sent.last?.target.hasPrefix("/apis/security.istio.io/v1beta1/") == true)

        // Istio is upgraded.
        try driver.answer(404, "404 page not found")
        try driver.fire()
        #expect(driver.sent.last?.target == path("v1beta1"))
        try driver.answer(404, "404 page not found")
        #expect(driver.sent.last?.target == path("v1") && driver.summary == "p:3")
        try driver.answer(200, WatchDriver.list([policy], at: 5))
        #expect(driver.summary == "p:3" && driver.isWatching && driver.delivered.count == 1)
    }

    /// A server that starts may not know its own resources for a moment.
    @Test func isNotLetGoWhenItComesBack() throws {
        var driver = WatchDriver(.clusterNetworkPolicy)
        try driver.answer(200, WatchDriver.list([Self.policy("p", 3)], at: 4))
        try driver.answer(404, "")
        try driver.fire()
        try driver.answer(404, "")
        try driver.fire()
        try driver.answer(200, WatchDriver.list([Self.policy("p", 3)], at: 4))
        #expect(driver.summary == "p:3" && driver.delivered.count == 1 && driver.isWatching)
    }

    /// 404 of what every cluster has is a failure, and never taken for emptiness.
    @Test func otherResourcesAreNeverAbsent() throws {
        var driver = WatchDriver(.networkPolicy)
        try driver.answer(404, WatchDriver.status(404, "NotFound"))
        #expect(driver.completions == 0 && driver.failures.count == 1 && driver.watch.status.phase == .waiting)
    }

    @Test func whatIsNotUnderstoodLeavesWhatWas() throws {
        var driver = WatchDriver(.clusterNetworkPolicy)
        let body = [Self.policy("p", 3), Self.policy("q", 2, #"{"tier":"Later","priority":5,"subject":{"pods":{}}}"#)]
        try driver.answer(200, WatchDriver.list(body, at: 4))
        #expect(driver.completions == 1 && driver.summary == "p:3")
        let key = ObjectKey(kind: .clusterNetworkPolicy, namespace: "", name: "q")
        #expect(driver.watch.status.refused[key]?.contains("spec.tier") == true)
        try driver.head()
        let worse = Self.policy("p", 6, #"{"tier":"Admin","priority":"first","subject":{"namespaces":{}}}"#)
        try driver.bytes(#"{"type":"MODIFIED","object":\#(worse)}"# + "\n")
        #expect(driver.summary == "p:3" && driver.watch.status.refused.count == 2)
        try driver.bytes(#"{"type":"MODIFIED","object":\#(Self.policy("p", 7))}"# + "\n")
        try driver.bytes(#"{"type":"DELETED","object":\#(Self.policy("q", 8))}"# + "\n")
        #expect(driver.summary == "p:7" && driver.watch.status.refused.isEmpty)
    }
}
