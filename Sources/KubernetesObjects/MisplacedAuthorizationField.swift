// SPDX-License-Identifier: Apache-2.0
import Documents

/// Explains a field that an AuthorizationPolicy does not have at its position: indented wrongly, or NetworkPolicy's.
enum MisplacedAuthorizationField {
    typealias Explanation = MisplacedField.Explanation

    static let specFields = ["selector", "targetRef", "targetRefs", "rules", "action", "provider"]
    private static let ruleFields = ["from", "to", "when"]

    static func inDocument(_ entry: DocumentNode.Entry) -> Explanation? {
        specFields.contains(entry.key) ? ("unknown field", "\(entry.key) belongs under spec: indent it") : nil
    }

    static func inSpec(_ entry: DocumentNode.Entry, of spec: DocumentNode, at path: FieldPath) -> Explanation? {
        switch entry.key {
        case "matchLabels":
            guard let selector = spec["selector"], selector.isEmpty else {
                return ("unknown field", "matchLabels belongs inside selector")
            }
            return (
                "unknown field: matchLabels is next to \(path.appending(.field("selector"))), not inside it",
                "indent matchLabels under selector; as written selector is empty and would select every pod"
            )
        case "podSelector": return ("unknown field", "an AuthorizationPolicy calls it selector")
        case "from", "to", "when":
            return ("unknown field", "\(entry.key) belongs to a rule: 'rules: - \(entry.key): …'")
        case "source", "operation": return ("unknown field", "\(entry.key) belongs to a rule: \(place(of: entry.key))")
        case "ingress", "egress", "policyTypes":
            return ("unknown field", "an AuthorizationPolicy has rules, which hold for traffic into the pods")
        default: return nil
        }
    }

    static func inRule(_ entry: DocumentNode.Entry) -> Explanation? {
        switch entry.key {
        case "source", "operation": ("unknown field", "write \(place(of: entry.key))")
        case "principals", "namespaces", "serviceAccounts", "ipBlocks", "notPrincipals", "notNamespaces",
            "notServiceAccounts", "notIpBlocks", "requestPrincipals", "remoteIpBlocks":
            ("unknown field", "\(entry.key) belongs to a source: 'from: - source: {\(entry.key): …}'")
        case "ports", "hosts", "methods", "paths", "notPorts", "notHosts", "notMethods", "notPaths":
            ("unknown field", "\(entry.key) belongs to an operation: 'to: - operation: {\(entry.key): …}'")
        case "key", "values", "notValues":
            ("unknown field", "\(entry.key) belongs to a condition: 'when: - key: …'")
        case "action": ("unknown field", "the action is the policy's: give it the indentation of rules")
        default: nil
        }
    }

    static func inSource(_ entry: DocumentNode.Entry) -> Explanation? {
        switch entry.key {
        case "podSelector", "namespaceSelector":
            ("unknown field", "a source is an identity or an address: use principals, namespaces or ipBlocks")
        case "ports", "hosts", "methods", "paths":
            ("unknown field", "\(entry.key) belongs to an operation: 'to: - operation: {\(entry.key): …}'")
        default: nil
        }
    }

    static func inOperation(_ entry: DocumentNode.Entry) -> Explanation? {
        switch entry.key {
        case "principals", "namespaces", "serviceAccounts", "ipBlocks":
            ("unknown field", "\(entry.key) belongs to a source: 'from: - source: {\(entry.key): …}'")
        case "headers", "header":
            ("unknown field", "write 'when: - {key: \"request.headers[NAME]\", values: […]}'")
        default: nil
        }
    }

    static func inSelector(_ entry: DocumentNode.Entry) -> Explanation? {
        if entry.key == "matchExpressions" {
            return ("unknown field", "an AuthorizationPolicy selects by matchLabels alone")
        }
        if let hint = inLabels[entry.key] { return ("unknown field", hint) }
        guard entry.value.string != nil, NearestName.find(entry.key, among: ["matchLabels"]) == nil else { return nil }
        return ("unknown field", "labels belong under matchLabels")
    }

    /// Fields that end up among labels if they are indented too far.
    static let inLabels: [String: String] = {
        var hints: [String: String] = ["matchLabels": "matchLabels is indented too far"]
        for field in ["rules", "action", "provider"] {
            hints[field] = "\(field) belongs directly under spec: give it the indentation of selector"
        }
        for field in ruleFields { hints[field] = "\(field) belongs to a rule" }
        return hints
    }()

    private static func place(of field: String) -> String {
        field == "source" ? "'from: - source: …'" : "'to: - operation: …'"
    }
}
