// SPDX-License-Identifier: Apache-2.0
import Documents
import NetworkTypes

extension TierPort {
    /// An item of `protocols` (v1alpha2) or `ports` (v1alpha1).
    static func decode(
        _ node: DocumentNode, _ dialect: TierDialect, in context: inout DecodingContext
    ) -> TierPort? {
        let fields =
            dialect.isV1Alpha2
            ? ["tcp", "udp", "sctp", "destinationNamedPort"] : ["portNumber", "portRange", "namedPort"]
        let what = dialect.isV1Alpha2 ? "a protocol" : "a port"
        let field = context.oneOf(fields, of: node, what) { MisplacedTierField.inProtocol($0, dialect) }
        guard let field else { return nil }
        return context.required(field, of: node) { context, value in
            switch field {
            case "destinationNamedPort", "namedPort": return context.portName(value).map { .named($0) }
            case "portNumber": return Self.portNumber(value, in: &context)
            case "portRange": return Self.portRange(value, in: &context)
            default:
                let ipProtocol: IPProtocol = field == "tcp" ? .tcp : field == "udp" ? .udp : .sctp
                return Self.transport(value, in: &context).map { .range(ipProtocol, $0) }
            }
        }
    }

    /// v1alpha2: `{destinationPort: {number: 80}}` or `{destinationPort: {range: {start: 80, end: 90}}}`.
    private static func transport(_ node: DocumentNode, in context: inout DecodingContext) -> PortRange? {
        guard context.mapping(node) != nil else { return nil }
        let before = context.failureCount
        context.refuseUnknownFields(of: node, known: ["destinationPort"], explain: MisplacedTierField.inTransport)
        guard context.failureCount == before else { return nil }
        return context.required("destinationPort", of: node) { context, port in
            if case .integer(let number) = port.value {
                context.failType(port, expected: "a mapping", hint: "write 'destinationPort: {number: \(number)}'")
                return nil
            }
            guard let field = context.oneOf(["number", "range"], of: port, "a port", explain: { _ in nil }) else {
                return nil
            }
            return context.required(field, of: port) { context, value in
                if field == "number" { return context.portNumber(value).map { PortRange($0) } }
                guard context.mapping(value) != nil else { return nil }
                context.refuseUnknownFields(of: value, known: ["start", "end"])
                return context.portRange(value, mayBeOne: false)
            }
        }
    }

    private static func portNumber(_ node: DocumentNode, in context: inout DecodingContext) -> TierPort? {
        guard context.mapping(node) != nil else { return nil }
        context.refuseUnknownFields(of: node, known: ["protocol", "port"])
        let ipProtocol = context.field("protocol", of: node) { $0.ipProtocol($1) } ?? .tcp
        let port = context.required("port", of: node) { $0.portNumber($1) }
        return port.map { .range(ipProtocol, PortRange($0)) }
    }

    private static func portRange(_ node: DocumentNode, in context: inout DecodingContext) -> TierPort? {
        guard context.mapping(node) != nil else { return nil }
        context.refuseUnknownFields(of: node, known: ["protocol", "start", "end"])
        let ipProtocol = context.field("protocol", of: node) { $0.ipProtocol($1) } ?? .tcp
        return context.portRange(node, mayBeOne: true).map { .range(ipProtocol, $0) }
    }
}

extension DecodingContext {
    fileprivate mutating func portName(_ node: DocumentNode) -> String? {
        guard let name = string(node) else { return nil }
        if name.isEmpty {
            fail(node, "a port name must not be empty")
        } else if let problem = NameRules.portName(name) {
            failIfStrict(node, problem)
        }
        return name.isEmpty ? nil : name
    }

    /// `mayBeOne`: whether the CRD allows a range of one port.
    fileprivate mutating func portRange(_ node: DocumentNode, mayBeOne: Bool) -> PortRange? {
        let start = required("start", of: node) { $0.portNumber($1) }
        let end = required("end", of: node) { $0.portNumber($1) }
        guard let start, let end else { return nil }
        guard start <= end else {
            fail(node, "start \(start) is above end \(end)")
            return nil
        }
        if start == end, !mayBeOne {
            failIfStrict(node, "start and end are both \(start)", hint: "write 'number: \(start)'")
        }
        return PortRange(start, end)
    }
}
