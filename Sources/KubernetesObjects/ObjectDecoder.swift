// SPDX-License-Identifier: Apache-2.0
import Documents

/// The content of one document of a manifest.
public struct DecodedDocument: Sendable, Hashable {
    /// Limit of problems reported for one document.
    public static let errorLimit = 100

    /// One object with the position where it begins.
    public struct Item: Sendable, Hashable {
        public var object: KubernetesObject
        public var line: Int
        public var column: Int
        public init(object: KubernetesObject, line: Int, column: Int) {
            self.object = object
            self.line = line
            self.column = column
        }
    }

    /// In written order. After strict decoding, empty if there are errors: a document counts as a whole or not at all.
    /// After lenient decoding, all objects without errors.
    public var items: [Item] = []
    /// Keys of all objects of Bulkhead's kinds whose name could be read, also of documents with errors.
    public var keys: [ObjectKey] = []
    /// Whether the key of an object could not be read, so that it is unknown which object the errors are about.
    public var hasUnknownObjects = false
    public var errors: [ManifestError] = []
    /// Only after lenient decoding: the parts that were not understood in objects that are nevertheless in `items`. For
    /// policies, the same as in their `unknown`.
    public var notUnderstood: [ManifestError] = []
    public var notices: [ManifestNotice] = []
    /// Services among the notices: nothing is enforced by them, but questions may name them.
    public var services: [Service] = []
    /// Only if asked for: nil in a daemon, which keeps documents.
    public var extract: DocumentExtract?

    public init() {}

    public var objects: [KubernetesObject] { items.map(\.object) }
}

/// Turns documents into the objects that policy needs.
///
/// Policies are validated as by the API server; in strict mode unknown fields are refused. `List` kinds are opened;
/// kinds without a meaning here give notices.
public struct ObjectDecoder {
    private var context: DecodingContext
    private var result = DecodedDocument()
    private var objectCount = 0

    private init(file: String, document: Int, mode: DecodingMode) {
        context = DecodingContext(file: file, document: document, mode: mode)
    }

    /// - Parameters:
    ///   - file: the name for errors.
    ///   - index: number of the document in the file, counted from 1.
    ///   - isExtracting: whether to collect the ``DecodedDocument/extract``. Documents that run pods are then decoded,
    ///     with their errors, and give no notices.
    public static func decode(
        _ document: DocumentNode, file: String, index: Int = 1, mode: DecodingMode = .strict,
        isExtracting: Bool = false
    ) -> DecodedDocument {
        var decoder = ObjectDecoder(file: file, document: index, mode: mode)
        if isExtracting { decoder.result.extract = DocumentExtract() }
        decoder.object(document, listKind: nil)
        decoder.result.errors += decoder.context.errors
        if mode == .lenient { decoder.result.notUnderstood = decoder.context.notUnderstood }
        if decoder.result.keys.count < decoder.objectCount { decoder.result.hasUnknownObjects = true }
        if mode == .strict, !decoder.result.errors.isEmpty { decoder.result.refuse() }
        return decoder.result
    }

    private struct TypeName {
        var apiVersion: String
        var kind: String

        /// Before the slash; empty for the core group.
        var group: Substring { apiVersion.contains("/") ? apiVersion.prefix { $0 != "/" } : "" }
    }

