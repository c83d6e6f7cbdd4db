// SPDX-License-Identifier: Apache-2.0
import Documents
import NetworkTypes
import PolicyModel

extension RequestPolicyLine {
    /// Appends the line as JSON with its line feed.
    public func append(to output: inout [UInt8]) {
        node.appendJSON(to: &output)
        output.append(UInt8(ascii: "\n"))
    }

    private var node: DocumentNode {
        switch self {
        case .reset: .object([("line", .string("reset"))])
        case .setClass(let number, let sets):
            Self.set("class", number, [("sets", .array(sets.map { .integer(Int64($0.rawValue)) }))])
        case .removeClass(let number): Self.remove("class", number)
        case .setSource(let prefix, let sourceClass):
            .object([
                ("line", .string("source")), ("prefix", .string("\(prefix)")), ("class", .integer(Int64(sourceClass))),
            ])
        case .removeSource(let prefix):
            .object([("line", .string("remove source")), ("prefix", .string("\(prefix)"))])
        case .setProgram(let number, let rules, let auditRules):
            Self.set(
                "program", number,
                [("rules", .integer(Int64(rules))), ("auditRules", .integer(Int64(auditRules)))])
        case .rule(let rule): .object([("line", .string("rule"))] + rule.fields)
        case .removeProgram(let number): Self.remove("program", number)
        case .setEndpoint(let number, let endpoint):
            Self.set(
                "endpoint", number,
                [
                    ("name", .string(endpoint.name)),
                    ("addresses", .array(endpoint.addresses.map { .string("\($0)") })),
                    ("program", .integer(Int64(endpoint.program))),
                ])
        case .removeEndpoint(let number): Self.remove("endpoint", number)
        case .commit(let generation, let checksum):
            .object([
                ("line", .string("commit")), ("generation", .string("\(generation)")),
                ("checksum", .string("\(checksum)")),
            ])
        }
    }

    private static func set(_ kind: String, _ number: UInt32, _ fields: [(String, DocumentNode)]) -> DocumentNode {
        .object([("line", .string(kind)), ("number", .integer(Int64(number)))] + fields)
    }

    private static func remove(_ kind: String, _ number: UInt32) -> DocumentNode {
        .object([("line", .string("remove \(kind)")), ("number", .integer(Int64(number)))])
    }
}

extension RequestRule {
    fileprivate var fields: [(String, DocumentNode)] {
        var fields: [(String, DocumentNode)] = [
            ("action", .string(action.rawValue)), ("identity", identity.node),
        ]
        if let terms = peers.terms {
            fields.append(("peers", .array(terms.map(\.node))))
        }
        if let ports {
            fields.append(
                ("ports", .array(ports.map { .array([.integer(Int64($0.first)), .integer(Int64($0.last))]) })))
        }
        if let request { fields.append(("request", .array(request.conditions.map(\.node)))) }
        return fields
    }
}

extension PeerMatch {
    /// Nil: every peer.
    fileprivate var terms: [PeerTerm]? {
        switch self {
        case .any: nil
        case .sets(let sets): [PeerTerm(sets)]
        case .terms(let terms): terms
        }
    }
}

extension PeerTerm {
    fileprivate var node: DocumentNode {
        .object([("not", .bool(isExcluded)), ("sets", .array(sets.map { .integer(Int64($0.rawValue)) }))])
    }
}

extension RequestCondition {
    fileprivate var node: DocumentNode {
        let name: String =
            switch field {
            case .method: "method"
            case .host: "host"
            case .path: "path"
            case .header(let name): "header:\(name)"
            }
        return .object([
            ("field", .string(name)), ("not", .bool(isExcluded)), ("values", .array(values.map(\.node))),
        ])
    }
}

extension RequestValue {
    fileprivate var node: DocumentNode {
        switch self {
        case .text(.exact(let text)): .object([("exact", .string(text))])
        case .text(.prefix(let text)): .object([("prefix", .string(text))])
        case .text(.suffix(let text)): .object([("suffix", .string(text))])
        case .text(.present): .object([("present", .bool(true))])
        case .template(let segments): .object([("template", .array(segments.map(\.node)))])
        }
    }
}

extension PathSegment {
    /// A literal in a list of its own, so that none reads like the other two.
    fileprivate var node: DocumentNode {
        switch self {
        case .literal(let text): .array([.string(text)])
        case .one: .string("one")
        case .any: .string("any")
        }
    }
}

extension RuleIdentity {
    fileprivate var node: DocumentNode {
        switch self {
        case .rule(let policy, _, let index, let name):
            .object(
                [("kind", .string("rule")), ("policy", policy.node), ("index", .integer(Int64(index)))]
                    + (name.map { [("name", .string($0))] } ?? []))
        case .report(let policy, _, let index):
            .object([("kind", .string("report")), ("policy", policy.node), ("index", .integer(Int64(index)))])
        case .isolation(_, let policies):
            .object([("kind", .string("isolation")), ("policies", .array(policies.map(\.node)))])
        case .ownNode: .object([("kind", .string("ownNode"))])
        case .noPolicy: .object([("kind", .string("noPolicy"))])
        case .failsafe(let what): .object([("kind", .string("failsafe")), ("what", .string(what))])
        case .overLimit: .object([("kind", .string("overLimit"))])
        }
    }
}

extension PolicyReference {
    fileprivate var node: DocumentNode {
        .array([.string(kind), .string(namespace), .string(name)])
    }
}
