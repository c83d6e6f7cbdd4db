// SPDX-License-Identifier: Apache-2.0
import Documents
import PolicyModel

extension LabelSelector {
    /// `explain`: explains unknown fields.
    static func decode(
        _ node: DocumentNode, in context: inout DecodingContext,
        explain: (DocumentNode.Entry) -> MisplacedField.Explanation? = MisplacedField.inSelector
    ) -> LabelSelector? {
        guard let entries = context.mapping(node) else { return nil }
        context.refuseUnknownFields(of: node, known: MisplacedField.selectorFields, explain: explain)
        var selector = LabelSelector()
        guard !entries.isEmpty else { return selector }
        selector.matchLabels =
            context.field("matchLabels", of: node) { $0.labels($1, misplaced: MisplacedField.inLabels) } ?? [:]
        selector.matchExpressions =
            context.field("matchExpressions", of: node) { context, node in
                context.list(node) { LabelRequirement.decode($1, in: &$0) }
            } ?? []
        return selector
    }
}

extension LabelRequirement {
    fileprivate static func decode(_ node: DocumentNode, in context: inout DecodingContext) -> LabelRequirement? {
        guard context.mapping(node) != nil else { return nil }
        context.refuseUnknownFields(of: node, known: ["key", "operator", "values"])
        let key = context.required("key", of: node) { context, node -> String? in
            guard let key = context.string(node) else { return nil }
            if let problem = NameRules.labelKey(key) { context.failIfStrict(node, problem) }
            return key
        }
        let `operator` = context.required("operator", of: node) { $0.selectorOperator($1) }
        let values =
            context.field("values", of: node) { context, node in
                context.list(node) { context, item -> String? in
                    guard let value = context.string(item) else { return nil }
                    if let problem = NameRules.labelValue(value) { context.failIfStrict(item, problem) }
                    return value
                }
            } ?? []
        guard let key, let `operator` else { return nil }
        checkCount(of: values, for: `operator`, node, in: &context)
        return LabelRequirement(key: key, operator: `operator`, values: values)
    }

    private static func checkCount(
        of values: [String], for operator: Operator, _ node: DocumentNode, in context: inout DecodingContext
    ) {
        let written = node["values"]
        context.at("values") { context in
            switch `operator` {
            case .in, .notIn:
                // Items with errors of their own are not missing.
                if values.isEmpty, written?.isEmpty ?? true {
                    context.fail(written ?? node, "operator \(`operator`.rawValue) needs values")
                }
            case .exists, .doesNotExist:
                if !values.isEmpty {
                    context.fail(written ?? node, "operator \(`operator`.rawValue) must have no values")
                }
            }
        }
    }
}

extension DecodingContext {
    fileprivate mutating func selectorOperator(_ node: DocumentNode) -> LabelRequirement.Operator? {
        guard let text = string(node) else { return nil }
        if let known = LabelRequirement.Operator(rawValue: text) { return known }
        let names = ["In", "NotIn", "Exists", "DoesNotExist"]
        fail(
            node, "unknown operator '\(text.boundedForMessage)': use In, NotIn, Exists or DoesNotExist",
            hint: NearestName.find(text, among: names).map { "did you mean \($0)?" })
        return nil
    }
}
