// SPDX-License-Identifier: Apache-2.0
import APIServerKit
import Documents
import KubernetesClient
import KubernetesObjects
import KubernetesWatch

/// The stand-in for an API server, one for each test.
final class StandInCluster: TestCluster {
    let namespace: String
    let access: ClusterAccess
    private let server: APIServer
    var isOwn: Bool { true }
    var settings: WatchSettings { FollowedCluster.patient }

    init(namespace: String) throws {
        self.namespace = namespace
        server = try APIServer()
        server.accept(tokens: ["admin"])
        access = try Kubeconfig.read(Array(server.kubeconfig(user: "token: admin").utf8), file: "config")
    }

    func apply(_ manifest: String) throws { try server.apply(manifest) }
    func delete(_ manifest: String) throws { try server.delete(manifest) }
    func define(_ kind: ObjectKind, _ isServed: Bool) { server.define(kind, isServed) }

    func token(granting rights: Set<Right>) -> String {
        let token = "token-\(UInt64.random(in: .min ... .max))"
        grant(rights, toToken: token)
        return token
    }

    func grant(_ rights: Set<Right>, toToken token: String) {
        server.grant(Set(rights.map { "\($0.verb) \($0.resource)" }), toToken: token)
    }

    func events(in namespace: String) -> [DocumentNode] {
        server.events.filter { $0["metadata"]?["namespace"]?.string == namespace }
    }

    func requests() -> [String]? { server.requests }
    func stop() { server.stop() }
    func start() throws { try server.start() }
}
