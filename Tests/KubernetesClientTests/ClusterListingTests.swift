// SPDX-License-Identifier: Apache-2.0
import APIServerKit
import KubernetesClient
import KubernetesObjects
import NetworkTypes
import Synchronization
import Testing

/// A cluster listed once, for analysis.
@Suite struct ClusterListingTests {
    private static let cluster = """
        apiVersion: v1
        kind: Namespace
        metadata: {name: shop, labels: {team: a}}
        ---
        apiVersion: v1
        kind: Node
        metadata: {name: n1}
        status: {addresses: [{type: InternalIP, address: 192.168.0.1}]}
        ---
        apiVersion: v1
        kind: Service
        metadata: {name: redis, namespace: shop}
        spec: {clusterIP: 10.96.0.1, ports: [{port: 6379}]}
        ---
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata: {name: redis, namespace: shop}
        spec: {podSelector: {}, policyTypes: [Ingress]}
        ---
        apiVersion: policy.networking.k8s.io/v1alpha1
        kind: AdminNetworkPolicy
        metadata: {name: guard}
        spec: {priority: 1, subject: {namespaces: {}}, ingress: []}

        """

    private static func pods(_ count: Int) -> String {
        (0..<count).map { number in
            """
            ---
            apiVersion: v1
            kind: Pod
            metadata:
              name: web-\(number)
              namespace: shop
              ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web, uid: u, controller: true}]
            spec: {nodeName: n1, containers: [{name: c, image: i}]}
            status: {phase: Running, podIPs: [{ip: 10.1.0.\(number + 1)}]}

            """
        }.joined()
    }

    private static func read(
        _ server: APIServer, user: String = "token: any", patience: Duration = .seconds(30)
    ) async throws -> Result<ClusterListing.Content, ClusterListingError> {
        let access = try Kubeconfig.read(Array(server.kubeconfig(user: user).utf8), file: "config")
        let connection = APIServerConnection(access, userAgent: "test")
        let result: Result<ClusterListing.Content, ClusterListingError>
        do throws(ClusterListingError) {
            result = .success(try await ClusterListing(connection, patience: patience, pageSize: 2).read())
        } catch {
            result = .failure(error)
        }
        await connection.shutdown()
        return result
    }

    private static func key(_ kind: ObjectKind, _ namespace: String, _ name: String) -> ObjectKey {
        ObjectKey(kind: kind, namespace: namespace, name: name)
    }

