// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import Documents
import NetworkTypes
import PolicyModel

/// Reads one line of questions: one JSON object, whose only nested value is that of the headers.
enum QueryLine {
    private static let limits = JSONReader.Limits(depth: 2)

    /// - Parameter namespace: of pods that are named without one.
    /// - Throws: ``QueryError``.
    static func parse(_ line: UnsafeRawBufferPointer, namespace: String) throws(QueryError) -> VerdictQuery {
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
        var request = RequestQuestion()
        for field in fields {
            switch field.key {
            case "from": from = try VerdictQuery.end(try text(field), namespace: namespace)
            case "to": to = try VerdictQuery.end(try text(field), namespace: namespace)
            case "protocol": ipProtocol = try self.ipProtocol(field.value)
            case "port": port = try self.port(field.value)
            case "method": request.method = try text(field)
            case "path": request.path = try text(field)
            case "host": request.host = try text(field)
            case "headers": request.headers = try headers(field.value)
            default:
                let name = field.key.boundedForMessage
                let known = ["from", "to", "protocol", "port"] + RequestQuestion.fields
                throw QueryError("there is no field '\(name)'; there are \(known.joined(separator: ", "))")
            }
        }
        guard let from else { throw QueryError("'from' is missing") }
        guard let to else { throw QueryError("'to' is missing") }
        var query = VerdictQuery(from: from, to: to, ipProtocol: ipProtocol, port: port)
        try query.ask(request)
        return query
    }

    private static func headers(_ node: DocumentNode) throws(QueryError) -> [RequestQuestion.Header] {
        guard case .mapping(let fields) = node.value else {
            throw QueryError("'headers' must be an object, is \(node.kindInWords)")
        }
        var headers: [RequestQuestion.Header] = []
        for field in fields { headers.append(.init(name: field.key, value: try text(field))) }
        return headers
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
