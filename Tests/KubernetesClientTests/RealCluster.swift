// SPDX-License-Identifier: Apache-2.0
import APIServerKit
import DocumentKit
import Documents
import KubernetesClient
import KubernetesObjects
import KubernetesWatch
import NetworkKit
import Synchronization
import Testing

/// A namespace in the cluster of a real API server, written by curl: nothing of the client under test has a part in it.
final class RealCluster: TestCluster {
    private struct Made {
        /// Paths, in order.
        var objects: [String] = []
        var definitions: Set<ObjectKind> = []
        /// Names of service accounts and their roles, by token.
        var accounts: [String: String] = [:]
        var isServerStopped = false
    }

    let namespace: String
    let access: ClusterAccess
    private let curl: APIServerCurl
    private let server: RealAPIServer?
    private let made = Mutex(Made())
    private let requestsBefore: Int
    var isOwn: Bool { server != nil }

    /// - Parameter server: nil: others may use the cluster, too.
    init(_ access: ClusterAccess, namespace: String, server: RealAPIServer? = nil) throws {
        self.namespace = namespace
        self.access = access
        self.server = server
        curl = try APIServerCurl(access)
        requestsBefore = try server?.requests(from: FollowedCluster.userAgent).count ?? 0
    }

    /// A cluster of others may have many objects.
    var settings: WatchSettings {
        var settings = FollowedCluster.patient
        let usual = WatchSettings()
        if !isOwn { (settings.pageSize, settings.absentInterval) = (usual.pageSize, usual.absentInterval) }
        return settings
    }

    /// Runs `body` with the namespace and removes what was made, whatever happens.
    func with(_ body: (any TestCluster) async throws -> Void) async throws {
        do {
            try await apply(ownNamespace())
            try await body(self)
        } catch {
            do { try await removeAll() } catch { Issue.record(error) }
            throw error
        }
        try await removeAll()
    }

    private func removeAll() async throws {
        let made = made.withLock { $0 }
        if made.isServerStopped { try await start() }
        for path in made.objects.reversed() { try await remove(path) }
        for kind in made.definitions { try await define(kind, false) }
    }

    // MARK: Objects

    func apply(_ manifest: String) async throws {
        for node in try DocumentNode.documents(of: manifest) {
            let path = try path(node)
            try await put(node.removing(["status"]).json, at: path)
            guard let status = node["status"] else { continue }
            try await curl.send(
                "PATCH", "\(path)/status", #"{"status":\#(status.json)}"#, type: "application/merge-patch+json")
        }
    }

    func delete(_ manifest: String) async throws {
        for node in try DocumentNode.documents(of: manifest) { try await remove(try path(node)) }
    }

    private func put(_ text: String, at path: String) async throws {
        made.withLock { if !$0.objects.contains(path) { $0.objects.append(path) } }
        try await curl.apply(text, at: path)
    }

    /// At once: no kubelet is there that would end a pod.
    private func remove(_ path: String) async throws {
        try await curl.send("DELETE", "\(path)?gracePeriodSeconds=0", orMissing: true)
    }

    private func path(_ node: DocumentNode) throws -> String {
        guard let kind = node["kind"]?.string.flatMap({ ObjectKind(rawValue: $0) }),
            let name = node["metadata"]?["name"]?.string
        else { throw NetError.missing("an object of a known kind with a name") }
        let resource = APIResource(kind)
        guard let namespace = node["metadata"]?["namespace"]?.string else { return "\(resource.path)/\(name)" }
        return "\(resource.path.dropLast(resource.name.count))namespaces/\(namespace)/\(resource.name)/\(name)"
    }

    // MARK: Custom resources

    func define(_ kind: ObjectKind, _ isServed: Bool) async throws {
        _ = try own()
        let resource = APIResource(kind)
        let name = "\(resource.name).\(resource.group)"
        let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/\(name)"
        guard isServed else {
            try await remove(path)
            // One that is defined while it is still going would go as well.
            try await curl.waitUntilMissing(path)
            return made.withLock { _ = $0.definitions.remove(kind) }
        }
        made.withLock { _ = $0.definitions.insert(kind) }
        try await curl.apply(
            """
            apiVersion: apiextensions.k8s.io/v1
            kind: CustomResourceDefinition
            metadata: {name: \(name), annotations: {api-approved.kubernetes.io: "unapproved, for tests"}}
            spec:
              group: \(resource.group)
              names: {kind: \(kind.rawValue), plural: \(resource.name)}
              scope: Cluster
              versions:
              - name: \(resource.apiVersion.dropFirst(resource.group.count + 1))
                served: true
                storage: true
                schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
            """, at: path)
    }

    // MARK: Rights

    func token(granting rights: Set<Right>) async throws -> String {
        let name = made.withLock { "\(namespace)-\($0.accounts.count)" }
        let account = "/api/v1/namespaces/\(namespace)/serviceaccounts/\(name)"
        try await put("{apiVersion: v1, kind: ServiceAccount, metadata: {name: \(name)}}", at: account)
        try await setRole(name, rights)
        try await put(
            """
            apiVersion: rbac.authorization.k8s.io/v1
            kind: ClusterRoleBinding
            metadata: {name: \(name)}
            roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: \(name)}
            subjects: [{kind: ServiceAccount, name: \(name), namespace: \(namespace)}]
            """, at: "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/\(name)")
        let request = #"{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{}}"#
        let answer = try await curl.send("POST", "\(account)/token", request)
        guard let token = answer["status"]?["token"]?.string else { throw NetError.missing("a token") }
        made.withLock { $0.accounts[token] = name }
        return token
    }

    func grant(_ rights: Set<Right>, toToken token: String) async throws {
        guard let name = made.withLock({ $0.accounts[token] }) else { throw NetError.missing("the token") }
        try await setRole(name, rights)
    }

    private func setRole(_ name: String, _ rights: Set<Right>) async throws {
        let rules = rights.map { #"{apiGroups: ["\#($0.group)"], resources: [\#($0.resource)], verbs: [\#($0.verb)]}"# }
        try await put(
            """
            apiVersion: rbac.authorization.k8s.io/v1
            kind: ClusterRole
            metadata: {name: \(name)}
            rules: [\(rules.joined(separator: ", "))]
            """, at: "/apis/rbac.authorization.k8s.io/v1/clusterroles/\(name)")
    }

    // MARK: The server

    func events(in namespace: String) async throws -> [DocumentNode] {
        let list = try await curl.send("GET", "/api/v1/namespaces/\(namespace)/events")
        guard case .sequence(let items) = list["items"]?.value else { throw NetError.missing("a list of events") }
        return items
    }

    func requests() throws -> [String]? {
        try server.map { Array(try $0.requests(from: FollowedCluster.userAgent).dropFirst(requestsBefore)) }
    }

    func stop() async throws {
        made.withLock { $0.isServerStopped = true }
        try await own().stop()
    }

    func start() async throws {
        made.withLock { $0.isServerStopped = false }
        try await own().start()
    }

    private func own() throws -> RealAPIServer {
        guard let server else { throw NetError.missing("a server that is the tests' own") }
        return server
    }
}