    @Test func everythingIsListedInPages() async throws {
        let server = try APIServer(definitions: [.adminNetworkPolicy])
        server.accept(tokens: ["reader"])
        try server.apply(Self.cluster + Self.pods(5))
        let content = try await Self.read(server, user: "token: reader").get()
        #expect(
            content.objects.map(\.key) == (0..<5).map { Self.key(.pod, "shop", "web-\($0)") } + [
                Self.key(.namespace, "", "shop"), Self.key(.node, "", "n1"), Self.key(.networkPolicy, "shop", "redis"),
                Self.key(.adminNetworkPolicy, "", "guard"),
            ])
        #expect(content.services.map(\.name) == ["redis"])
        #expect(content.extract.owners.count == 5)
        #expect(
            content.extract.owners[Self.key(.pod, "shop", "web-3")] == OwnerReference(kind: "ReplicaSet", name: "web"))
        let places = content.extract.policies
        #expect(places.map(\.key?.name) == ["redis", "guard"])
        #expect(places.allSatisfy { $0.file == "https://127.0.0.1:\(server.port)" })
        #expect(
            places.first?.yaml.hasPrefix("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n") == true)
        #expect(places.first?.yaml.contains("resourceVersion") == false)
        #expect(content.problems.isEmpty && content.warnings.isEmpty)
        // It only reads.
        #expect(server.requests.allSatisfy { $0.hasPrefix("GET /api") && !$0.contains("watch") })
        #expect(server.requests.filter { $0.hasPrefix("GET /api/v1/pods?limit=2") }.count == 3)
    }

    /// A list that expires between two pages begins again, and nothing of it is there twice.
    @Test func anExpiredList() async throws {
        let server = try APIServer(definitions: [.adminNetworkPolicy])
        try server.apply(Self.cluster + Self.pods(3))
        server.inject(APIServerFault(.status(410, reason: "Expired"), on: .list, of: "pods", times: 2))
        let content = try await Self.read(server).get()
        #expect(server.faultsMet == 2)
        #expect(content.objects.filter { $0.kind == .pod }.count == 3)
        server.inject(APIServerFault(.status(410, reason: "Expired"), on: .list, of: "pods", times: 3))
        let result = try await Self.read(server)
        #expect(
            throws: ClusterListingError.refused(
                resource: "pods", status: 410, message: "the list expires before it is read")
        ) {
            try result.get()
        }
    }

    /// What hardly matters may be missing; what matters may not.
    @Test func rights() async throws {
        let server = try APIServer(definitions: [.adminNetworkPolicy])
        try server.apply(Self.cluster)
        server.forbid(["list nodes", "list services"])
        let content = try await Self.read(server).get()
        #expect(content.warnings.count == 2 && content.services.isEmpty)
        #expect(
            content.objects.contains { $0.kind == .networkPolicy } && !content.objects.contains { $0.kind == .node })
        server.forbid(["list networkpolicies"])
        let result = try await Self.read(server)
        let error = #expect(throws: ClusterListingError.self) { try result.get() }
        #expect(
            error
                == .forbidden(
                    resource: "networkpolicies", message: "networkpolicies is forbidden: you cannot list it"))
        #expect(
            error.map { "\($0)" } == """
                these credentials may not list networkpolicies in all namespaces: networkpolicies is forbidden: you \
                cannot list it
                """)
        server.accept(tokens: ["other"])
        let unknown = try await Self.read(server)
        #expect(throws: ClusterListingError.unauthorized(message: "the stand-in says Unauthorized")) {
            try unknown.get()
        }
    }

    @Test func aServerThatIsGoneOrSilent() async throws {
        let server = try APIServer()
        server.inject(APIServerFault(.silence, on: .list, of: "pods"))
        let silent = try await Self.read(server, patience: .milliseconds(300))
        #expect(throws: ClusterListingError.unreachable("no answer within 0.3 seconds")) { try silent.get() }
        server.stop()
        let gone = try await Self.read(server)
        let error = #expect(throws: ClusterListingError.self) { try gone.get() }
        #expect(error.map { "\($0)" }?.contains("https://127.0.0.1:\(server.port): ") == true, "\(gone)")
    }

    /// Answers that no server should give, by path.
    private static func listing(_ answers: @escaping @Sendable (String, Int) -> ServerAnswer) -> (
        ClusterListing, () -> Int
    ) {
        let count = CallCount()
        let listing = ClusterListing(name: "test", pause: .milliseconds(1)) { answers($0, count.next()) }
        return (listing, { count.value })
    }

    private final class CallCount: Sendable {
        private let count = Mutex(0)
        var value: Int { count.withLock { $0 } }
        func next() -> Int {
            count.withLock { count in
                count += 1
                return count
            }
        }
    }

    private static func answer(_ status: Int, _ text: String = "{}") -> ServerAnswer {
        ServerAnswer(status: status, body: Array(text.utf8))
    }

    /// A busy server is asked again, a few times.
    @Test(arguments: [429, 500, 503])
    func aBusyServer(status: Int) async throws {
        let (listing, calls) = Self.listing { _, call in
            call < 4 ? Self.answer(status) : Self.answer(200, #"{"metadata":{},"items":[]}"#)
        }
        #expect(try await listing.read().objects.isEmpty)
        #expect(calls() == 3 + ObjectKind.allCases.count + 1)
        let (always, tries) = Self.listing { _, _ in Self.answer(status, "{\"message\":\"\\u001bbusy\"}") }
        let error = await #expect(throws: ClusterListingError.self) { try await always.read() }
        #expect(error == .refused(resource: "pods", status: status, message: "\u{1b}busy") && tries() == 4)
    }

    private static let unreadable = [
        ("[", "the list of pods cannot be read: "), ("{}", "the list of pods cannot be read: the list has no metadata"),
        (#"{"metadata":{"continue":"x"},"items":[]}"#, "the list of pods cannot be read: a page continues with itself"),
    ]

    @Test(arguments: unreadable)
    func answersWithoutMeaning(_ row: (String, String)) async throws {
        let (listing, _) = Self.listing { _, _ in Self.answer(200, row.0) }
        let error = await #expect(throws: ClusterListingError.self) { try await listing.read() }
        #expect(error.map { "\($0)" }?.hasPrefix(row.1) == true, "\(String(describing: error))")
    }

    /// Objects of a newer server: what is not understood is closed, and said.
    @Test func whatIsNotUnderstood() async throws {
        let list = #"""
            {"metadata":{},"items":[
              {"metadata":{"name":"a","namespace":"b"},"spec":{"podSelector":{},"ingress":[{"from":[{"new":{}}]}]}},
              {"metadata":{"namespace":"b"},"spec":{}}]}
            """#
        let (listing, _) = Self.listing { target, _ in
            Self.answer(200, target.contains("/networkpolicies?") ? list : #"{"metadata":{},"items":null}"#)
        }
        let content = try await listing.read()
        #expect(content.objects.map(\.metadata.name) == ["a"] && content.extract.policies.count == 2)
        #expect(
            content.warnings.count == 3 && content.warnings.allSatisfy { $0.hasPrefix("not enforced: test") },
            "\(content.warnings)")
        #expect(content.problems.contains { "\($0)".contains("metadata.name: is required") }, "\(content.problems)")
    }
}
