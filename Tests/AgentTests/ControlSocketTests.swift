// SPDX-License-Identifier: Apache-2.0
import Agent
import ControlProtocol
import Datapath
import Glibc
import NetworkTypes
import PolicyModel
import Testing

/// One test at a time: each waits for answers and timers, which a busy machine delays.
@Suite(.serialized) struct ControlSocketTests {
    @Test func everyReadingPathAnswers() async throws {
        try await SocketFixture.serve { fixture in
            let status = try await fixture.call("GET", "/v1/status").decode(StatusAnswer.self)
            #expect(status.node == "node" && status.healthy)
            let endpoints = try await fixture.call("GET", "/v1/endpoints").decode(EndpointsAnswer.self).endpoints
            #expect(endpoints.map(\.name) == ["redis", "web"])
            #expect(endpoints.first?.addresses == ["10.1.0.2"])
            #expect(endpoints.first?.ingress.policies.map(\.description) == ["shop/redis"])
            #expect(endpoints.last?.ingress.program == 0)
            let policies = try await fixture.call("GET", "/v1/policies").decode(PoliciesAnswer.self).policies
            #expect(policies.map(\.name) == ["redis"])
            #expect(policies.first?.state == .enforced)
            #expect(policies.first?.endpoints == ["shop/redis"])
            #expect(policies.first?.origin == "/manifests")
            let counters = try await fixture.call("GET", "/v1/counters").decode(CountersAnswer.self)
            #expect(counters.datapath.spoofed == 7)
            let dump = try await fixture.call("GET", "/v1/dump")
            #expect(dump.headers["content-type"] == "text/plain; charset=utf-8")
            #expect(String(decoding: dump.body, as: UTF8.self).contains("fake tables"))
            #expect(try await fixture.call("GET", "/v1/resolved").decode(ResolvedBody.self).endpoints.isEmpty)
        }
    }

