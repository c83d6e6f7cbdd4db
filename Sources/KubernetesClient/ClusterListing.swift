// SPDX-License-Identifier: Apache-2.0
import Documents
import KubernetesObjects
import KubernetesWatch

/// Why a cluster cannot be listed.
public enum ClusterListingError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The right to list this resource is missing.
    case forbidden(resource: String, message: String)
    /// The server does not accept the credentials.
    case unauthorized(message: String)
    case refused(resource: String, status: Int, message: String)
    /// The server cannot be asked, or does not answer in time.
    case unreachable(String)
    case unreadable(resource: String, reason: String)

    public var description: String {
        switch self {
        case .forbidden(let resource, let message):
            "these credentials may not list \(resource) in all namespaces" + Self.quoted(message)
        case .unauthorized(let message): "the API server does not accept these credentials" + Self.quoted(message)
        case .refused(let resource, let status, let message):
            "the API server answered \(status) to the list of \(resource)" + Self.quoted(message)
        case .unreachable(let reason): "the API server cannot be asked: \(reason)"
        case .unreadable(let resource, let reason): "the list of \(resource) cannot be read: \(reason)"
        }
    }

    private static func quoted(_ message: String) -> String { message.isEmpty ? "" : ": \(message)" }
}

/// Everything in a cluster that policy needs, listed once. It only reads: it has no request but GET.
public struct ClusterListing: Sendable {
    /// What a cluster has at the time of the lists.
    public struct Content: Sendable {
        /// In the order of kinds; each key once.
        public var objects: [KubernetesObject] = []
        public var services: [Service] = []
        /// The owners of pods, and the policies as the server has them.
        public var extract = DocumentExtract()
        /// Objects that cannot be read, and what they lack.
        public var problems: [ManifestError] = []
        /// Parts of policies that were not understood and are closed, and lists that are missing and hardly matter.
        public var warnings: [String] = []
    }

    private let pages: ListPages
    /// What errors and places call the cluster.
    private let name: String

    /// - Parameters:
    ///   - patience: how long to wait for each page.
    ///   - pageSize: objects of a page.
    public init(_ connection: APIServerConnection, patience: Duration = .seconds(30), pageSize: Int = 500) {
        name = "\(connection.access.server)"
        pages = ListPages(patience: patience, pageSize: pageSize) { try await connection.answer(to: $0) }
    }

    /// - Parameters:
    ///   - pause: before a busy server is asked again.
    ///   - fetch: returns the server's answer to a GET of a path with its query.
    package init(
        name: String, patience: Duration = .seconds(30), pause: Duration,
        fetch: @escaping @Sendable (String) async throws -> ServerAnswer
    ) {
        self.name = name
        pages = ListPages(patience: patience, pause: pause, fetch: fetch)
    }

    /// Lists pods, namespaces, nodes, all kinds of policies, and Services.
    public func read() async throws(ClusterListingError) -> Content {
        var content = Content()
        for kind in ObjectKind.allCases { try await read(kind, into: &content) }
        do throws(ClusterListingError) {
            content.services = try await pages.items(path: "/api/v1/services", of: "services") { Service($0) }
        } catch .forbidden {
            content.warnings.append("Services are not known: these credentials may not list services in all namespaces")
        }
        return content
    }

    private func read(_ kind: ObjectKind, into content: inout Content) async throws(ClusterListingError) {
        var resource = APIResource(kind)
        do throws(ClusterListingError) {
            for version in kind.apiVersions {
                resource.apiVersion = version
                do throws(ClusterListingError) {
                    let decoded = try await pages.items(path: resource.path, of: resource.name) { item in
                        ObjectDecoder.decode(
                            item.typed(version, kind.rawValue), file: name, mode: .lenient, isExtracting: true)
                    }
                    for document in decoded { content.add(document) }
                    return
                } catch .refused(_, status: 404, _) where resource.isCustom {
                    // The cluster lacks this version, or the kind.
                    continue
                }
            }
        } catch .forbidden where kind == .node {
            content.warnings.append(
                "nodes are not known, and their addresses count as others: these credentials may not list nodes")
        }
    }

}

extension ClusterListing.Content {
    fileprivate mutating func add(_ document: DecodedDocument) {
        objects += document.objects
        problems += document.errors
        warnings += document.notUnderstood.map { "not enforced: \($0)" }
        guard let added = document.extract else { return }
        extract.policies += added.policies
        extract.owners.merge(added.owners, uniquingKeysWith: { first, _ in first })
    }
}

extension DocumentNode {
    /// Items of a list don't say their type.
    fileprivate func typed(_ apiVersion: String, _ kind: String) -> DocumentNode {
        guard case .mapping(let entries) = value else { return self }
        let type = [("apiVersion", apiVersion), ("kind", kind)].map { key, value in
            Entry(key: key, line: line, column: column, value: DocumentNode(.string(value), line: line, column: column))
        }
        let rest = entries.filter { $0.key != "apiVersion" && $0.key != "kind" }
        return DocumentNode(.mapping(type + rest), line: line, column: column)
    }
}
