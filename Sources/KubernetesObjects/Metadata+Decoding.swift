// SPDX-License-Identifier: Apache-2.0
import Documents

/// Whether objects of a kind have a namespace, and which names they may have.
struct NamingRule {
    var isNamespaced: Bool
    var checkName: (String) -> String?

    static func of(_ kind: ObjectKind) -> NamingRule {
        switch kind {
        case .pod, .networkPolicy, .authorizationPolicy:
            NamingRule(isNamespaced: true, checkName: NameRules.dnsSubdomain)
        case .namespace: NamingRule(isNamespaced: false, checkName: NameRules.dnsLabel)
        case .node, .clusterNetworkPolicy, .adminNetworkPolicy, .baselineAdminNetworkPolicy:
            NamingRule(isNamespaced: false, checkName: NameRules.dnsSubdomain)
        }
    }
}

extension ObjectMeta {
    /// All fields of metav1.ObjectMeta.
    static let knownFields = [
        "name", "generateName", "namespace", "selfLink", "uid", "resourceVersion", "generation",
        "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "labels", "annotations",
        "ownerReferences", "finalizers", "managedFields",
    ]

    static func decode(_ document: DocumentNode, kind: ObjectKind, in context: inout DecodingContext) -> ObjectMeta {
        var meta = ObjectMeta(name: "", namespace: NamingRule.of(kind).isNamespaced ? "default" : "")
        let (_, unknown) = context.sentences { context in
            context.required("metadata", of: document) { context, node -> Void? in
                guard context.mapping(node) != nil else { return nil }
                meta.decodeNames(node, kind: kind, in: &context)
                meta.labels = context.field("labels", of: node) { $0.labels($1) } ?? [:]
                meta.uid = context.field("uid", of: node) { $0.string($1) } ?? ""
                meta.createdAt = context.field("creationTimestamp", of: node) { $0.timestamp($1) } ?? 0
                return ()
            }
        }
        // An object without a name cannot be distinguished from others, whatever its source.
        if !unknown.isEmpty, meta.name.isEmpty { context.fail(document, "has no name: \(unknown[0])") }
        return meta
    }

    private mutating func decodeNames(_ node: DocumentNode, kind: ObjectKind, in context: inout DecodingContext) {
        let rule = NamingRule.of(kind)
        let nameHint = node["generateName"] == nil ? nil : "generateName works only through the API server"
        name =
            context.required("name", of: node, hint: nameHint) { context, node in
                guard let name = context.string(node) else { return nil }
                if let problem = rule.checkName(name) { context.failIfStrict(node, problem) }
                return name
            } ?? ""
        let written =
            context.field("namespace", of: node) { context, node -> String? in
                guard let text = context.string(node), !text.isEmpty else { return nil }
                if !rule.isNamespaced {
                    context.failIfStrict(node, "\(kind.withArticle) has no namespace")
                } else if let problem = NameRules.dnsLabel(text) {
                    context.failIfStrict(node, problem)
                }
                return text
            }
        if rule.isNamespaced, let written { namespace = written }
    }

    /// Additional checks of policies in strict mode: unknown fields, and the types of fields without effect here.
    static func refuseUnknown(_ document: DocumentNode, in context: inout DecodingContext) {
        guard context.mode == .strict else { return }
        _ = context.field("metadata", of: document) { context, node -> Void? in
            context.refuseUnknownFields(of: node, known: knownFields)
            _ = context.field("annotations", of: node) { context, node -> Void? in
                guard let entries = context.mapping(node) else { return nil }
                for entry in entries { _ = context.at(entry.key) { $0.string(entry.value) } }
                return ()
            }
            for field in ["ownerReferences", "finalizers", "managedFields"] {
                _ = context.field(field, of: node) { $0.list($1) { _, _ in () } }
            }
            for field in ["generateName", "selfLink", "resourceVersion", "deletionTimestamp"] {
                _ = context.field(field, of: node) { $0.string($1) }
            }
            return ()
        }
    }
}

extension DecodingContext {
    fileprivate mutating func timestamp(_ node: DocumentNode) -> Int64? {
        guard let text = string(node) else { return nil }
        guard let seconds = Timestamp.seconds(text) else {
            fail(node, "'\(text.boundedForMessage)' is not a timestamp like 2006-01-02T15:04:05Z")
            return nil
        }
        return seconds
    }
}