    @Test func countersNameTheirRules() async throws {
        try await SocketFixture.serve { fixture in
            let rule = try #require(
                fixture.kernel.policy.rules.first { if case .rule = $0.value.identity { true } else { false } })
            fixture.kernel.state.withLock { $0.counters = [rule.key: RuleCounter(packets: 3, bytes: 180)] }
            let counters = try await fixture.call("GET", "/v1/counters").decode(CountersAnswer.self)
            #expect(counters.rules.first?.packets == 3)
            // A rule that has decided nothing yet is listed too, whatever the datapath reports about it.
            #expect(counters.rules.count == fixture.kernel.policy.rules.count)
            #expect(counters.rules.dropFirst().allSatisfy { $0.packets == 0 && $0.gone == nil })
            #expect(counters.rules.first?.rule.description == "shop/redis ingress rule 1")
        }
    }

    private static let verdictRows = [
        ("from=shop/web&to=shop/redis&protocol=tcp&port=6379", "allow"),
        ("from=shop%2Fweb&to=10.1.0.2&port=6379", "allow"),
        ("from=shop/web&to=shop/redis&protocol=UDP&port=6379", "deny"),
        ("from=192.0.2.1&to=shop/redis&port=6379", "deny"),
        ("from=shop/web&to=shop/redis&protocol=icmp", "deny"),
        ("from=shop/redis&to=shop/redis&port=1", "allow"),
        ("from=shop/redis&to=192.0.2.1&protocol=132&port=1", "allow"),
    ]

    @Test func verdicts() async throws {
        try await SocketFixture.serve { fixture in
            for (query, verdict) in Self.verdictRows {
                let answer = try await fixture.call("GET", "/v1/verdict?\(query)").decode(VerdictAnswer.self)
                #expect(answer.verdict == verdict, "\(query)")
            }
        }
    }

    private static let wrongRows: [(String, String, Int, ErrorCode)] = [
        ("GET", "/v1/verdict", 400, .badRequest),
        ("GET", "/v1/verdict?from=shop/web&to=shop/redis", 400, .badRequest),
        ("GET", "/v1/verdict?from=shop/web&to=shop/redis&port=65536", 400, .badRequest),
        ("GET", "/v1/verdict?from=shop/web&to=shop/redis&port=-1", 400, .badRequest),
        ("GET", "/v1/verdict?from=shop/web&to=shop/redis&protocol=icmp&port=1", 400, .badRequest),
        ("GET", "/v1/verdict?from=shop/web&to=shop/redis&protocol=nope&port=1", 400, .badRequest),
        ("GET", "/v1/verdict?from=web&to=shop/redis&port=1", 400, .badRequest),
        ("GET", "/v1/verdict?from=shop/web&to=10.1.0.0/24&port=1", 400, .badRequest),
        ("GET", "/v1/verdict?from=shop/web&to=shop/redis&port=1&port=2", 400, .badRequest),
        ("GET", "/v1/verdict?from=shop/web&to=shop/redis&port=1&more=2", 400, .badRequest),
        ("GET", "/v1/verdict?from=shop/web&to=2001:db8::1&port=1", 400, .badRequest),
        ("GET", "/v1/verdict?from=shop/nobody&to=shop/redis&port=1", 404, .notFound),
        ("GET", "/v1/nothing", 404, .unknownPath),
        ("GET", "/", 404, .unknownPath),
        ("GET", "/v1/status/", 404, .unknownPath),
        ("POST", "/v1/status", 405, .methodNotAllowed),
        ("PATCH", "/v1/status", 405, .methodNotAllowed),
        ("GET", "/v1/objects", 405, .methodNotAllowed),
        ("DELETE", "/v1/objects?kind=Pod", 400, .badRequest),
        ("DELETE", "/v1/objects?kind=Teapot&name=x", 400, .badRequest),
        ("DELETE", "/v1/objects?kind=Pod&namespace=shop&name=nobody", 404, .notFound),
        ("DELETE", "/v1/objects?kind=Pod&namespace=shop&name=web", 409, .ownedByFile),
        ("PUT", "/v1/objects", 400, .invalidBody),
        ("PUT", "/v1/resolved", 400, .invalidBody),
    ]

    @Test func wrongCalls() async throws {
        try await SocketFixture.serve { fixture in
            for (method, target, status, code) in Self.wrongRows {
                let answer = try await fixture.call(method, target)
                #expect(answer.status == status, "\(method) \(target)")
                #expect(answer.errorCode == code, "\(method) \(target)")
                #expect(answer.headers["content-type"] == "application/json")
                if status == 405 { #expect(answer.headers["allow"]?.isEmpty == false) }
            }
        }
    }

    @Test func objectsAreAppliedAllOrNone() async throws {
        try await SocketFixture.serve { fixture in
            let good = "apiVersion: v1\nkind: Namespace\nmetadata: {name: mine}\n"
            let bad = """
                apiVersion: networking.k8s.io/v1
                kind: NetworkPolicy
                metadata: {name: bad, namespace: shop}
                spec:
                  podSelector: {}
                  ingress:
                  - ports: [{port: 90, endPort: 80}]
                """
            let refused = try await fixture.call("PUT", "/v1/objects", good + "---\n" + bad)
            #expect(refused.status == 400)
            let problem = try #require(try refused.decode(ErrorAnswer.self).error.problems.first)
            #expect(problem.document == 2 && problem.field == "spec.ingress[0].ports[0].endPort")
            #expect(problem.line == 11 && problem.file == nil)
            #expect(await fixture.agent.status().pushed.objects == 0)

            let applied = try await fixture.call("PUT", "/v1/objects", good).decode(ObjectsAnswer.self)
            #expect(applied.applied == ["Namespace mine"])
            let json = #"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"yours"}}"#
            #expect(try await fixture.call("PUT", "/v1/objects", json).status == 200)
            let deleted = try await fixture.call("DELETE", "/v1/objects", good).decode(ObjectsAnswer.self)
            #expect(deleted.deleted == ["Namespace mine"])
            #expect(try await fixture.call("DELETE", "/v1/objects?kind=Namespace&name=yours").status == 200)
            #expect(await fixture.agent.status().pushed.objects == 0)
        }
    }

    @Test func aPolicyThatIsNotEnforcedIsToldOf() async throws {
        try await SocketFixture.serve { fixture in
            let policy =
                "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: a}\n"
            let answer = try await fixture.call("PUT", "/v1/objects", policy).decode(ObjectsAnswer.self)
            #expect(answer.applied.isEmpty)
            #expect(answer.notices.first?.contains("NOT enforced") == true)
        }
    }

    @Test func aFailingKernelIsA503AndTheChangeIsKept() async throws {
        try await SocketFixture.serve { fixture in
            fixture.kernel.failNext(1)
            let pod = """
                apiVersion: v1
                kind: Pod
                metadata: {name: cart, namespace: shop}
                spec: {nodeName: node, containers: [{name: c, image: i}]}
                status: {phase: Running, podIPs: [{ip: 10.1.0.3}]}
                """
            let answer = try await fixture.call("PUT", "/v1/objects", pod)
            #expect(answer.status == 503)
            #expect(answer.errorCode == .datapathFailed)
            #expect(try await eventually { fixture.kernel.policy.endpoints.count == 3 })
            fixture.kernel.failNext(1)
            #expect(try await fixture.call("POST", "/v1/resync").status == 503)
            #expect(try await fixture.call("POST", "/v1/resync").decode(ResyncAnswer.self).words == 3)
        }
    }

    @Test func resolvedPolicyIsStrict() async throws {
        try await SocketFixture.serve { fixture in
            for (body, field) in [
                (#"{"endpoints":[{"name":"a","addresses":["10.9.0.1"],"ingres":{}}]}"#, "endpoints[0].ingres"),
                (
                    #"{"endpoints":[{"name":"a","addresses":["10.9.0.1"],"ingress":{}}]}"#,
                    "endpoints[0].ingress.default"
                ),
                (#"{"endpoints":[{"name":7,"addresses":[]}]}"#, "endpoints[0].name"),
                (#"{"endpoints":{}}"#, "endpoints"),
                (#"[]"#, ""),
                (
                    #"{"endpoints":[{"name":"a","addresses":["10.9.0.1"],"ingress":{"default":"deny","rules":[{"action":"allow","peers":[]}]}}]}"#,
                    "endpoints[0].ingress.rules[0].peers"
                ),
                (
                    #"{"endpoints":[{"name":"a","addresses":["10.9.0.1"],"egress":{"default":"deny","rules":[{"action":"allow","ports":[{"protocol":"TCP","port":70000}]}]}}]}"#,
                    "endpoints[0].egress.rules[0].ports[0].port"
                ),
            ] {
                let answer = try await fixture.call("PUT", "/v1/resolved", body)
                #expect(answer.status == 400, "\(body)")
                let problems = try answer.decode(ErrorAnswer.self).error.problems
                #expect(problems.first?.field == field, "\(body)")
            }
            #expect(await fixture.agent.resolved().endpoints.isEmpty)
        }
    }
}
