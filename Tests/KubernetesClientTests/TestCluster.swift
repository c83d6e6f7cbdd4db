// SPDX-License-Identifier: Apache-2.0
import APIServerKit
import Documents
import Foundation
import KubernetesClient
import KubernetesObjects
import KubernetesWatch

/// A cluster's API server, with what a test needs of it beside the client under test: to write what the client reads,
/// and to read what it writes.
protocol TestCluster: Sendable {
    /// Of the test alone. What belongs to no namespace has a name that begins with this one.
    var namespace: String { get }
    /// The server is not shared: it may be stopped, and nodes and custom resources may be created.
    var isOwn: Bool { get }
    /// Of one who may do everything.
    var access: ClusterAccess { get }
    /// How its server is followed.
    var settings: WatchSettings { get }

    /// Sets the objects of a manifest of one or several documents, with their status.
    func apply(_ manifest: String) async throws
    /// Removes the objects that a manifest names.
    func delete(_ manifest: String) async throws
    /// Begins, or ends, to serve a custom resource.
    func define(_ kind: ObjectKind, _ isServed: Bool) async throws

    /// A token of a new user who may do this and nothing else.
    func token(granting rights: Set<Right>) async throws -> String
    /// The same token with other rights.
    func grant(_ rights: Set<Right>, toToken token: String) async throws

    /// Events of Kubernetes in a namespace.
    func events(in namespace: String) async throws -> [DocumentNode]
    /// Method and target of each request of the client under test in this test; nil: that is not known.
    func requests() throws -> [String]?

    func stop() async throws
    func start() async throws
}

extension TestCluster {
    func key(_ kind: ObjectKind, _ name: String) -> ObjectKey {
        ObjectKey(kind: kind, namespace: namespace, name: name)
    }

    /// As another than ``access``.
    func access(token: ClusterAccess.Content) -> ClusterAccess {
        var access = access
        (access.token, access.certificate) = (token, nil)
        return access
    }

    /// Follows for the time of `body`.
    func follow(
        as access: ClusterAccess? = nil, settings: WatchSettings? = nil, _ body: (FollowedCluster) async throws -> Void
    ) async throws {
        try await FollowedCluster.with(access ?? self.access, settings: settings ?? self.settings, body)
    }

    /// The namespace itself, as a manifest.
    func ownNamespace(_ labels: String = "{}") -> String {
        "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: \(namespace), labels: \(labels)}\n"
    }

    /// On a node that there is not: nothing runs.
    func pod(_ name: String, _ labels: String = "{}") -> String {
        """
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: \(name), namespace: \(namespace), labels: \(labels)}
        spec: {nodeName: \(namespace), containers: [{name: c, image: i}]}
        status: {phase: Running, podIPs: [{ip: 192.0.2.1}]}

        """
    }
}

/// One thing that a user may do, cluster-wide.
struct Right: Sendable, Hashable {
    var verb: String
    /// Empty: the core group.
    var group: String
    /// As in paths.
    var resource: String
}

/// Where a test runs. The stand-in is always there; what else there is the environment says.
enum OfferedCluster: Sendable, Hashable, CustomStringConvertible {
    case standIn
    /// kube-apiserver and etcd, which are started for the tests alone.
    case realServer
    /// A cluster that others may use, too.
    case realCluster

    var description: String {
        switch self {
        case .standIn: "the stand-in"
        case .realServer: "kube-apiserver of \(Self.assets)"
        case .realCluster: "the cluster of \(Self.kubeconfig)"
        }
    }

    private static func variable(_ name: String) -> String { ProcessInfo.processInfo.environment[name] ?? "" }
    private static let assets = variable("KUBEBUILDER_ASSETS")
    private static let kubeconfig = variable("KUBECONFIG")

    /// Those whose server is the tests' own.
    static let own: [OfferedCluster] = assets.isEmpty ? [.standIn] : [.standIn, .realServer]

    /// A kubeconfig alone is not a permission: it may lead to a cluster that matters.
    static let offered: [OfferedCluster] =
        kubeconfig.isEmpty || variable("BULKHEAD_TEST_CLUSTER") != "yes" ? own : own + [.realCluster]

    /// Runs `body` with a namespace of its own, and removes what it has made, whatever happens.
    func with(_ body: (any TestCluster) async throws -> Void) async throws {
        // Names are found again where a test was killed before it could clean up.
        let namespace = "bulkhead-test-\(String(UInt32.random(in: .min ... .max), radix: 16))"
        switch self {
        case .standIn:
            let cluster = try StandInCluster(namespace: namespace)
            try cluster.apply(cluster.ownNamespace())
            try await body(cluster)
        case .realServer:
            let server = try await Self.server.value
            let access = try Kubeconfig.read(Array(server.kubeconfig.utf8), file: "config")
            try await RealCluster(access, namespace: namespace, server: server).with(body)
        case .realCluster:
            try await RealCluster(try Kubeconfig.read(Self.kubeconfig), namespace: namespace).with(body)
        }
    }

    /// One for all tests, as it takes seconds to start.
    private static let server = Task { try await RealAPIServer(assets: assets) }
}
