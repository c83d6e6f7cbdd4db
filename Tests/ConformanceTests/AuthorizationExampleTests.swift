// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Foundation
import KubernetesObjects
import Manifests
import NetworkTypes
import PolicyModel
import PolicyOracle
import PolicyPipeline
import PolicyResolver
import Requests
import Testing
import WorldKit

/// The files of examples/authorization, and the examples of Istio's documents, as tables and oracle read them.
@Suite struct AuthorizationExampleTests {
    /// One question about the example files: "from port", "from port METHOD path".
    struct Row: Sendable, CustomTestStringConvertible {
        var question: String
        var to = "shoes"
        var verdict: Verdict
        var testDescription: String { "\(question) to \(to)" }

        init(_ question: String, to: String = "shoes", _ verdict: Verdict) {
            self.question = question
            self.to = to
            self.verdict = verdict
        }
    }

    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../../examples/authorization").path

    @Test(arguments: [
        Row("inventory 8080", .dependsOnRequest), Row("inventory 8080 POST /shoes", .allow),
        Row("inventory 8080 GET /shoes", .deny), Row("inventory 8080 POST /admin/x", .deny),
        Row("inventory 8080 POST /info/../shoes", .allow), Row("inventory 8080 POST /admin/../shoes", .deny),
        Row("inventory 8080 POST /%61dmin", .deny),
        Row("inventory 8081 POST /admin", .allow), Row("storefront 8080", .dependsOnRequest),
        Row("storefront 8080 POST /shoes", .deny), Row("storefront 8081", .deny),
        Row("collector 9090", .allow), Row("collector 8080", .deny), Row("inventory 6060", .deny),
        Row("collector 6060", .deny), Row("inventory 6060", to: "storefront", .deny),
        Row("collector 6060", to: "storefront", .allow), Row("collector 80", to: "storefront", .allow),
    ])
    func examples(row: Row) throws {
        let check = ManifestCheck.run(paths: [Self.folder])
        #expect(check.problems.isEmpty && check.notices.isEmpty && check.counts[.authorizationPolicy] == 5)
        let words = row.question.split(separator: " ").map(String.init)
        let request = words.count > 2 ? OracleRequest(method: words[2], host: "shoes", path: words[3]) : nil
        func address(_ name: String) throws -> IPAddress {
            for case .pod(let pod) in check.objects where pod.metadata.name == name { return pod.podIPs[0] }
            throw NoSuchPod(name: name)
        }
        let flow = Flow(
            source: try address(words[0]), destination: try address(row.to), ipProtocol: .tcp,
            destinationPort: UInt16(words[1]))
        try Self.expect(row.verdict, flow, request, check.objects, node: "node")
    }

    struct NoSuchPod: Error { var name: String }

    /// A pod of namespace foo, reached on port 8080; who asks, and what.
    struct Documented: Sendable, CustomTestStringConvertible {
        var says: String
        /// The policy `foo/httpbin`, or one with a metadata of its own.
        var spec: String
        var metadata = "name: httpbin, namespace: foo"
        /// "namespace/account port", "namespace/account port METHOD path".
        var answers: [(String, Verdict)]
        var testDescription: String { says }
    }

    @Test(arguments: Documented.all)
    func documentedExamples(row: Documented) throws {
        let manifest = """
            apiVersion: security.istio.io/v1
            kind: AuthorizationPolicy
            metadata: {\(row.metadata)}
            spec:
            \(row.spec.split(separator: "\n").map { "  \($0)" }.joined(separator: "\n"))
            """
        let documents = ManifestReader().read(Array(manifest.utf8), file: "policy.yaml")
        #expect(documents.flatMap(\.decoded.errors).isEmpty, "\(documents.flatMap(\.decoded.errors))")
        for (question, verdict) in row.answers {
            let words = question.split(separator: " ").map(String.init)
            let identity = words[0].split(separator: "/").map(String.init)
            var server = Pod("foo/httpbin", ["app": "httpbin", "version": "v1"], ["10.0.0.1"])
            server.serviceAccountName = "httpbin"
            var client = Pod("\(identity[0])/client", [:], ["10.0.1.1"], node: "n2")
            client.serviceAccountName = identity[1]
            let request = words.count > 2 ? OracleRequest(method: words[2], host: "httpbin", path: words[3]) : nil
            let flow = Flow(
                source: address("10.0.1.1"), destination: address("10.0.0.1"), ipProtocol: .tcp,
                destinationPort: UInt16(words[1]))
            let objects = documents.flatMap(\.decoded.objects) + [.pod(server), .pod(client)]
            try Self.expect(verdict, flow, request, objects, node: "n1", question)
        }
    }

