// SPDX-License-Identifier: Apache-2.0

/// The target of a request line, or HTTP/2's `:path`, read for authorization (RFC 9112, section 3.2).
public struct RequestTarget: Sendable, Hashable {
    /// Without the query. What is not a path stays as sent, and ``PathForms`` refuses it.
    public var path: String
    /// The authority of an absolute target, or of `CONNECT`; nil if the target names none.
    public var authority: String?

    public init(_ target: String, method: String) {
        let bytes = target.utf8
        if method == "CONNECT" {
            self.init(path: target, authority: target)
            return
        }
        guard bytes.first != UInt8(ascii: "/"), let colon = bytes.firstIndex(of: UInt8(ascii: ":")),
            bytes[bytes.index(after: colon)...].starts(with: "//".utf8)
        else {
            self.init(path: String(target[..<Self.endOfPath(bytes[...])]), authority: nil)
            return
        }
        let rest = bytes[bytes.index(colon, offsetBy: 3)...]
        let end = rest.firstIndex { Self.endsAuthority($0) } ?? rest.endIndex
        let path = rest[end...]
        // "http://host" and "http://host?query" ask for the root; OPTIONS without a query asks for "*" (section 3.2.4).
        let isRoot = path.first != UInt8(ascii: "/")
        let root = method == "OPTIONS" && path.isEmpty ? "*" : "/"
        self.init(
            path: isRoot ? root : String(target[path.startIndex..<Self.endOfPath(path)]),
            authority: String(target[rest.startIndex..<end]))
    }

    private init(path: String, authority: String?) {
        self.path = path
        self.authority = authority
    }

    private static func endsAuthority(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "/") || byte == UInt8(ascii: "?") || byte == UInt8(ascii: "#")
    }

    private static func endOfPath(_ bytes: Substring.UTF8View) -> String.Index {
        bytes.firstIndex(of: UInt8(ascii: "?")) ?? bytes.endIndex
    }
}
