// SPDX-License-Identifier: Apache-2.0
import Documents
import NetworkTypes
import PolicyModel

// policy.networking.k8s.io: v1alpha2 ClusterNetworkPolicy, v1alpha1 AdminNetworkPolicy and BaselineAdminNetworkPolicy.
// The checks are those of their CRDs; what the CRDs leave to the controller (operators and labels of selectors, names
// of ports) is checked as for NetworkPolicy.

extension TierPolicy {
    private static let knownFields = ["apiVersion", "kind", "metadata", "spec", "status"]

    /// Nil, with errors, if its pods or its priority are unclear. In lenient mode a rule with parts that are not
    /// understood is closed; see ``TierRule/unknown``.
    static func decode(
        _ document: DocumentNode, kind: Kind, in context: inout DecodingContext
    ) -> TierPolicy? {
        let dialect = TierDialect(kind: kind)
        if context.mode == .strict {
            context.refuseUnknownFields(of: document, known: knownFields) {
                MisplacedTierField.inDocument($0, dialect)
            }
        }
        ObjectMeta.refuseUnknown(document, in: &context)
        let metadata = ObjectMeta.decode(document, kind: kind.objectKind, in: &context)
        checkBaselineName(of: document, kind, in: &context)
        let (enforcement, unknown) = context.sentences { Enforcement.decode(document, in: &$0) }
        return context.required("spec", of: document) { context, spec in
            guard context.mapping(spec) != nil else { return nil }
            var policy = head(spec, metadata, dialect, in: &context)
            policy.enforcement = enforcement
            policy.unknown = unknown
            policy.decodeRules(spec, dialect, in: &context)
            return policy
        }
    }

    private static func checkBaselineName(
        of document: DocumentNode, _ kind: Kind, in context: inout DecodingContext
    ) {
        guard kind == .baselineAdminNetworkPolicy, let node = document["metadata"]?["name"], let name = node.string,
            !name.isEmpty, name != "default"
        else { return }
        context.at("metadata") { context in
            context.at("name") { $0.failIfStrict(node, "a BaselineAdminNetworkPolicy must be named 'default'") }
        }
    }

    /// Everything except the rules. An error here refuses the object in lenient mode too.
    private static func head(
        _ spec: DocumentNode, _ metadata: ObjectMeta, _ dialect: TierDialect, in context: inout DecodingContext
    ) -> TierPolicy {
        let tier: Tier? =
            switch dialect.kind {
            case .clusterNetworkPolicy: context.required("tier", of: spec) { $0.tier($1) }
            case .adminNetworkPolicy: .admin
            case .baselineAdminNetworkPolicy: .baseline
            }
        let priority: Int32? =
            dialect.kind == .baselineAdminNetworkPolicy ? 0 : context.required("priority", of: spec) { $0.priority($1) }
        let subject = context.required("subject", of: spec) { context, node -> PodSelection? in
            let field = context.oneOf(
                ["namespaces", "pods"], of: node, "a subject", explain: MisplacedTierField.inSubject)
            return field.flatMap { PodSelection.decode(field: $0, of: node, dialect, in: &context) }
        }
        return TierPolicy(
            kind: dialect.kind, metadata: metadata, tier: tier ?? .admin, priority: priority ?? 0,
            subject: subject ?? PodSelection())
    }

    private mutating func decodeRules(
        _ spec: DocumentNode, _ dialect: TierDialect, in context: inout DecodingContext
    ) {
        let (_, unknown) = context.sentences { context in
            context.refuseUnknownFields(of: spec, known: dialect.specFields) { MisplacedTierField.inSpec($0, dialect) }
        }
        ingress = TierRule.decodeAll(of: spec, .ingress, dialect, in: &context)
        egress = TierRule.decodeAll(of: spec, .egress, dialect, in: &context)
        guard !unknown.isEmpty else { return }
        self.unknown += unknown
        for index in ingress.indices { ingress[index].close(unknown) }
        for index in egress.indices { egress[index].close(unknown) }
    }
}

extension PodSelection {
    /// `field`: `namespaces` or `pods`, whichever `node` has.
    static func decode(
        field: String, of node: DocumentNode, _ dialect: TierDialect, in context: inout DecodingContext
    ) -> PodSelection? {
        context.required(field, of: node) { context, value in
            if field == "namespaces" {
                return LabelSelector.decode(value, in: &context, explain: MisplacedTierField.inNamespaces)
                    .map { PodSelection(namespaces: $0) }
            }
            guard context.mapping(value) != nil else { return nil }
            context.refuseUnknownFields(
                of: value, known: ["namespaceSelector", "podSelector"], explain: MisplacedTierField.inPods)
            let namespaces =
                dialect.isV1Alpha2
                ? context.field("namespaceSelector", of: value) { LabelSelector.decode($1, in: &$0) }
                : context.required("namespaceSelector", of: value, hint: Self.everyHint("namespaceSelector")) {
                    LabelSelector.decode($1, in: &$0)
                }
            let pods = context.required("podSelector", of: value, hint: Self.everyHint("podSelector")) {
                LabelSelector.decode($1, in: &$0)
            }
            return PodSelection(namespaces: namespaces ?? LabelSelector(), pods: pods ?? LabelSelector())
        }
    }

    private static func everyHint(_ field: String) -> String {
        "write '\(field): {}' for every \(field == "podSelector" ? "pod" : "namespace")"
    }
}

extension DecodingContext {
    fileprivate mutating func tier(_ node: DocumentNode) -> TierPolicy.Tier? {
        guard let text = string(node) else { return nil }
        if let tier = TierPolicy.Tier(rawValue: text) { return tier }
        fail(
            node, "tier '\(text.boundedForMessage)' is unknown: use Admin or Baseline",
            hint: NearestName.find(text, among: ["Admin", "Baseline"]).map { "did you mean \($0)?" })
        return nil
    }

    fileprivate mutating func priority(_ node: DocumentNode) -> Int32? {
        guard case .integer(let number) = node.value else {
            failType(node, expected: "a whole number")
            return nil
        }
        guard let priority = Int32(exactly: number) else {
            fail(node, "priority \(number) is not in 0...1000")
            return nil
        }
        if !(0...1000).contains(priority) { failIfStrict(node, "priority \(number) is not in 0...1000") }
        return priority
    }

    /// The one of `fields` that a mapping has; an error and nil if it has none, several or others.
    mutating func oneOf(
        _ fields: [String], of node: DocumentNode, _ what: String,
        explain: (DocumentNode.Entry) -> MisplacedField.Explanation?
    ) -> String? {
        guard mapping(node) != nil else { return nil }
        let before = failureCount
        refuseUnknownFields(of: node, known: fields, explain: explain)
        let present = fields.filter { !(node[$0]?.isNull ?? true) }
        if present.count > 1 {
            let all = present.dropLast().joined(separator: ", ") + " and " + present[present.count - 1]
            fail(node, "\(what) must have only one of \(fields.inWords), it has \(all)")
        } else if present.isEmpty, failureCount == before {
            let null = fields.first { node[$0] != nil }
            fail(
                node, "\(what) needs one of \(fields.inWords)",
                hint: null.map { "'\($0):' without content selects nothing: write '\($0): {}' for all of them" })
        }
        return failureCount == before ? present.first : nil
    }
}
