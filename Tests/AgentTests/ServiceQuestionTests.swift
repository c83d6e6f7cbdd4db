// SPDX-License-Identifier: Apache-2.0
import Agent
import CompiledPolicy
import ControlProtocol
import Documents
import KubernetesClient
import KubernetesObjects
import NetworkTypes
import Testing

/// Questions about Services, by the socket and the command.
@Suite(.serialized) struct ServiceQuestionTests {
    /// One Service, `shop/redis` at 10.96.0.1, with these backends.
    private struct Source: ServiceSource {
        var slices: String
        var problem: ServiceLookupError?

        func service(namespace: String, name: String) throws(ServiceLookupError) -> FoundService? {
            if let problem { throw problem }
            return namespace == "shop" && name == "redis" ? found : nil
        }

        func service(at address: IPAddress) throws(ServiceLookupError) -> FoundService? {
            if let problem { throw problem }
            return address.description == "10.96.0.1" ? found : nil
        }

        private var found: FoundService? {
            func read(_ text: String) -> DocumentNode? { try? JSONReader.read(Array(text.utf8)) }
            let service = read(
                #"""
                {"metadata": {"name": "redis", "namespace": "shop"},
                 "spec": {"clusterIP": "10.96.0.1", "ports": [{"name": "db", "port": 80, "targetPort": 6379}]}}
                """#
            ).flatMap { Service($0) }
            return service.map {
                FoundService(service: $0, slices: [read(slices).flatMap { EndpointSlice($0) }].compactMap(\.self))
            }
        }
    }

    private static func slice(_ endpoints: String) -> String {
        #"{"metadata": {"namespace": "shop", "labels": {"kubernetes.io/service-name": "redis"}}, "addressType": "IPv4", "#
            + #""ports": [{"name": "db", "port": 6379}, {"name": "other", "port": 1}], "endpoints": [\#(endpoints)]}"#
    }

    private static let both = slice(#"{"addresses": ["10.1.0.2"]}, {"addresses": ["10.1.0.1"]}"#)

    private func serve(
        _ slices: String = Self.both, problem: ServiceLookupError? = nil, _ body: (SocketFixture) async throws -> Void
    ) async throws {
        try await SocketFixture.serve(
            AgentFixture(services: Source(slices: slices, problem: problem)), AgentFixture.shop, body)
    }

    @Test func eachBackendHasItsVerdict() async throws {
        try await serve { fixture in
            let target = "/v1/explain?from=192.0.2.1&to=svc/shop/redis&port=80"
            let answer = try await fixture.call("GET", target).decode(ExplainAnswer.self)
            #expect(answer.backends?.map(\.pod) == ["shop/web", "shop/redis"])
            #expect(answer.backends?.map(\.port) == [6379, 6379])
            #expect(answer.backends?.map(\.verdict) == ["allow", "deny"])
            #expect(answer.verdict.verdict == "undecided" && answer.verdict.flow == "192.0.2.1 -> 10.1.0.2 6379/TCP")
            #expect(answer.ingress?.endpoint == "shop/redis" && answer.verdict.kernel?.agrees == true)
            let note =
                "Service shop/redis has 2 backend pods, of which 1 does not simply allow it; one of these is shown"
            #expect(answer.verdict.note == note)
            // By its address, and without the kernel.
            let plain = try await fixture.call("GET", "/v1/verdict?from=192.0.2.1&to=10.96.0.1&port=80")
                .decode(VerdictAnswer.self)
            #expect(plain.verdict == "undecided" && plain.backends == answer.backends && plain.kernel == nil)
            let asked = try await fixture.call("GET", "/v1/verdict?from=192.0.2.1&to=10.96.0.1&port=80&kernel=1")
                .decode(VerdictAnswer.self)
            #expect(asked.kernel?.agrees == true)
            // An address that no Service has is one without a pod, as before.
            let other = try await fixture.call("GET", "/v1/verdict?from=shop/web&to=10.96.0.9&port=80")
                .decode(VerdictAnswer.self)
            #expect(other.verdict == "allow" && other.backends == nil)
        }
    }

    private static let refusals: [(String, String)] = [
        ("from=shop/web&to=svc/shop/nobody&port=80", "no Service shop/nobody in the cluster"),
        ("from=shop/web&to=svc/shop/redis&port=81", "Service shop/redis has no such port; it has 80/tcp"),
        ("from=shop/nobody&to=svc/shop/redis&port=80", "no pod shop/nobody"),
        ("from=shop/web&to=svc/shop/redis&protocol=icmp", "a Service has ports, and ICMP has none"),
        ("from=shop/web&to=svc/shop&port=80", "no pod svc/shop"),
        ("from=a&to=svc/shop/redis&port=80", "'from' is neither"),
    ]

    @Test func refusalsSayWhy() async throws {
        try await serve { fixture in
            for (query, problem) in Self.refusals {
                let answer = try await fixture.call("GET", "/v1/explain?\(query)")
                let text = String(decoding: answer.body, as: UTF8.self)
                #expect(answer.status >= 400 && text.contains(problem), "\(query): \(text)")
            }
        }
    }

    @Test func readinessAndManyBackends() async throws {
        let waiting = Self.slice(#"{"addresses": ["10.1.0.2"], "conditions": {"ready": false}}"#)
        try await serve(waiting) { fixture in
            let answer = try await fixture.call("GET", "/v1/explain?from=shop/web&to=svc/shop/redis&port=80")
            let text = String(decoding: answer.body, as: UTF8.self)
            #expect(text.contains("no backend that is ready: 1 of its endpoints are not ready"), "\(text)")
        }
        let many = (0..<100).map { #"{"addresses": ["10.9.0.\#($0)"]}"# }.joined(separator: ",")
        try await serve(Self.slice(many)) { fixture in
            let answer = try await fixture.call("GET", "/v1/explain?from=shop/web&to=svc/shop/redis&port=80")
                .decode(ExplainAnswer.self)
            #expect(answer.backends?.count == 64)
            #expect(answer.verdict.note?.contains("36 more backends are not listed") == true)
        }
    }

    @Test func withoutTheRight() async throws {
        try await serve(problem: .forbidden(resource: "services")) { fixture in
            let named = try await fixture.call("GET", "/v1/explain?from=shop/web&to=svc/shop/redis&port=80")
            #expect(named.status == 404)
            #expect(String(decoding: named.body, as: UTF8.self).contains("bulkheadd may not list services"))
            let address = try await fixture.call("GET", "/v1/verdict?from=shop/web&to=10.96.0.1&port=80")
                .decode(VerdictAnswer.self)
            #expect(address.verdict == "allow")
            #expect(address.note?.contains("whether 10.96.0.1 is a Service's address is not known") == true)
        }
        try await SocketFixture.serve { fixture in
            let answer = try await fixture.call("GET", "/v1/explain?from=shop/web&to=svc/shop/redis&port=80")
            #expect(String(decoding: answer.body, as: UTF8.self).contains("follows no API server"))
        }
    }

    @Test func theCommandListsThem() async throws {
        try await serve { fixture in
            let path = fixture.path
            for command in ["explain", "verdict"] {
                for service in ["svc/shop/redis", "shop/svc/redis", "redis.shop.svc", "10.96.0.1"] {
                    let result = try await onOwnThread {
                        try CommandLine.run("bulkheadctl", [command, "--socket", path, "192.0.2.1", service, "80"])
                    }
                    #expect(result.status == 0, "\(result.complaints)")
                    let rows = result.output.split(separator: "\n").map { $0.split(separator: " ").prefix(3) }
                    #expect(rows.contains(["shop/redis", "6379", "deny"]), "\(command) \(service): \(result.output)")
                }
            }
        }
    }
}
