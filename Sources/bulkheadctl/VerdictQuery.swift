// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import NetworkTypes
import PolicyPipeline

/// One question as given on the command line or in a line of a file.
struct VerdictQuery {
    var from: FlowEnd
    var to: FlowEnd
    var ipProtocol: IPProtocol
    var port: UInt16?

    init(from: FlowEnd, to: FlowEnd, ipProtocol: IPProtocol, port: UInt16?) {
        self.from = from
        self.to = to
        self.ipProtocol = ipProtocol
        self.port = port
    }

    /// - Parameter port: `80/tcp`, `80`, `icmp`, `/47`.
    init(from: String, to: String, port text: String) throws(QueryError) {
        self.from = try Self.end(from)
        self.to = try Self.end(to)
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        if parts.count == 2 {
            ipProtocol = try Self.ipProtocol(parts[1])
            port = parts[0].isEmpty ? nil : try Self.port(parts[0])
        } else if text.utf8.allSatisfy({ (48...57).contains($0) }) {
            ipProtocol = .tcp
            port = try Self.port(text)
        } else {
            ipProtocol = try Self.ipProtocol(text)
            port = nil
        }
        guard ipProtocol.hasPorts == (port != nil) else {
            throw QueryError(
                ipProtocol.hasPorts ? "\(ipProtocol) needs a port, as in 80/tcp" : "\(ipProtocol) has no ports")
        }
    }

    static func end(_ text: some StringProtocol) throws(QueryError) -> FlowEnd {
        if let slash = text.firstIndex(of: "/") {
            let name = text[text.index(after: slash)...]
            guard slash > text.startIndex, !name.isEmpty, !name.contains("/") else {
                throw QueryError("'\(text)' is neither namespace/pod nor an address")
            }
            return .pod(namespace: String(text[..<slash]), name: String(name))
        }
        guard let address = try? IPAddress(text) else {
            throw QueryError("'\(text)' is neither namespace/pod nor an address")
        }
        return .address(address)
    }

    static func ipProtocol(_ text: some StringProtocol) throws(QueryError) -> IPProtocol {
        guard let ipProtocol = IPProtocol(name: text) else {
            throw QueryError("'\(text)' is no protocol name and no number from 0 to 255")
        }
        return ipProtocol
    }

    private static func port(_ text: some StringProtocol) throws(QueryError) -> UInt16 {
        guard let port = UInt16(text) else { throw QueryError("'\(text)' is no port from 0 to 65535") }
        return port
    }
}

/// Why a question cannot be understood.
struct QueryError: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}

extension VerdictAnswer {
    init(_ decision: ClusterDecision) {
        self.init(
            verdict: decision.verdict, flow: decision.flow.description, egress: DirectionAnswer(decision.egress),
            ingress: DirectionAnswer(decision.ingress), note: decision.note)
    }
}

extension DirectionAnswer {
    init(_ direction: ClusterDirection) {
        self.init(
            verdict: direction.verdict, kind: direction.kind.rawValue, reason: direction.reason,
            endpoint: direction.endpoint, identity: direction.identity, wouldDeny: direction.wouldDeny)
    }
}
