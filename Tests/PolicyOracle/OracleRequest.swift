// SPDX-License-Identifier: Apache-2.0

/// An HTTP request that a flow carries.
public struct OracleRequest: Sendable, Hashable, CustomStringConvertible {
    public var method: String
    public var host: String
    /// Without the query.
    public var path: String
    /// By name in lower case.
    public var headers: [String: String]

    public init(method: String, host: String, path: String, headers: [String: String] = [:]) {
        self.method = method
        self.host = host
        self.path = path
        self.headers = headers
    }

    public var description: String { "\(method) \(path) of \(host) \(headers.sorted { $0.key < $1.key })" }

    /// The path as every server reads it: letters, digits, `-`, `.`, `_` and `~` not escaped, no segments `.` and `..`.
    /// Nil: servers may read it in different ways.
    var normalPath: String? {
        guard path.hasPrefix("/"), !path.contains("//"), !path.contains("\\"), !path.contains(";") else { return nil }
        var decoded = ""
        var rest = path[...]
        while let character = rest.first {
            guard character == "%" else {
                decoded.append(rest.removeFirst())
                continue
            }
            let digits = rest.dropFirst().prefix(2)
            guard digits.count == 2, let code = UInt8(digits, radix: 16) else { return nil }
            let scalar = Character(Unicode.Scalar(code))
            if scalar == "/" || scalar == "\\" || code == 0 { return nil }
            let isPlain = code < 128 && (scalar.isLetter || scalar.isNumber || "-._~".contains(scalar))
            decoded += isPlain ? String(scalar) : String(rest.prefix(3))
            rest = rest.dropFirst(3)
        }
        var kept: [Substring] = []
        let segments = decoded.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
        for (index, segment) in segments.enumerated() {
            let isLast = index == segments.count - 1
            switch segment {
            case ".": if isLast { kept.append("") }
            case "..":
                if kept.popLast() == nil { return nil }
                if isLast { kept.append("") }
            default: kept.append(segment)
            }
        }
        return "/" + kept.joined(separator: "/")
    }
}