    /// `listKind`: the type of the items of the list around this object, if the list has one.
    private mutating func object(_ node: DocumentNode, listKind: TypeName?) {
        guard context.mapping(node) != nil else {
            result.hasUnknownObjects = true
            return
        }
        guard let apiVersion = typeField("apiVersion", of: node, inherited: listKind?.apiVersion),
            let kind = typeField("kind", of: node, inherited: listKind?.kind)
        else {
            result.hasUnknownObjects = true
            return
        }
        let type = TypeName(apiVersion: apiVersion, kind: kind)
        if kind.hasSuffix("List"), kind == "List" || node["items"] != nil {
            return list(node, of: type)
        }
        guard let known = ObjectKind(rawValue: kind) else {
            if !extractWorkload(node, type) { passOver(node, type) }
            return
        }
        guard isOurs(known, type, node) else {
            if !Self.groups(of: known).contains(type.group) { passOver(node, type, sameName: known) }
            return
        }
        noteKey(of: node, known)
        if known.isPolicy { extractPolicy(node, known) }
        let before = context.notUnderstood.count
        let (object, errors) = context.catching { Self.object(node, known, in: &$0) }
        result.errors += errors
        if context.mode == .strict, let object {
            result.notices += context.notUnderstood[before...].map { ManifestNotice($0, of: object, type.apiVersion) }
        }
        guard let object, context.mode == .strict || errors.isEmpty else { return }
        if result.extract != nil, known == .pod, let owner = OwnerReference(controllerOf: node) {
            result.extract?.owners[object.key] = owner
        }
        result.items.append(.init(object: object, line: node.line, column: node.column))
    }

    private static func object(
        _ node: DocumentNode, _ kind: ObjectKind, in context: inout DecodingContext
    ) -> KubernetesObject? {
        switch kind {
        case .pod: .pod(.decode(node, in: &context))
        case .namespace: .namespace(.decode(node, in: &context))
        case .node: .node(.decode(node, in: &context))
        case .networkPolicy: .networkPolicy(.decode(node, in: &context))
        case .clusterNetworkPolicy:
            TierPolicy.decode(node, kind: .clusterNetworkPolicy, in: &context).map { .tierPolicy($0) }
        case .adminNetworkPolicy:
            TierPolicy.decode(node, kind: .adminNetworkPolicy, in: &context).map { .tierPolicy($0) }
        case .baselineAdminNetworkPolicy:
            TierPolicy.decode(node, kind: .baselineAdminNetworkPolicy, in: &context).map { .tierPolicy($0) }
        case .authorizationPolicy: .authorizationPolicy(.decode(node, in: &context))
        }
    }

    private mutating func typeField(_ field: String, of node: DocumentNode, inherited: String?) -> String? {
        if let inherited, node[field]?.isNull ?? true { return inherited }
        return context.required(field, of: node) { context, node in
            guard let text = context.string(node) else { return nil }
            if text.isEmpty { context.fail(node, "must not be empty") }
            return text.isEmpty ? nil : text
        }
    }

    private mutating func list(_ node: DocumentNode, of type: TypeName) {
        let itemType =
            type.kind == "List"
            ? nil : TypeName(apiVersion: type.apiVersion, kind: String(type.kind.dropLast(4)))
        guard let items = node["items"], !items.isNull else { return }
        guard case .sequence(let list) = items.value else {
            result.hasUnknownObjects = true
            return context.at("items") { $0.failType(items, expected: "a list") }
        }
        context.path.components.append(.field("items"))
        for (index, item) in list.enumerated() {
            context.path.components.append(.index(index))
            object(item, listKind: itemType)
            context.path.components.removeLast()
        }
        context.path.components.removeLast()
    }

    /// Whether `type` is exactly a kind and version that Bulkhead reads. A version that is not served is an error; the
    /// same kind name in another group is another kind.
    private mutating func isOurs(_ kind: ObjectKind, _ type: TypeName, _ node: DocumentNode) -> Bool {
        let wanted = kind.apiVersion
        if kind.apiVersions.contains(type.apiVersion) { return true }
        guard Self.groups(of: kind).contains(type.group) else { return false }
        context.at("apiVersion") {
            $0.fail(
                node["apiVersion"] ?? node,
                "'\(type.apiVersion.boundedForMessage)' does not serve \(kind.rawValue)",
                hint: "write apiVersion: \(wanted)")
        }
        noteKey(of: node, kind)
        return false
    }

    /// The groups in which a kind of this name is Bulkhead's; `extensions` once served NetworkPolicy.
    private static func groups(of kind: ObjectKind) -> Set<Substring> {
        switch kind {
        case .pod, .namespace, .node: [""]
        case .networkPolicy: ["", "networking.k8s.io", "extensions"]
        case .clusterNetworkPolicy, .adminNetworkPolicy, .baselineAdminNetworkPolicy:
            ["", "policy.networking.k8s.io", "networking.k8s.io"]
        case .authorizationPolicy: ["", "security.istio.io"]
        }
    }

