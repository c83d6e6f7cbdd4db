// SPDX-License-Identifier: Apache-2.0
import APIServerKit
import KubernetesClient
import KubernetesObjects
import NetworkTypes
import Synchronization
import Testing

/// Services that a question names: what the API server is asked, and what is made of its answers.
@Suite struct ServiceLookupTests {
    private static let service = #"""
        {"items": [{"metadata": {"name": "redis", "namespace": "shop"},
          "spec": {"clusterIP": "10.96.0.1", "ports": [{"port": 80, "targetPort": 6379}]}}]}
        """#
    private static let slices = #"""
        {"items": [
          {"metadata": {"namespace": "shop", "labels": {"kubernetes.io/service-name": "redis"}}, "addressType": "IPv4",
           "endpoints": [{"addresses": ["10.1.0.2"]}], "ports": [{"port": 6379}]},
          {"metadata": {"namespace": "shop", "labels": {"kubernetes.io/service-name": "other"}}, "addressType": "IPv4"},
          {"metadata": {"namespace": "else", "labels": {"kubernetes.io/service-name": "redis"}}, "addressType": "IPv4"}]}
        """#

    /// A server that answers by the resource in the path.
    private final class Server: Sendable {
        let targets = Mutex<[String]>([])
        let answers: [String: (Int, String)]
        init(_ answers: [String: (Int, String)]) { self.answers = answers }

        var lookup: ServiceLookup {
            ServiceLookup { target in
                self.targets.withLock { $0.append(target) }
                let (status, body) = self.answers.first { target.contains("/\($0.key)?") }?.value ?? (404, "{}")
                return ServiceLookup.Answer(status: status, body: Array(body.utf8))
            }
        }
    }

    @Test func byNameAndByAddress() async throws {
        let server = Server(["services": (200, Self.service), "endpointslices": (200, Self.slices)])
        let found = try #require(try await server.lookup.service(namespace: "shop", name: "redis"))
        #expect(found.service.name == "redis" && found.slices.count == 1)
        #expect(found.slices.first?.endpoints.first?.addresses == [try IPAddress("10.1.0.2")])
        #expect(
            server.targets.withLock { $0 } == [
                "/api/v1/namespaces/shop/services?fieldSelector=metadata.name%3Dredis",
                "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices?limit=100&labelSelector="
                    + "kubernetes.io%2Fservice-name%3Dredis",
            ])
        #expect(try await server.lookup.service(at: try IPAddress("10.96.0.1"))?.service.name == "redis")
        #expect(server.targets.withLock { $0.contains("/api/v1/services?fieldSelector=spec.clusterIP%3D10.96.0.1") })
        // A server that ignores the selector gives no wrong Service.
        #expect(try await server.lookup.service(at: try IPAddress("10.96.0.2")) == nil)
        #expect(try await server.lookup.service(namespace: "shop", name: "x") == nil)
        #expect(try await server.lookup.service(namespace: "x&a=b", name: "redis") == nil)
        #expect(server.targets.withLock { $0.last?.contains("/namespaces/x%26a%3Db/services?") } == true)
    }

    private static let problems: [(Int, String, ServiceLookupError?)] = [
        (403, "{}", .forbidden(resource: "services")), (401, "{}", .forbidden(resource: "services")),
        (500, "{}", .refused(status: 500)), (200, "{", nil),
    ]

    @Test(arguments: problems)
    func whatGoesWrongIsReported(_ row: (Int, String, ServiceLookupError?)) async throws {
        let lookup = Server(["services": (row.0, row.1)]).lookup
        let thrown = await #expect(throws: ServiceLookupError.self) {
            _ = try await lookup.service(namespace: "shop", name: "redis")
        }
        let error = try #require(thrown)
        if let expected = row.2 { #expect(error == expected) } else { #expect("\(error)".contains("cannot be read")) }
    }

    /// A person waits: a server that does not answer ends the question.
    @Test func silence() async throws {
        let lookup = ServiceLookup { _ in
            try await Task.sleep(for: .seconds(3600))
            return ServiceLookup.Answer(status: 200, body: [])
        }
        let thrown = await #expect(throws: ServiceLookupError.self) {
            _ = try await lookup.service(namespace: "shop", name: "redis")
        }
        let error = try #require(thrown)
        #expect(error == .unreachable("no answer within two seconds"))
    }

    /// Over the connection: the stand-in serves no Services, and says so.
    @Test func overTheConnection() async throws {
        let server = try APIServer()
        let access = try Kubeconfig.read(Array(server.kubeconfig().utf8), file: "config")
        let connection = APIServerConnection(access, userAgent: "test")
        let lookup = ServiceLookup(connection)
        let error = await #expect(throws: ServiceLookupError.self) {
            _ = try await lookup.service(namespace: "shop", name: "redis")
        }
        await connection.shutdown()
        #expect(error == .refused(status: 404))
    }
}
