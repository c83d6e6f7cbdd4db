// SPDX-License-Identifier: Apache-2.0
import Documents
import NetworkTypes
import PolicyModel

extension TierRule {
    /// The rules of one direction. In lenient mode a direction that is not a list of rules is one rule that denies.
    static func decodeAll(
        of spec: DocumentNode, _ direction: PolicyType, _ dialect: TierDialect, in context: inout DecodingContext
    ) -> [TierRule] {
        let (rules, unknown) = context.sentences { context -> [TierRule] in
            context.field(direction == .ingress ? "ingress" : "egress", of: spec) { context, node in
                context.checkCount(of: node, 0...dialect.itemLimit)
                return context.list(node) { TierRule.decode($1, direction, dialect, in: &$0) }
            } ?? []
        }
        return unknown.isEmpty ? rules : [TierRule(action: .deny, peers: [], unknown: unknown)]
    }

    private static func decode(
        _ node: DocumentNode, _ direction: PolicyType, _ dialect: TierDialect, in context: inout DecodingContext
    ) -> TierRule? {
        // Not understood at all: deny.
        var rule = TierRule(action: .deny, peers: [])
        let (isRule, unknown) = context.sentences { context in
            guard context.mapping(node) != nil else { return false }
            rule.decodeFields(node, direction, dialect, in: &context)
            return true
        }
        rule.unknown = unknown
        return isRule || context.mode == .lenient ? rule : nil
    }

    private mutating func decodeFields(
        _ node: DocumentNode, _ direction: PolicyType, _ dialect: TierDialect, in context: inout DecodingContext
    ) {
        let peersField = TierDialect.peersField(direction)
        let before = context.failureCount
        context.refuseUnknownFields(of: node, known: ["name", "action", peersField, dialect.portsField]) {
            MisplacedTierField.inRule($0, direction, dialect)
        }
        let isClear = context.failureCount == before
        name = context.field("name", of: node) { $0.ruleName($1) }
        action = context.required("action", of: node) { dialect.action($1, in: &$0) } ?? .deny
        peers =
            context.required(peersField, of: node, hint: "a rule names its peers; 'namespaces: {}' selects all pods") {
                context, list in
                context.checkCount(of: list, 1...dialect.itemLimit)
                return context.wholeItems(list) { TierPeer.decode($1, direction, dialect, in: &$0) }
            } ?? []
        ports = node[dialect.portsField].map { list in
            context.at(dialect.portsField) { context in
                // Without content it would match every port.
                context.checkCount(of: list, 1...dialect.itemLimit)
                guard !list.isNull else { return [] }
                return context.wholeItems(list) { TierPort.decode($1, dialect, in: &$0) }
            }
        }
        refuseNamedPorts(besidePeersWithoutNames: node, dialect, in: &context)
        if !isClear { close([]) }
    }

    /// Unknown parts next to the rule's known parts may narrow it: Accept then accepts nothing.
    mutating func close(_ sentences: [String]) {
        unknown = sentences + unknown
        if action == .accept { peers = [] }
    }

    private func refuseNamedPorts(
        besidePeersWithoutNames node: DocumentNode, _ dialect: TierDialect, in context: inout DecodingContext
    ) {
        let hasNetworks = peers.contains { peer in
            switch peer {
            case .nodes, .networks: true
            case .pods: false
            }
        }
        let named = ports?.contains { if case .named = $0 { true } else { false } } ?? false
        guard hasNetworks, named, let list = node[dialect.portsField] else { return }
        context.at(dialect.portsField) {
            $0.failIfStrict(
                list, "a named port cannot be used with the peers 'nodes' or 'networks', which have no port names",
                hint: "write a separate rule for them")
        }
    }
}

extension TierPeer {
    fileprivate static func decode(
        _ node: DocumentNode, _ direction: PolicyType, _ dialect: TierDialect, in context: inout DecodingContext
    ) -> TierPeer? {
        let fields = TierDialect.peerFields(direction)
        let field = context.oneOf(fields, of: node, "a peer") { MisplacedTierField.inPeer($0, direction) }
        guard let field else { return nil }
        switch field {
        case "nodes": return context.required(field, of: node) { LabelSelector.decode($1, in: &$0) }.map { .nodes($0) }
        case "networks":
            return context.required(field, of: node) { context, list in
                context.checkCount(of: list, 1...TierDialect.networkLimit)
                context.refuseRepeatedTexts(in: list)
                let networks = context.wholeItems(list) { $0.cidr($1) }
                return networks.isEmpty ? nil : .networks(networks)
            }
        default: return PodSelection.decode(field: field, of: node, dialect, in: &context).map { .pods($0) }
        }
    }
}

extension DecodingContext {
    fileprivate mutating func ruleName(_ node: DocumentNode) -> String? {
        guard let name = string(node), !name.isEmpty else { return nil }
        if name.unicodeScalars.count > TierDialect.nameLimit {
            failIfStrict(node, "must be no more than \(TierDialect.nameLimit) characters")
        }
        return name
    }

    /// Too few items leave the meaning open; too many do not.
    fileprivate mutating func checkCount(of node: DocumentNode, _ counts: ClosedRange<Int>) {
        if node.isNull { return failType(node, expected: "a list", hint: "leave the field out for an empty list") }
        guard case .sequence(let items) = node.value else { return }
        if items.count < counts.lowerBound {
            fail(node, "must have at least \(counts.lowerBound) item")
        } else if items.count > counts.upperBound {
            failIfStrict(node, "has \(items.count) items, more than \(counts.upperBound)")
        }
    }

    fileprivate mutating func refuseRepeatedTexts(in node: DocumentNode) {
        guard case .sequence(let items) = node.value else { return }
        var seen: Set<String> = []
        for (index, item) in items.enumerated() {
            guard let text = item.string, !seen.insert(text).inserted else { continue }
            at(.index(index)) { $0.failIfStrict(item, "'\(text.boundedForMessage)' is given twice") }
        }
    }
}