    private mutating func noteKey(of node: DocumentNode, _ kind: ObjectKind) {
        objectCount += 1
        if let key = ObjectKey(named: node, kind) { result.keys.append(key) }
    }

    // MARK: What only an analysis needs

    private mutating func extractPolicy(_ node: DocumentNode, _ kind: ObjectKind) {
        result.extract?.policies.append(
            PolicyDocument(
                key: ObjectKey(named: node, kind), file: context.file, document: context.document, node: node))
    }

    /// Whether the document runs pods, and that matters.
    private mutating func extractWorkload(_ node: DocumentNode, _ type: TypeName) -> Bool {
        guard result.extract != nil, let kind = WorkloadKind(rawValue: type.kind), kind.groups.contains(type.group)
        else { return false }
        let (template, errors) = context.catching { WorkloadTemplate.decode(node, kind: kind, in: &$0) }
        result.errors += errors
        if let template, errors.isEmpty { result.extract?.workloads.append(template) }
        return true
    }

    /// Records a document of a kind that Bulkhead does not read. If one of Bulkhead's kinds was meant, it is an error:
    /// what it should have protected would be open.
    private mutating func passOver(_ node: DocumentNode, _ type: TypeName, sameName: ObjectKind? = nil) {
        if let mistake = KnownKinds.mistake(in: type.kind, of: type.group, sameName: sameName) {
            result.hasUnknownObjects = true
            return context.at(mistake.isOfGroup ? "apiVersion" : "kind") {
                $0.fail(
                    node[mistake.isOfGroup ? "apiVersion" : "kind"] ?? node,
                    mistake.isOfGroup
                        ? "'\(type.apiVersion.boundedForMessage)' has no \(type.kind)"
                        : "there is no kind '\(type.kind.boundedForMessage)' in \(type.apiVersion.boundedForMessage)",
                    hint: mistake.hint)
            }
        }
        if type.kind == "Service", type.group.isEmpty, let service = Service(node) { result.services.append(service) }
        let metadata = node["metadata"]
        let name = [metadata?["namespace"]?.string, metadata?["name"]?.string].compactMap(\.self).joined(separator: "/")
        result.notices.append(
            ManifestNotice(
                file: context.file, document: context.document, line: node.line, column: node.column,
                reason: KnownKinds.isForeignPolicy(type.kind, of: type.group) ? .notEnforced : .ignored,
                apiVersion: type.apiVersion.boundedForMessage, kind: type.kind.boundedForMessage,
                name: name.boundedForMessage))
    }
}

extension DecodedDocument {
    /// Nothing of it counts; what is written stays readable.
    fileprivate mutating func refuse() {
        items = []
        extract?.workloads = []
        extract?.owners = [:]
        for index in extract?.policies.indices ?? 0..<0 { extract?.policies[index].isRefused = true }
    }
}

extension ObjectKey {
    /// As far as a document names its object, which need not be valid. Nil: it does not.
    fileprivate init?(named node: DocumentNode, _ kind: ObjectKind) {
        guard let metadata = node["metadata"], let name = metadata["name"]?.string, !name.isEmpty else { return nil }
        let namespace = metadata["namespace"]?.string ?? ""
        let isNamespaced = NamingRule.of(kind).isNamespaced
        self.init(kind: kind, namespace: isNamespaced ? (namespace.isEmpty ? "default" : namespace) : "", name: name)
    }
}

extension ManifestNotice {
    /// A valid part of an object that cannot be carried out.
    fileprivate init(_ part: ManifestError, of object: KubernetesObject, _ apiVersion: String) {
        let metadata = object.metadata
        self.init(
            file: part.file, document: part.document, line: part.line, column: part.column, reason: .notEnforced,
            apiVersion: apiVersion, kind: object.kind.rawValue, name: "\(metadata.namespace)/\(metadata.name)",
            detail: "\(part.path): \(part.reason)")
    }
}
