// SPDX-License-Identifier: Apache-2.0
import Documents
import Findings
import KubernetesObjects

/// One document of a file of manifests, as lint reads it.
public struct LintDocument: Sendable {
    public var file: String
    /// Its number in the file, counted from 1.
    public var index: Int
    /// The line of the file where the text of the document begins, counted from 1; lines of `root` count from there.
    public var line: Int
    public var root: DocumentNode

    public init(file: String, index: Int, line: Int, root: DocumentNode) {
        self.file = file
        self.index = index
        self.line = line
        self.root = root
    }
}

/// One object in a document: lists are opened.
struct LintObject {
    var file: String
    /// Added to the lines of `node`.
    var lineOffset: Int
    var node: DocumentNode
    var kind: String
    /// As written, or nil.
    var name: String
    var namespace: String
    /// The object, if it is one of Bulkhead's and valid.
    var object: KubernetesObject?
    var errors: [ManifestError]

    /// `NetworkPolicy shop/redis`.
    var label: String { "\(kind) \(namespace.isEmpty ? name : "\(namespace)/\(name)")" }

    /// Whether it is a policy of a kind that Bulkhead enforces.
    var isPolicy: Bool { Self.policyKinds.contains(kind) }

    private static let policyKinds: Set = [
        "NetworkPolicy", "ClusterNetworkPolicy", "AdminNetworkPolicy", "BaselineAdminNetworkPolicy",
        "AuthorizationPolicy",
    ]

    /// All objects of documents, in their order.
    static func all(_ documents: [LintDocument]) -> [LintObject] {
        var result: [LintObject] = []
        for document in documents { add(document.root, of: document, depth: 0, to: &result) }
        return result
    }

    private static func add(
        _ node: DocumentNode, of document: LintDocument, depth: Int, to result: inout [LintObject]
    ) {
        let kind = node["kind"]?.string ?? ""
        if kind.hasSuffix("List"), depth < 4, case .sequence(let items)? = node["items"]?.value {
            for item in items { add(item, of: document, depth: depth + 1, to: &result) }
            return
        }
        // A patch of kustomize is a part of an object, or removes one.
        guard node["$patch"] == nil else { return }
        let decoded = ObjectDecoder.decode(node, file: document.file, index: document.index)
        let object = decoded.items.first?.object
        let metadata = node["metadata"]
        let isClusterWide = kind.hasSuffix("NetworkPolicy") && kind != "NetworkPolicy"
        let written = metadata?["namespace"]?.string ?? (isClusterWide ? "" : "default")
        result.append(
            LintObject(
                file: document.file, lineOffset: document.line - 1, node: node, kind: kind,
                name: metadata?["name"]?.string ?? "", namespace: object?.metadata.namespace ?? written,
                object: object, errors: decoded.errors))
    }

    /// Why the object is refused. The decoder counts lines from the beginning of the document.
    var refusals: [ManifestError] {
        errors.map { error in
            var error = error
            if error.line > 0 { error.line += lineOffset }
            return error
        }
    }

    /// The place of a field, or of the nearest part of the document around it.
    func place(_ path: FieldPath = FieldPath()) -> FindingPlace {
        var (line, column) = (node.line, node.column)
        var current = node
        search: for component in path.components {
            switch (component, current.value) {
            case (.field(let name), .mapping(let entries)):
                guard let entry = entries.first(where: { $0.key == name }) else { break search }
                (line, column) = (entry.line, entry.column)
                current = entry.value
            case (.index(let index), .sequence(let items)):
                guard items.indices.contains(index) else { break search }
                current = items[index]
                (line, column) = (current.line, current.column)
            default: break search
            }
        }
        return FindingPlace(file: file, line: line + lineOffset, column: column)
    }

    func finding(_ code: LintCode, _ message: String, at path: FieldPath = FieldPath(), fix: String) -> Finding {
        Finding(
            code.kind, message: message, place: place(path), object: label,
            field: path.isEmpty ? "" : path.description, fix: fix)
    }
}

extension FieldPath {
    /// `spec.ingress[0]` from fields and numbers.
    static func of(_ components: Component...) -> FieldPath { FieldPath(components) }

    /// The list of rules of a direction.
    static func rules(_ direction: PolicyDirectionName) -> FieldPath {
        FieldPath([.field("spec"), .field(direction.rawValue)])
    }
}

/// The two fields of a policy that hold rules.
enum PolicyDirectionName: String, CaseIterable {
    case ingress
    case egress

    /// The field of a NetworkPolicy's rule that holds its peers.
    var peers: String { self == .ingress ? "from" : "to" }
}

extension DocumentNode {
    /// The items of a list; none for anything else.
    var items: [DocumentNode] {
        guard case .sequence(let items) = value else { return [] }
        return items
    }

    /// The entries of a mapping; none for anything else.
    var entries: [DocumentNode.Entry] {
        guard case .mapping(let entries) = value else { return [] }
        return entries
    }
}
