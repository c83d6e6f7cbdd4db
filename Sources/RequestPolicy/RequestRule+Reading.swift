// SPDX-License-Identifier: Apache-2.0
import Documents
import NetworkTypes
import PolicyModel

extension RequestRule {
    init(_ fields: Fields) throws(RequestPolicyError) {
        guard let action = RuleAction(rawValue: try fields.text("action")), action != .pass else {
            throw .field("action", problem: "is neither allow nor deny")
        }
        self.init(identity: try RuleIdentity(try fields.fields("identity")), action: action)
        if fields.node["peers"] != nil { peers = try PeerMatch(fields, "peers") }
        if fields.node["ports"] != nil { ports = try Self.ports(fields) }
        if fields.node["request"] != nil {
            var conditions: [RequestCondition] = []
            for item in try fields.items("request") {
                conditions.append(try RequestCondition(Fields(node: item, name: "request.")))
            }
            guard !conditions.isEmpty else { throw .field("request", problem: "is empty") }
            request = RequestMatch(conditions: conditions)
        }
    }

    private static func ports(_ fields: Fields) throws(RequestPolicyError) -> [PortRange] {
        var ranges: [PortRange] = []
        for item in try fields.items("ports") {
            guard case .sequence(let ends) = item.value, ends.count == 2 else {
                throw .field("ports", problem: "has something that is not a pair")
            }
            let first: UInt16 = try Fields.number(ends[0], "ports")
            let last: UInt16 = try Fields.number(ends[1], "ports")
            guard first <= last else { throw .field("ports", problem: "has a range that is upside down") }
            ranges.append(PortRange(first, last))
        }
        return ranges
    }
}

extension PeerMatch {
    /// One term without `not` is ``sets(_:)``, as the resolver has it.
    fileprivate init(_ fields: Fields, _ key: String) throws(RequestPolicyError) {
        var terms: [PeerTerm] = []
        for item in try fields.items(key) {
            let term = Fields(node: item, name: "\(key).")
            terms.append(PeerTerm(try term.peerSets("sets"), isExcluded: try term.flag("not")))
        }
        guard let first = terms.first else { throw .field(key, problem: "is empty") }
        self = terms.count == 1 && !first.isExcluded ? .sets(first.sets) : .terms(terms)
    }
}

extension RequestCondition {
    fileprivate init(_ fields: Fields) throws(RequestPolicyError) {
        let name = try fields.text("field")
        let field: Field
        switch name {
        case "method": field = .method
        case "host": field = .host
        case "path": field = .path
        default:
            guard name.hasPrefix("header:") else { throw .field("request.field", problem: "is of no known kind") }
            field = .header(String(name.dropFirst("header:".count)))
        }
        var values: [RequestValue] = []
        for item in try fields.items("values") {
            values.append(try RequestValue(Fields(node: item, name: "request.values.")))
        }
        guard !values.isEmpty else { throw .field("request.values", problem: "is empty") }
        self.init(field, values, isExcluded: try fields.flag("not"))
    }
}

extension RequestValue {
    fileprivate init(_ fields: Fields) throws(RequestPolicyError) {
        guard case .mapping(let entries) = fields.node.value, entries.count == 1 else {
            throw .field("request.values", problem: "has something that is not one comparison")
        }
        switch entries[0].key {
        case "exact": self = .text(.exact(try fields.text("exact")))
        case "prefix": self = .text(.prefix(try fields.text("prefix")))
        case "suffix": self = .text(.suffix(try fields.text("suffix")))
        case "present": self = .text(.present)
        case "template":
            var segments: [PathSegment] = []
            for item in try fields.items("template") { segments.append(try PathSegment(item)) }
            self = .template(segments)
        default: throw .field("request.values", problem: "has a comparison of no known kind")
        }
    }
}

extension PathSegment {
    fileprivate init(_ node: DocumentNode) throws(RequestPolicyError) {
        switch node.value {
        case .string("one"): self = .one
        case .string("any"): self = .any
        case .sequence(let items):
            guard items.count == 1, let text = items[0].string else {
                throw .field("request.values.template", problem: "has a literal that is not one string")
            }
            self = .literal(text)
        default: throw .field("request.values.template", problem: "has a segment of no known kind")
        }
    }
}

extension RuleIdentity {
    fileprivate init(_ fields: Fields) throws(RequestPolicyError) {
        switch try fields.text("kind") {
        case "rule":
            self = .rule(
                try PolicyReference(try fields.required("policy")), .ingress, index: try fields.count("index"),
                name: fields.node["name"] == nil ? nil : try fields.text("name"))
        case "report":
            self = .report(
                try PolicyReference(try fields.required("policy")), .ingress, index: try fields.count("index"))
        case "isolation":
            var policies: [PolicyReference] = []
            for item in try fields.items("policies") { policies.append(try PolicyReference(item)) }
            self = .isolation(.ingress, by: policies)
        case "ownNode": self = .ownNode(.ingress)
        case "noPolicy": self = .noPolicy(.ingress)
        case "failsafe": self = .failsafe(try fields.text("what"))
        case "overLimit": self = .overLimit(.ingress)
        default: throw .field("identity.kind", problem: "is of no known kind")
        }
    }
}

extension PolicyReference {
    fileprivate init(_ node: DocumentNode) throws(RequestPolicyError) {
        guard case .sequence(let items) = node.value, items.count == 3, let kind = items[0].string,
            let namespace = items[1].string, let name = items[2].string
        else { throw .field("identity.policy", problem: "is not kind, namespace and name") }
        self.init(kind: kind, namespace: namespace, name: name)
    }
}
