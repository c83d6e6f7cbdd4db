// SPDX-License-Identifier: Apache-2.0
import Documents
import PolicyModel

// The checks are those of Istio's own validation, and some that keep a policy from matching less than its author
// meant. A part that is not understood is closed; see `unknown` of each part.

extension AuthorizationPolicy {
    private static let knownFields = ["apiVersion", "kind", "metadata", "spec", "status"]

    /// The annotation by which Istio tries a policy out.
    public static let dryRunAnnotation = "istio.io/dry-run"

    /// In lenient mode, and in both modes for what cannot be known here, a part lands in `unknown` and is closed.
    static func decode(_ document: DocumentNode, in context: inout DecodingContext) -> AuthorizationPolicy {
        if context.mode == .strict {
            context.refuseUnknownFields(
                of: document, known: knownFields, explain: MisplacedAuthorizationField.inDocument)
        }
        ObjectMeta.refuseUnknown(document, in: &context)
        var policy = AuthorizationPolicy(metadata: .decode(document, kind: .authorizationPolicy, in: &context))
        (policy.enforcement, policy.unknownAnnotations) = context.sentences { context in
            let own = Enforcement.decode(document, in: &context)
            return isDryRun(document, in: &context) ? .audit : own
        }
        let (_, unknown) = context.sentences { context in
            context.field("spec", of: document) { context, spec -> Void? in
                guard context.mapping(spec) != nil else { return nil }
                policy.decodeSpec(spec, in: &context)
                return ()
            }
        }
        policy.unknown = unknown + policy.unknown
        return policy
    }

    private static func isDryRun(_ document: DocumentNode, in context: inout DecodingContext) -> Bool {
        guard let value = document["metadata"]?["annotations"]?[dryRunAnnotation], let text = value.string else {
            return false
        }
        switch text {
        case "1", "t", "T", "TRUE", "true", "True": return true
        case "0", "f", "F", "FALSE", "false", "False": return false
        default:
            let path = context.path
            context.path = FieldPath(
                path.components + [.field("metadata"), .field("annotations"), .field(dryRunAnnotation)])
            context.fail(value, "'\(text.boundedForMessage)' is neither true nor false", hint: #"write "true""#)
            context.path = path
            return false
        }
    }

    private mutating func decodeSpec(_ spec: DocumentNode, in context: inout DecodingContext) {
        let path = context.path
        context.refuseUnknownFields(of: spec, known: MisplacedAuthorizationField.specFields) {
            MisplacedAuthorizationField.inSpec($0, of: spec, at: path)
        }
        action = context.field("action", of: spec) { Self.action($1, in: &$0) } ?? action
        if let provider = spec["provider"], !provider.isNull, spec["action"]?.string != "CUSTOM" {
            context.at("provider") { $0.failIfStrict(provider, "belongs to the action CUSTOM alone") }
        }
        selector = context.field("selector", of: spec) { Self.selector($1, in: &$0) } ?? LabelSelector()
        decodeTargets(spec, in: &context)
        let action = action
        rules =
            context.field("rules", of: spec) { context, node in
                context.list(node) { AuthorizationRule.decode($1, action, in: &$0) }
            } ?? []
        if spec["action"]?.string == Action.deny.rawValue, spec["rules"]?.isEmpty ?? true {
            context.at("rules") {
                $0.failIfStrict(
                    spec["rules"] ?? spec, "a policy with the action DENY and no rules denies nothing",
                    hint: "write 'rules: [{}]' to deny everything")
            }
        }
    }

    /// Nil if missing. What is unknown in lenient mode, and CUSTOM, denies whatever the rules match.
    private static func action(_ node: DocumentNode, in context: inout DecodingContext) -> Action? {
        guard let text = context.string(node) else { return .deny }
        if let known = Action(rawValue: text) { return known }
        let names = ["ALLOW", "DENY", "AUDIT"]
        if text == "CUSTOM" {
            context.fail(
                node, "the action CUSTOM asks an external authorizer, which Bulkhead does not support",
                hint: "use ALLOW, DENY or AUDIT")
        } else {
            context.fail(
                node, "action '\(text.boundedForMessage)' is unknown: use ALLOW, DENY or AUDIT",
                hint: NearestName.find(text, among: names).map { "did you mean \($0)?" })
        }
        return .deny
    }

    /// Labels that must be equal: Istio's selector has no expressions.
    private static func selector(_ node: DocumentNode, in context: inout DecodingContext) -> LabelSelector? {
        guard context.mapping(node) != nil else { return nil }
        context.refuseUnknownFields(
            of: node, known: ["matchLabels"], explain: MisplacedAuthorizationField.inSelector)
        let labels = context.field("matchLabels", of: node) {
            $0.labels($1, misplaced: MisplacedAuthorizationField.inLabels)
        }
        return LabelSelector(matchLabels: labels ?? [:])
    }

    private mutating func decodeTargets(_ spec: DocumentNode, in context: inout DecodingContext) {
        let written = ["targetRef", "targetRefs"].filter { spec[$0].map { !$0.isNull } ?? false }
        guard let field = written.first, let node = spec[field] else { return }
        let others = written.dropFirst() + (spec["selector"].map { !$0.isNull } ?? false ? ["selector"] : [])
        context.at(field) { context in
            if let other = others.first { context.fail(node, "may not be given beside \(other)") }
            if field == "targetRef" {
                targets = AuthorizationTarget.decode(node, in: &context).map { [$0] } ?? []
            } else {
                if case .sequence(let items) = node.value, items.count > 16 {
                    context.failIfStrict(node, "has \(items.count) items, more than 16")
                }
                targets = context.wholeItems(node) { AuthorizationTarget.decode($1, in: &$0) }
            }
            guard !node.isEmpty else { return }
            let effect =
                action == .allow
                ? "it allows nothing to any pod of its namespace" : "its rules apply to every pod of its namespace"
            unknown.append(
                context.disregard(node, "there is no gateway or waypoint that the policy could apply to: \(effect)"))
        }
        selector = LabelSelector()
    }
}

extension AuthorizationTarget {
    fileprivate static func decode(_ node: DocumentNode, in context: inout DecodingContext) -> AuthorizationTarget? {
        guard context.mapping(node) != nil else { return nil }
        context.refuseUnknownFields(of: node, known: ["group", "kind", "name", "namespace"])
        if let namespace = node["namespace"], !namespace.isEmpty {
            context.at("namespace") { $0.failIfStrict(namespace, "a target is always of the policy's own namespace") }
        }
        let group = context.field("group", of: node) { $0.string($1) } ?? ""
        let kind = context.required("kind", of: node) { $0.filledString($1) }
        let name = context.required("name", of: node) { $0.filledString($1) }
        guard let kind, let name else { return nil }
        return AuthorizationTarget(group: group, kind: kind, name: name)
    }
}
