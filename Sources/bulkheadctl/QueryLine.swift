// SPDX-License-Identifier: Apache-2.0
import Documents
import NetworkTypes
import PolicyModel

/// Reads one line of questions: one JSON object without nested values.
enum QueryLine {
    private static let limits = JSONReader.Limits(depth: 1)

    /// - Throws: ``QueryError``.
    static func parse(_ line: UnsafeRawBufferPointer) throws(QueryError) -> VerdictQuery {
        let node: DocumentNode
        do throws(JSONError) {
            node = try JSONReader.read(Array(line), limits: limits)
        } catch {
            throw QueryError("column \(error.column): \(error.reason)")
        }
        guard case .mapping(let fields) = node.value else {
            throw QueryError("a question is an object, not \(node.kindInWords)")
        }
        var from: FlowEnd?
        var to: FlowEnd?
        var ipProtocol = IPProtocol.tcp
        var port: UInt16?
        for field in fields {
            switch field.key {
            case "from": from = try VerdictQuery.end(try text(field))
            case "to": to = try VerdictQuery.end(try text(field))
            case "protocol": ipProtocol = try self.ipProtocol(field.value)
            case "port": port = try self.port(field.value)
            default:
                let name = field.key.boundedForMessage
                throw QueryError("there is no field '\(name)'; there are from, to, protocol and port")
            }
        }
        guard let from else { throw QueryError("'from' is missing") }
        guard let to else { throw QueryError("'to' is missing") }
        return VerdictQuery(from: from, to: to, ipProtocol: ipProtocol, port: port)
    }

    private static func text(_ field: DocumentNode.Entry) throws(QueryError) -> String {
        guard let text = field.value.string else {
            throw QueryError("'\(field.key)' must be a string, is \(field.value.kindInWords)")
        }
        return text
    }

    private static func ipProtocol(_ node: DocumentNode) throws(QueryError) -> IPProtocol {
        if let name = node.string { return try VerdictQuery.ipProtocol(name) }
        guard case .integer(let written) = node.value, let number = UInt8(exactly: written) else {
            throw QueryError("'protocol' must be a name or a number from 0 to 255")
        }
        return IPProtocol(rawValue: number)
    }

    private static func port(_ node: DocumentNode) throws(QueryError) -> UInt16? {
        if node.isNull { return nil }
        guard case .integer(let written) = node.value, let port = UInt16(exactly: written) else {
            throw QueryError("'port' must be a number from 0 to 65535")
        }
        return port
    }
}
