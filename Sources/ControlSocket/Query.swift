// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import HummingbirdCore
import KubernetesObjects
import NetworkTypes
import PolicyModel
import Requests

/// The parameters after the `?`, each at most once, except those that are lists.
struct Query {
    private var values: [String: String] = [:]
    /// The values of the parameter that may be repeated, in order.
    private(set) var list: [String] = []

    /// - Parameter repeated: the parameter that may be repeated.
    init(_ request: Request, repeated: String? = nil) throws(ErrorAnswer) {
        for (name, value) in request.uri.queryParameters {
            if let repeated, name == repeated {
                list.append(String(value))
                continue
            }
            guard values.updateValue(String(value), forKey: String(name)) == nil else {
                throw ErrorAnswer(.badRequest, "the parameter '\(name)' is given twice")
            }
        }
    }

    var isEmpty: Bool { values.isEmpty }

    /// All of them by name, except the list.
    var parameters: [String: String] { values }

    func allow(only names: Set<String>) throws(ErrorAnswer) {
        for name in values.keys.sorted() where !names.contains(name) {
            let known = names.sorted().joined(separator: ", ")
            throw ErrorAnswer(.badRequest, "unknown parameter '\(name)'; known are \(known)")
        }
    }

    /// Whether a switch is on: 1; off: 0, or left out.
    func isSet(_ name: String) throws(ErrorAnswer) -> Bool {
        switch values[name] {
        case nil, "0": return false
        case "1": return true
        default: throw ErrorAnswer(.badRequest, "'\(name)' must be 0 or 1")
        }
    }

    /// Sets a parameter to another value.
    mutating func replace(_ name: String, with value: String) { values[name] = value }

    func optional(_ name: String) -> String? { values[name] }

    func required(_ name: String) throws(ErrorAnswer) -> String {
        guard let value = values[name], !value.isEmpty else {
            throw ErrorAnswer(.badRequest, "the parameter '\(name)' is missing")
        }
        return value
    }
}

extension Query {
    /// The parameter `dryRun`: 1, or 0 as if it were left out. Anything else is refused: a caller who misspells it must
    /// not change what is in force.
    func isDryRun() throws(ErrorAnswer) -> Bool {
        try allow(only: ["dryRun"])
        switch optional("dryRun") {
        case nil, "0": return false
        case "1": return true
        default: throw ErrorAnswer(.badRequest, "'dryRun' must be 1 or 0")
        }
    }
}

extension FlowQuestion {
    /// - Parameter more: parameters that the call takes in addition.
    init(query: Query, allowing more: Set<String> = []) throws(ErrorAnswer) {
        try query.allow(only: more.union(["from", "to", "protocol", "port", "method", "path", "host"]))
        let ipProtocol = try Self.ipProtocol(query.optional("protocol"))
        self.init(
            from: try Self.end("from", query), to: try Self.end("to", query), ipProtocol: ipProtocol,
            port: try Self.port(query.optional("port"), ipProtocol))
    }

    private static func end(_ name: String, _ query: Query) throws(ErrorAnswer) -> FlowEnd {
        let text = try query.required(name)
        if (try? CIDR(text)) != nil {
            throw ErrorAnswer(.badRequest, "'\(name)' is a range of addresses: a verdict is about one address")
        }
        guard let end = FlowEnd(text) else {
            throw ErrorAnswer(.badRequest, "'\(name)' \(FlowEnd.problem)")
        }
        return end
    }

    private static func ipProtocol(_ text: String?) throws(ErrorAnswer) -> IPProtocol {
        guard let text else { return .tcp }
        guard let ipProtocol = IPProtocol(name: text) else {
            throw ErrorAnswer(
                .badRequest, "unknown protocol '\(text)': use tcp, udp, sctp, icmp or a number from 0 to 255")
        }
        return ipProtocol
    }

    private static func port(_ text: String?, _ ipProtocol: IPProtocol) throws(ErrorAnswer) -> UInt16? {
        guard ipProtocol.hasPorts else {
            guard text == nil else { throw ErrorAnswer(.badRequest, "\(ipProtocol) has no ports") }
            return nil
        }
        guard let text else { throw ErrorAnswer(.badRequest, "the parameter 'port' is missing") }
        guard let port = UInt16(text) else { throw ErrorAnswer(.badRequest, "'port' must be a number from 0 to 65535") }
        return port
    }
}

extension HTTPRequest {
    /// The request that a question gives; nil if it gives none.
    static func asked(_ query: Query, of ipProtocol: IPProtocol) throws(ErrorAnswer) -> HTTPRequest? {
        var asked = RequestQuestion()
        asked.method = query.optional("method")
        asked.path = query.optional("path")
        asked.host = query.optional("host")
        for text in query.list {
            guard let colon = text.firstIndex(of: ":") else {
                throw ErrorAnswer(.badRequest, "'header' must be NAME:VALUE")
            }
            let value = text[text.index(after: colon)...].drop { $0 == " " }
            asked.headers.append(.init(name: String(text[..<colon]), value: String(value)))
        }
        let request: HTTPRequest?
        do throws(RequestQuestionError) {
            request = try asked.request()
        } catch {
            throw ErrorAnswer(.badRequest, "\(error)")
        }
        guard request == nil || ipProtocol == .tcp else {
            throw ErrorAnswer(.badRequest, "\(ipProtocol) carries no HTTP requests: only TCP does")
        }
        return request
    }
}

extension ObjectKey {
    init(query: Query) throws(ErrorAnswer) {
        try query.allow(only: ["kind", "namespace", "name"])
        guard let kind = ObjectKind(rawValue: try query.required("kind")) else {
            let known = ObjectKind.allCases.map(\.rawValue).joined(separator: ", ")
            throw ErrorAnswer(.badRequest, "'kind' must be one of \(known)")
        }
        self.init(kind: kind, namespace: query.optional("namespace") ?? "", name: try query.required("name"))
    }
}
