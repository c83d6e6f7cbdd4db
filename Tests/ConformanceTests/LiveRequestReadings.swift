// SPDX-License-Identifier: Apache-2.0
import NetworkKit

/// One of the ways in which servers read the requests of a connection, strict and careless ones.
struct RequestReading: Hashable {
    enum LineEnd: CaseIterable {
        case crlf
        /// A line feed ends a line, with or without a carriage return before it.
        case lf
        /// A carriage return alone ends a line too.
        case cr
    }

    /// How long a body is.
    enum Length: CaseIterable {
        /// Chunked if the last coding is exactly that, else by the first length.
        case strict
        /// Chunked if any line that looks like the header names chunked anywhere.
        case anyChunked
        case firstLength
        case lastLength
        /// In HTTP/1.0 there are no chunks.
        case byVersion
    }

    struct Request: Hashable {
        var method: String
        var target: String
        var host: String
    }

    var lineEnd: LineEnd
    var length: Length
    /// Whether it takes what is not HTTP: spaces around names and sizes, folded lines, lines that say nothing.
    var isCareless: Bool

    static let all = LineEnd.allCases.flatMap { end in
        Length.allCases.flatMap { length in
            [false, true].map { RequestReading(lineEnd: end, length: length, isCareless: $0) }
        }
    }

    /// All requests that any reading finds.
    static func requests(in bytes: [UInt8]) -> Set<Request> { Set(all.flatMap { $0.requests(in: bytes) }) }

    func requests(in bytes: [UInt8]) -> [Request] {
        var rest = bytes[...]
        var found: [Request] = []
        while let line = takeLine(&rest) {
            if line.isEmpty { continue }
            let words = line.split { " \t\u{b}\u{c}".contains($0) }
            guard words.count > 1 else {
                if isCareless { continue }
                return found
            }
            // HTTP/0.9 has no version, and no header.
            let headers = words.count == 2 ? [] : takeHeaders(&rest)
            let host = headers.first { $0.name == "host" }?.value ?? ""
            found.append(Request(method: String(words[0]), target: String(words[1]), host: host))
            guard skipBody(&rest, headers, isOldest: words.last == "HTTP/1.0") else { return found }
        }
        return found
    }

    private func takeHeaders(_ rest: inout ArraySlice<UInt8>) -> [(name: String, value: String)] {
        var headers: [(name: String, value: String)] = []
        while let line = takeLine(&rest), !line.isEmpty {
            if isCareless, line.first == " " || line.first == "\t", let last = headers.popLast() {
                headers.append((last.name, Self.trimmed(last.value + " " + Self.trimmed(line))))
            }
            let colon = line.firstIndex(of: ":") ?? line.endIndex
            let name = line[..<colon].lowercased()
            headers.append((isCareless ? Self.trimmed(name) : name, Self.trimmed(line[colon...].dropFirst())))
        }
        return headers
    }

    private static func trimmed(_ text: some StringProtocol) -> String {
        let kept = text.unicodeScalars.drop { $0.value <= 32 }
        return String(String.UnicodeScalarView(kept.reversed().drop { $0.value <= 32 }.reversed()))
    }

    private func takeLine(_ rest: inout ArraySlice<UInt8>) -> String? {
        let end = rest.indices.first { index in
            switch lineEnd {
            case .crlf: rest[index] == 10 && index > rest.startIndex && rest[index - 1] == 13
            case .lf: rest[index] == 10
            case .cr: rest[index] == 10 || rest[index] == 13
            }
        }
        guard let end else { return nil }
        var line = rest[..<end]
        rest = rest[(end + 1)...]
        if lineEnd == .cr, line.endIndex == end, rest.first == 10 { rest = rest.dropFirst() }
        if lineEnd != .cr, line.last == 13 { line = line.dropLast() }
        return String(latin1: line)
    }

    /// - Returns: Whether more can follow.
    private func skipBody(
        _ rest: inout ArraySlice<UInt8>, _ headers: [(name: String, value: String)], isOldest: Bool
    ) -> Bool {
        let codings = headers.filter { $0.name == "transfer-encoding" }.map { $0.value.lowercased() }
        let lengths = headers.filter { $0.name == "content-length" }.map(\.value)
        let isChunked =
            switch length {
            case .strict: codings.last == "chunked"
            case .anyChunked: codings.contains { $0.contains("chunked") }
            case .firstLength, .lastLength: lengths.isEmpty && codings.last == "chunked"
            case .byVersion: !isOldest && codings.last == "chunked"
            }
        if isChunked { return skipChunks(&rest) }
        let text = (length == .lastLength ? lengths.last : lengths.first)?.prefix { $0.isNumber } ?? ""
        let count = text.reduce(0) { ($0 &* 10) &+ ($1.wholeNumberValue ?? 0) }
        rest = rest.dropFirst(max(count, 0))
        return true
    }

    private func skipChunks(_ rest: inout ArraySlice<UInt8>) -> Bool {
        while let line = takeLine(&rest) {
            var text = line[...]
            if isCareless { text = text.drop { " \t+-".contains($0) } }
            if isCareless, text.hasPrefix("0x") { text = text.dropFirst(2) }
            guard let size = Int(text.prefix { $0.isHexDigit }, radix: 16) else { return false }
            if size == 0 {
                while let line = takeLine(&rest), !line.isEmpty {}
                return true
            }
            rest = rest.dropFirst(size)
            guard takeLine(&rest) != nil else { return false }
        }
        return false
    }
}

extension RequestReading.Request {
    /// Whether ``LiveRequestWorld/okPolicy`` allows it, in whatever way a server reads its path.
    var isAllowed: Bool {
        guard LiveRequestWorld.methods.contains(method) else { return false }
        var path = target
        if let scheme = path.firstRange(of: "://"), !path[..<scheme.lowerBound].contains("?") {
            let rest = path[scheme.upperBound...]
            path = String(rest[(rest.firstIndex(of: "/") ?? rest.endIndex)...])
        }
        return Self.forms(of: path).allSatisfy { $0 == "/ok" || $0.hasPrefix("/ok/") }
    }

    /// The path as sent, and with its escapes decoded and its dot segments removed.
    private static func forms(of target: String) -> [String] {
        let path = String(target.prefix { $0 != "?" })
        var decoded: [UInt8] = []
        var rest = path.latin1[...]
        while let byte = rest.popFirst() {
            let digits = String(latin1: rest.prefix(2))
            guard byte == UInt8(ascii: "%"), digits.count == 2, let value = UInt8(digits, radix: 16) else {
                decoded.append(byte)
                continue
            }
            decoded.append(value)
            rest = rest.dropFirst(2)
        }
        var kept: [Substring] = []
        for segment in String(latin1: decoded).split(whereSeparator: { $0 == "/" || $0 == "\\" }) {
            if segment == ".." { _ = kept.popLast() } else if segment != "." { kept.append(segment) }
        }
        return [path, "/" + kept.joined(separator: "/")]
    }
}
