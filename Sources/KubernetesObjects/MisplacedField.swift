// SPDX-License-Identifier: Apache-2.0
import Documents

/// Explains a NetworkPolicy field in the wrong position, most often because of its indentation.
enum MisplacedField {
    typealias Explanation = (reason: String, hint: String?)

    static let specFields = ["podSelector", "ingress", "egress", "policyTypes"]
    static let peerFields = ["podSelector", "namespaceSelector", "ipBlock"]
    static let selectorFields = ["matchLabels", "matchExpressions"]

    static func inDocument(_ entry: DocumentNode.Entry) -> Explanation? {
        specFields.contains(entry.key) ? ("unknown field", "\(entry.key) belongs under spec: indent it") : nil
    }

    static func inSpec(_ entry: DocumentNode.Entry, of spec: DocumentNode, at path: FieldPath) -> Explanation? {
        switch entry.key {
        case "matchLabels", "matchExpressions": besideSelector(entry.key, of: spec, at: path)
        case "from", "to", "ports":
            ("unknown field", "\(entry.key) belongs to a rule: '\(entry.key == "to" ? "egress" : "ingress"): - …'")
        case "namespaceSelector": ("unknown field", "a policy selects only pods of its own namespace")
        default: nil
        }
    }

    static func inRule(
        _ entry: DocumentNode.Entry, of rule: DocumentNode, _ direction: PolicyType
    ) -> Explanation? {
        let peers = direction == .ingress ? "from" : "to"
        switch entry.key {
        case "from", "to":
            return ("unknown field", "a rule of \(direction == .ingress ? "ingress" : "egress") has '\(peers)'")
        case "podSelector", "namespaceSelector", "ipBlock":
            return ("unknown field", "\(entry.key) belongs to a peer: '\(peers): - \(entry.key): …'")
        case "port", "protocol", "endPort":
            return ("unknown field", "\(entry.key) belongs under ports: 'ports: - \(entry.key): …'")
        case "matchLabels", "matchExpressions":
            return ("unknown field", "\(entry.key) belongs inside the podSelector of a peer: indent it")
        default: return nil
        }
    }

    static func inPeer(_ entry: DocumentNode.Entry, of peer: DocumentNode, at path: FieldPath) -> Explanation? {
        switch entry.key {
        case "matchLabels", "matchExpressions": besideSelector(entry.key, of: peer, at: path)
        case "ports", "port", "protocol":
            ("unknown field", "ports belong to the rule: give 'ports' the indentation of 'from' or 'to'")
        case "cidr", "except": ("unknown field", "\(entry.key) belongs inside ipBlock: indent it")
        default: nil
        }
    }

    static func inSelector(_ entry: DocumentNode.Entry) -> Explanation? {
        if let hint = inLabels[entry.key] { return ("unknown field", hint) }
        guard entry.value.string != nil, NearestName.find(entry.key, among: selectorFields) == nil else { return nil }
        return ("unknown field", "labels belong under matchLabels")
    }

    /// Fields that end up among labels if they are indented too far.
    static let inLabels: [String: String] = {
        var hints: [String: String] = [:]
        for field in ["policyTypes", "ingress", "egress"] {
            hints[field] = "\(field) belongs directly under spec: give it the indentation of podSelector"
        }
        for field in ["from", "to", "ports"] { hints[field] = "\(field) belongs to a rule of ingress or egress" }
        for field in peerFields { hints[field] = "\(field) is indented too far" }
        for field in selectorFields {
            hints[field] = "\(field) is indented too far: it belongs directly under the selector"
        }
        return hints
    }()

    /// matchLabels next to its selector instead of inside it: as written, that selector selects everything.
    private static func besideSelector(_ key: String, of node: DocumentNode, at path: FieldPath) -> Explanation {
        let selectors = ["podSelector", "namespaceSelector"]
        let empty = selectors.first { node[$0]?.isEmpty == true }
        let selector = empty ?? selectors.first { node[$0] != nil } ?? "podSelector"
        let what = selector == "podSelector" ? "pod" : "namespace"
        let hint =
            empty == nil
            ? "indent \(key) under \(selector)"
            : "indent \(key) under \(selector); as written \(selector) is empty and would select every \(what)"
        let selectorPath = path.appending(.field(selector))
        return ("unknown field: \(key) is next to \(selectorPath), not inside it", hint)
    }

    /// Labels next to their selector are also read, to find errors in them.
    static func lookInside(selectorPartsOf node: DocumentNode, in context: inout DecodingContext) {
        guard let labels = node["matchLabels"], case .mapping = labels.value else { return }
        _ = context.at("matchLabels") { $0.labels(labels, misplaced: inLabels) }
    }
}
