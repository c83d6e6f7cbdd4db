// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import PolicyModel
import RequestPolicy
import Requests
import SPOP

/// A message of HAProxy's, read.
struct Question {
    var source: IPAddress
    var sourcePort: UInt16
    var destination: IPAddress
    var port: UInt16
    /// Empty for a flow.
    var request = HTTPRequest(method: "")
    var hasHeaders = false
    /// The target and the host header name different hosts, so that servers differ in which one they take.
    var namesTwoHosts = false

    /// Nil: not one of the messages, or without its arguments.
    init?(_ message: SPOPMessage) {
        guard let source = message["source"]?.address, let destination = message["destination"]?.address,
            let sourcePort = message["sourcePort"]?.port, let port = message["port"]?.port
        else { return nil }
        (self.source, self.destination, self.sourcePort, self.port) = (source, destination, sourcePort, port)
        switch message.name {
        case "flow": return
        case "request", "headers": break
        default: return nil
        }
        guard let method = message["method"]?.bytes, let target = message["target"]?.bytes, !method.isEmpty
        else { return nil }
        request.method = String(decoding: method, as: UTF8.self)
        let read = RequestTarget(String(decoding: target, as: UTF8.self), method: request.method)
        request.path = read.path
        if let headers = message["headers"]?.bytes {
            guard let read = try? SPOPHeaders.read(headers) else { return nil }
            request.headers = read
            hasHeaders = true
        }
        let host = (message["host"]?.bytes).map { String(decoding: $0, as: UTF8.self) } ?? request.headers["host"]
        request.host = read.authority ?? host ?? ""
        if let host, let authority = read.authority, request.method != "CONNECT" {
            namesTwoHosts = host.lowercased() != authority.lowercased()
        }
    }

    /// The most bytes of a field in a record. One character may have thousands of them.
    private static let recordedLength = 512

    func record(
        _ verdict: RequestCounts.Verdict, by rule: RuleIdentity?, in policy: RequestPolicy, time: String
    ) -> RequestCounts.Denied {
        func short(_ text: String) -> String {
            guard text.utf8.count > Self.recordedLength else { return text }
            var end = text.utf8.index(text.startIndex, offsetBy: Self.recordedLength)
            while end.samePosition(in: text.unicodeScalars) == nil { end = text.utf8.index(before: end) }
            return String(text[..<end])
        }
        var record = RequestCounts.Denied(
            time: time, source: "\(source)", sourcePort: sourcePort, destination: "\(destination)", port: port,
            pod: policy.endpoint(of: destination)?.name, method: short(request.method), host: short(request.host),
            path: short(request.method.isEmpty ? "" : request.path), verdict: verdict)
        let origin = rule?.requestOrigin
        record.policy = origin?.policy
        record.rule = origin?.rule
        return record
    }
}

extension SPOPValue {
    /// IPv4 addresses mapped into IPv6 are IPv4 addresses.
    fileprivate var address: IPAddress? {
        switch self {
        case .ipv4(let bits): IPAddress(v4: bits)
        case .ipv6(0, let low) where low >> 32 == 0xffff: IPAddress(v4: UInt32(truncatingIfNeeded: low))
        case .ipv6(let high, let low): IPAddress(v6High: high, low: low)
        default: nil
        }
    }

    fileprivate var port: UInt16? {
        switch self {
        case .int32(let number): UInt16(exactly: number)
        case .uint32(let number): UInt16(exactly: number)
        case .int64(let number): UInt16(exactly: number)
        case .uint64(let number): UInt16(exactly: number)
        default: nil
        }
    }

    fileprivate var bytes: [UInt8]? {
        switch self {
        case .string(let bytes), .binary(let bytes): bytes
        default: nil
        }
    }
}
