// SPDX-License-Identifier: Apache-2.0
import APIServerKit
import KubernetesClient
import KubernetesObjects
import KubernetesWatch
import Testing

/// A whole cluster followed over TLS, with whatever goes wrong that a real server cannot be made to do.
/// One test at a time: each waits for answers and timers, which a busy machine delays.
@Suite(.serialized) struct ClusterFollowerTests {
    static func pod(_ name: String, _ labels: String = "{}") -> String {
        """
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: \(name), namespace: shop, labels: \(labels)}
        spec: {nodeName: node, containers: [{name: c, image: i}]}
        status: {phase: Running, podIPs: [{ip: 10.1.0.1}]}

        """
    }
    static func namespace(_ name: String) -> String {
        "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: \(name)}\n"
    }
    private static let five = (1...5).map { pod("p\($0)") }.joined()

    private func access(_ server: APIServer, user: String = "token: any") throws -> ClusterAccess {
        try Kubeconfig.read(Array(server.kubeconfig(user: user).utf8), file: "config")
    }

    /// A server with a namespace and five pods, followed until all is known.
    private func with(
        _ body: (APIServer, FollowedCluster) async throws -> Void
    ) async throws {
        let server = try APIServer()
        try server.apply(Self.namespace("shop") + Self.five)
        try await FollowedCluster.with(try access(server)) { cluster in
            try await cluster.waitUntilComplete()
            try await body(server, cluster)
        }
    }

    static let faults: [APIServerFault.Kind] = [
        .status(429, reason: "TooManyRequests", retryAfter: 1), .status(500, reason: "InternalError"),
        .status(410, reason: "Expired"), .status(403, reason: "Forbidden"), .cut(afterBytes: 0), .cut(afterBytes: 700),
        .silence, .truncatedFrame, .oversizedFrame(bytes: 17 << 20), .gone, .repeated, .reordered,
    ]

    /// Whatever happens to a watch, in the end it knows what there is, and never has let go of what was there.
    @Test(arguments: faults) func aWatchSurvives(fault: APIServerFault.Kind) async throws {
        try await with { server, cluster in
            server.inject(APIServerFault(fault, on: .watch, of: "pods", times: 2))
            server.breakConnections()
            try server.apply(Self.pod("a") + Self.pod("b"))
            try server.delete(Self.pod("a"))
            try server.apply(Self.pod("c") + Self.pod("b", "{again: once}") + Self.pod("d"))
            try await cluster.wait("the pods") { $0.has("b") && $0.has("c") && $0.has("d") && !$0.has("a") }
            try await cluster.wait("the last version") {
                $0.current.objects.values.contains { $0.metadata.labels == ["again": "once"] }
            }
            #expect(server.faultsMet >= 1)
            #expect(cluster.current.removed.allSatisfy { $0.name == "a" })
            #expect(cluster.current.objects.count == 9)
        }
    }

    /// The same for lists: the first one is whole before anything is complete.
    @Test(arguments: [
        APIServerFault.Kind.status(429, reason: "TooManyRequests", retryAfter: 1),
        .status(500, reason: "InternalError"), .status(410, reason: "Expired"), .status(401, reason: "Unauthorized"),
        .status(403, reason: "Forbidden"), .unknownPath, .cut(afterBytes: 0), .cut(afterBytes: 300), .silence,
    ])
    func aListSurvives(fault: APIServerFault.Kind) async throws {
        let server = try APIServer()
        try server.apply(Self.namespace("shop") + Self.five)
        for resource in ["pods", "namespaces"] {
            server.inject(APIServerFault(fault, on: .list, of: resource, times: 3))
        }
        try await FollowedCluster.with(try access(server)) { cluster in
            try await cluster.waitUntilComplete()
            #expect(cluster.current.atCompletion?.count == 6)
            #expect(cluster.current.removed.isEmpty)
        }
    }

    @Test func aServerThatIsAwayLosesNothing() async throws {
        try await with { server, cluster in
            server.stop()
            try await cluster.wait("it to be noticed") { ($0.watch("pods")?.status?.failures ?? 0) > 2 }
            #expect(cluster.watch("pods")?.status?.lastFailure?.description.contains("127.0.0.1") == true)
            #expect(cluster.current.objects.count == 6)
            try server.delete(Self.pod("p3"))
            try server.apply(Self.pod("p7"))
            server.compact()
            try server.start()
            try await cluster.wait("what has changed") { $0.has("p7") && !$0.has("p3") }
            #expect(cluster.current.removed.map(\.name) == ["p3"])
            try await cluster.wait("all to be well") { $0.follower.watches.allSatisfy { $0.status?.failures == 0 } }
        }
    }

    /// The connection stays open and says nothing.
    @Test func halfOpenConnectionsAreNoticed() async throws {
        try await with { server, cluster in
            server.freeze()
            try server.apply(Self.pod("p8"))
            try await cluster.wait("the pod") { $0.has("p8") }
            #expect(cluster.current.removed.isEmpty)
        }
    }
}
