// SPDX-License-Identifier: Apache-2.0
import Documents
import Findings
import KubernetesObjects

/// Checks of one policy's document as it is written.
struct TextChecks {
    let object: LintObject

    init(_ object: LintObject) { self.object = object }

    var findings: [Finding] {
        let misplaced = misplacedSelectors(in: object.node, at: FieldPath())
        // The decoder reports the same mistakes as unknown fields.
        let refusals = object.refusals.filter { error in
            let path = error.path.description
            return !misplaced.contains { $0.place?.line == error.line || (!path.isEmpty && $0.field.hasPrefix(path)) }
        }
        var found = misplaced + refusals.map { PolicyLint.refused($0, object: object.label) }
        found += deadDirections + emptyPeers + alternatives + separateRules + unknownSuppressions
        found += BlockChecks(object).findings
        return found
    }

    // MARK: Selectors

    private static let selectors: Set = ["podSelector", "namespaceSelector", "selector"]
    private static let selectorFields: Set = ["matchLabels", "matchExpressions"]

    private func misplacedSelectors(in node: DocumentNode, at path: FieldPath) -> [Finding] {
        var found: [Finding] = []
        let siblings = Set(node.entries.map(\.key))
        let beside = Self.selectors.intersection(siblings).sorted()
        for entry in node.entries {
            let inside = path.appending(.field(entry.key))
            if Self.selectorFields.contains(entry.key),
                let selector = beside.first(where: { node[$0]?.isEmpty ?? true })
            {
                found.append(
                    object.finding(
                        .misplacedSelector,
                        "\(entry.key) is next to \(selector), not inside it: \(selector) is empty and selects "
                            + "\(everything(selector)).",
                        at: inside, fix: "Indent \(entry.key) under \(selector)."))
            }
            if Self.selectors.contains(entry.key), let label = bareLabel(in: entry.value) {
                found.append(
                    object.finding(
                        .misplacedSelector,
                        "\(entry.key) has the label \(label) directly, not under matchLabels: API servers drop it, and "
                            + "\(entry.key) selects \(everything(entry.key)).",
                        at: inside.appending(.field(label)), fix: "Write 'matchLabels:' above the label and indent it.")
                )
            }
            found += misplacedSelectors(in: entry.value, at: inside)
        }
        for (index, item) in node.items.enumerated() {
            found += misplacedSelectors(in: item, at: path.appending(.index(index)))
        }
        return found
    }

    private func everything(_ selector: String) -> String {
        selector == "namespaceSelector" ? "every namespace" : "every pod"
    }

    /// A label of a selector that has nothing else.
    private func bareLabel(in selector: DocumentNode) -> String? {
        let keys = selector.entries.map(\.key)
        guard !keys.contains(where: { Self.selectorFields.contains($0) }) else { return nil }
        return selector.entries.first { $0.value.string != nil }?.key
    }

    // MARK: Rules

    /// Rules of a direction that `policyTypes` leaves out.
    private var deadDirections: [Finding] {
        guard object.kind == "NetworkPolicy", let spec = object.node["spec"], let types = spec["policyTypes"],
            !types.items.isEmpty
        else { return [] }
        let written = Set(types.items.compactMap { $0.string?.lowercased() })
        return PolicyDirectionName.allCases.compactMap { direction in
            let rules = spec[direction.rawValue]?.items ?? []
            // Rules that allow everything change nothing where nothing is restricted.
            guard !written.contains(direction.rawValue), rules.contains(where: { !$0.isEmpty }) else { return nil }
            let name = direction == .ingress ? "Ingress" : "Egress"
            return object.finding(
                .deadDirection,
                "The \(direction.rawValue) rules have no effect, because policyTypes does not have \(name): this policy "
                    + "does not restrict \(direction.rawValue).",
                at: .rules(direction), fix: "Add \(name) to policyTypes, or remove the \(direction.rawValue) rules.")
        }
    }

    /// `from: []`, which means the same as no `from`.
    private var emptyPeers: [Finding] {
        guard object.kind == "NetworkPolicy" else { return [] }
        return rules.compactMap { direction, index, rule in
            guard case .sequence(let items)? = rule[direction.peers]?.value, items.isEmpty else { return nil }
            let path = FieldPath.rules(direction).appending(.index(index)).appending(.field(direction.peers))
            return object.finding(
                .emptyPeers, "'\(direction.peers): []' allows every peer, in the cluster and outside it.", at: path,
                fix: "Leave out '\(direction.peers)' if every peer is meant; remove the rule if none is.")
        }
    }

    private var rules: [(PolicyDirectionName, Int, DocumentNode)] {
        PolicyDirectionName.allCases.flatMap { direction in
            (object.node["spec"]?[direction.rawValue]?.items ?? []).enumerated().map { (direction, $0, $1) }
        }
    }

    /// `- namespaceSelector` followed by `- podSelector`: alternatives, often meant as one item.
    private var alternatives: [Finding] {
        guard object.kind == "NetworkPolicy" else { return [] }
        return rules.flatMap { direction, index, rule -> [Finding] in
            let peers = rule[direction.peers]?.items ?? []
            let path = FieldPath.rules(direction).appending(.index(index)).appending(.field(direction.peers))
            return zip(peers, peers.dropFirst()).enumerated().compactMap { position, pair in
                let keys = [pair.0, pair.1].map { $0.entries.map(\.key) }
                guard Set(keys) == [["namespaceSelector"], ["podSelector"]],
                    let pods = (pair.0["podSelector"] ?? pair.1["podSelector"]), !pods.isEmpty
                else { return nil }
                return object.finding(
                    .orInsteadOfAnd,
                    "These are two peers: every pod of the selected namespaces, or the selected pods of this policy's "
                        + "own namespace. With one dash less it is one peer: the selected pods of the selected "
                        + "namespaces.",
                    at: path.appending(.index(position + 1)),
                    fix: "If both conditions must hold, write them as one list item. Otherwise write two rules.")
            }
        }
    }

    /// `- from: …` followed by `- to: …` in an authorization policy: two rules, often meant as one.
    private var separateRules: [Finding] {
        guard object.kind == "AuthorizationPolicy", object.node["spec"]?["action"]?.string ?? "ALLOW" == "ALLOW" else {
            return []
        }
        let rules = object.node["spec"]?["rules"]?.items ?? []
        return zip(rules, rules.dropFirst()).enumerated().compactMap { index, pair in
            guard Set([pair.0, pair.1].map { $0.entries.map(\.key) }) == [["from"], ["to"]] else { return nil }
            return object.finding(
                .orInsteadOfAnd,
                "These are two rules: any request from these sources, or these operations from any source. With one "
                    + "dash less it is one rule: these operations from these sources.",
                at: .of(.field("spec"), .field("rules"), .index(index + 1)),
                fix: "If both must hold, write 'from' and 'to' in one rule.")
        }
    }

    private var unknownSuppressions: [Finding] {
        Suppressions.written(in: object).filter { LintCode($0) == nil }.map { text in
            object.finding(
                .unknownSuppression, "There is no code '\(text)'.",
                at: .of(.field("metadata"), .field("annotations"), .field(PolicyAnnotation.lintIgnore)),
                fix: "Write codes as in BH004, separated by commas.")
        }
    }
}