    /// Both the tables and the oracle say so.
    static func expect(
        _ verdict: Verdict, _ flow: Flow, _ request: OracleRequest?, _ objects: [KubernetesObject], node: String,
        _ what: String = ""
    ) throws {
        let told = Oracle(objects: objects, nodeName: node).verdict(flow, request: request)
        #expect(told.verdict.rawValue == verdict.rawValue, "\(what): \(told)")
        var pipeline = PolicyPipeline(nodeName: node)
        _ = pipeline.apply(objects.map { .set($0) })
        let asked = request.map { HTTPRequest(method: $0.method, host: $0.host, path: $0.path, headers: $0.headers) }
        let found = pipeline.compiled.evaluate(flow, request: asked)
        #expect(found.verdict == verdict, "\(what): \(found)")
    }
}

extension AuthorizationExampleTests.Documented {
    static let all = reference + tasks

    /// After the reference page.
    private static let reference: [Self] = [
        .init(
            says: "two sources, two operations",
            spec: """
                action: ALLOW
                rules:
                - from:
                  - source: {principals: ["cluster.local/ns/default/sa/sleep"]}
                  - source: {namespaces: ["test"]}
                  to:
                  - operation: {methods: ["GET"], paths: ["/info*"]}
                  - operation: {methods: ["POST"], paths: ["/data"]}
                """,
            answers: [
                ("default/sleep 8080", .dependsOnRequest), ("default/sleep 8080 GET /info/x", .allow),
                ("default/sleep 8080 POST /info", .deny), ("test/any 8080 POST /data", .allow),
                ("test/any 8080 GET /data", .deny), ("default/other 8080", .deny),
                ("default/other 8080 GET /info", .deny),
            ]),
        .init(
            says: "a token's claim: allows nothing here",
            spec: """
                rules:
                - from: [{source: {namespaces: ["test"]}}]
                  when: [{key: "request.auth.claims[iss]", values: ["https://accounts.google.com"]}]
                """,
            answers: [("test/any 8080", .deny), ("test/any 8080 GET /", .deny)]),
        .init(
            says: "deny POST from dev",
            spec: """
                action: DENY
                rules:
                - from: [{source: {namespaces: ["dev"]}}]
                  to: [{operation: {methods: ["POST"]}}]
                """,
            answers: [
                ("dev/a 8080", .dependsOnRequest), ("dev/a 8080 POST /", .deny), ("dev/a 8080 GET /", .allow),
                ("prod/a 8080", .allow),
            ]),
        .init(
            says: "deny POST on a port",
            spec: """
                action: DENY
                rules:
                - to: [{operation: {methods: ["POST"], ports: ["8080"]}}]
                """,
            answers: [("dev/a 8080 POST /", .deny), ("dev/a 8080 PUT /", .allow), ("dev/a 8081", .allow)]),
        .init(
            says: "audit stops nothing",
            spec: """
                selector: {matchLabels: {app: httpbin}}
                action: AUDIT
                rules:
                - to: [{operation: {methods: ["GET"], paths: ["/user/profile/*"]}}]
                """,
            answers: [("dev/a 8080", .allow), ("dev/a 8080 GET /user/profile/x", .allow)]),
        .init(says: "allow nothing", spec: "{}", answers: [("dev/a 8080", .deny), ("foo/httpbin 80", .deny)]),
        .init(says: "allow all", spec: "rules: [{}]", answers: [("dev/a 8080", .allow)]),
        .init(
            says: "deny all", spec: "{action: DENY, rules: [{}]}",
            answers: [("dev/a 8080", .deny), ("foo/a 1 GET /", .deny)]),
        .init(
            says: "of one workload in the mesh", spec: "selector: {matchLabels: {version: v1}}",
            metadata: "name: allow-nothing, namespace: istio-system", answers: [("dev/a 8080", .deny)]),
        .init(
            says: "of another workload", spec: "selector: {matchLabels: {version: v2}}",
            answers: [("dev/a 8080", .allow)]),
        .init(
            says: "of another namespace", spec: "{}", metadata: "name: allow-nothing, namespace: bar",
            answers: [("dev/a 8080", .allow)]),
        .init(
            says: "templates",
            spec: #"rules: [{to: [{operation: {paths: ["/foo/{*}", "/bar/{**}/", "/baz/{*}/x/{**}"]}}]}]"#,
            answers: [
                ("dev/a 80 GET /foo/bar", .allow), ("dev/a 80 GET /foo/bar/baz", .deny), ("dev/a 80 GET /foo/", .deny),
                ("dev/a 80 GET /bar/a/", .allow), ("dev/a 80 GET /bar/a/b/", .allow), ("dev/a 80 GET /bar/a", .deny),
                ("dev/a 80 GET /baz/a/x/", .allow), ("dev/a 80 GET /baz/a/x/b", .allow),
                ("dev/a 80 GET /baz/a/x", .deny),
            ]),
    ]

