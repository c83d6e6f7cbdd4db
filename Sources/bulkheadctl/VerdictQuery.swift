// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import NetworkTypes
import PolicyModel
import Requests

/// One question as given on the command line or in a line of a file.
struct VerdictQuery {
    /// One end as it is written.
    enum End {
        case flow(FlowEnd)
        /// Only manifests have Services.
        case service(namespace: String, name: String)

        /// Nil for a Service.
        var flow: FlowEnd? { if case .flow(let end) = self { end } else { nil } }
    }

    /// Nil if an end is a Service.
    var question: FlowQuestion? {
        guard let from = from.flow, let to = to.flow else { return nil }
        return FlowQuestion(from: from, to: to, ipProtocol: ipProtocol, port: port)
    }

    var from: End
    var to: End
    var ipProtocol: IPProtocol
    var port: UInt16?
    /// The HTTP request that the flow carries; nil: the question is about the flow as a whole.
    private(set) var request: HTTPRequest?

    /// - Throws: ``QueryError`` if it is not valid, or the flow carries none.
    mutating func ask(_ asked: RequestQuestion) throws(QueryError) {
        do throws(RequestQuestionError) {
            request = try asked.request()
        } catch {
            throw QueryError("\(error)")
        }
        guard request == nil || ipProtocol == .tcp else {
            throw QueryError("\(ipProtocol) carries no HTTP requests: only TCP does")
        }
    }

    init(from: FlowEnd, to: FlowEnd, ipProtocol: IPProtocol, port: UInt16?) {
        self.from = .flow(from)
        self.to = .flow(to)
        self.ipProtocol = ipProtocol
        self.port = port
    }

    /// - Parameters:
    ///   - port: `80/tcp`, `80`, `icmp`, `/47`.
    ///   - namespace: for pods that are named without one.
    init(from: String, to: String, port text: String, namespace: String = "default") throws(QueryError) {
        self.from = .flow(try Self.end(from, namespace: namespace))
        self.to = try Self.serviceOrEnd(to, namespace: namespace)
        (ipProtocol, port) = try Self.protocolAndPort(text)
        guard ipProtocol.hasPorts == (port != nil) else {
            let name = "\(ipProtocol)".lowercased()
            throw QueryError(
                ipProtocol.hasPorts
                    ? "\(name) needs a port, as in 80/\(name)" : "\(name) has no ports: write '\(name)' alone")
        }
    }

    private static func protocolAndPort(_ text: String) throws(QueryError) -> (IPProtocol, UInt16?) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        if parts.count == 2 {
            if !isNumber(parts[0]), let turned = turned(parts[0], parts[1]) {
                throw QueryError("'\(text)' has its parts in the wrong order; write \(turned)")
            }
            return (try ipProtocol(parts[1]), parts[0].isEmpty ? nil : try port(parts[0]))
        }
        if isNumber(text) { return (.tcp, try port(text)) }
        let colon = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        if colon.count == 2, let meant = turned(colon[0], colon[1]) ?? turned(colon[1], colon[0]) {
            throw QueryError("'\(text)' is not PORT/PROTOCOL: write \(meant)")
        }
        guard let ipProtocol = IPProtocol(name: text) else {
            throw QueryError(
                "'\(text)' is neither a port number nor a protocol; write PORT/PROTOCOL, such as 6379/tcp or 53/udp, or icmp; "
                    + "port names are not resolved")
        }
        return (ipProtocol, nil)
    }

    /// `6379/tcp` for `tcp` and `6379`.
    private static func turned(_ name: Substring, _ port: Substring) -> String? {
        guard isNumber(port), !isNumber(name), IPProtocol(name: name) != nil else { return nil }
        return "\(port)/\(name)"
    }

    static func ipProtocol(_ text: some StringProtocol) throws(QueryError) -> IPProtocol {
        guard let ipProtocol = IPProtocol(name: text) else {
            throw QueryError("unknown protocol '\(text)': use tcp, udp, sctp, icmp or a number from 0 to 255")
        }
        return ipProtocol
    }

    private static func port(_ text: some StringProtocol) throws(QueryError) -> UInt16 {
        if let port = UInt16(text), isNumber(text) { return port }
        let isRange = text.contains("-") && text.split(separator: "-").allSatisfy { isNumber($0) }
        throw QueryError(
            isRange
                ? "'\(text)' is a range of ports: a verdict is about one port, write one of them"
                : isNumber(text)
                    ? "'\(text)' is not a port: ports are from 0 to 65535"
                    : "'\(text)' is not a port number; port names are not resolved")
    }

    private static func isNumber(_ text: some StringProtocol) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { (48...57).contains($0) }
    }
}

/// Why a question cannot be understood.
struct QueryError: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}
