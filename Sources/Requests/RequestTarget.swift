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
        guard let colon = bytes.firstIndex(of: UInt8(ascii: ":")), Self.isScheme(bytes[..<colon]),
            bytes[bytes.index(after: colon)...].starts(with: "//".utf8)
        else {
            self.init(path: String(target[..<Self.endOfPath(bytes[...])]), authority: nil)
            return
        }
        let rest = bytes[bytes.index(colon, offsetBy: 3)...]
        let end = rest.firstIndex { Self.endsAuthority($0) } ?? rest.endIndex
        // Servers differ in where another authority ends: then the whole is not a path.
        guard rest[..<end].allSatisfy(\.isOfHost) else {
            self.init(path: target, authority: String(target[rest.startIndex..<end]))
            return
        }
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

    /// RFC 3986, section 3.1. HAProxy 2.6 also takes targets that begin otherwise.
    private static func isScheme(_ text: Substring.UTF8View) -> Bool {
        func isLetter(_ byte: UInt8) -> Bool { (0x61...0x7a).contains(byte | 0x20) }
        guard let first = text.first, isLetter(first) else { return false }
        return text.allSatisfy { byte in
            isLetter(byte) || (0x30...0x39).contains(byte) || "+-.".utf8.contains(byte)
        }
    }

    private static func endsAuthority(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "/") || byte == UInt8(ascii: "?") || byte == UInt8(ascii: "#")
    }

    private static func endOfPath(_ bytes: Substring.UTF8View) -> String.Index {
        bytes.firstIndex(of: UInt8(ascii: "?")) ?? bytes.endIndex
    }
}