    /// After the tasks on HTTP and TCP traffic, explicit deny and dry run.
    private static let tasks: [Self] = [
        .init(
            says: "HTTP traffic: one account may GET",
            spec: """
                selector: {matchLabels: {app: httpbin}}
                action: ALLOW
                rules:
                - from: [{source: {principals: ["cluster.local/ns/default/sa/bookinfo-productpage"]}}]
                  to: [{operation: {methods: ["GET"]}}]
                """,
            answers: [
                ("default/bookinfo-productpage 9080 GET /", .allow),
                ("default/bookinfo-productpage 9080 POST /", .deny), ("default/bookinfo-reviews 9080 GET /", .deny),
            ]),
        .init(
            says: "HTTP traffic: anybody may GET",
            spec: #"{action: ALLOW, rules: [{to: [{operation: {methods: ["GET"]}}]}]}"#,
            answers: [("dev/a 9080", .dependsOnRequest), ("dev/a 9080 GET /", .allow), ("dev/a 9080 PUT /", .deny)]),
        .init(
            says: "TCP traffic: two ports",
            spec: #"{action: ALLOW, rules: [{to: [{operation: {ports: ["9000", "9001"]}}]}]}"#,
            answers: [("dev/a 9000", .allow), ("dev/a 9001", .allow), ("dev/a 9002", .deny)]),
        .init(
            says: "TCP traffic: a method where there is TCP alone",
            spec: #"{action: ALLOW, rules: [{to: [{operation: {methods: ["GET"], ports: ["9000"]}}]}]}"#,
            answers: [("dev/a 9000", .dependsOnRequest), ("dev/a 9001", .deny)]),
        .init(
            says: "TCP traffic: deny a port",
            spec: #"{action: DENY, rules: [{to: [{operation: {ports: ["9000"]}}]}]}"#,
            answers: [("dev/a 9000", .deny), ("dev/a 9001", .allow)]),
        .init(
            says: "explicit deny: by a header",
            spec: """
                action: DENY
                rules:
                - to: [{operation: {methods: ["GET"]}}]
                  when: [{key: "request.headers[x-token]", notValues: ["admin"]}]
                """,
            answers: [("dev/a 8000 GET /", .deny), ("dev/a 8000 POST /", .allow)]),
        .init(
            says: "dry run", spec: "rules: []",
            metadata: #"name: httpbin, namespace: foo, annotations: {istio.io/dry-run: "true"}"#,
            answers: [("dev/a 8000", .allow)]),
    ]
}
