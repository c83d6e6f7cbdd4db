// SPDX-License-Identifier: Apache-2.0

/// A whole HTTP/1 message, read as a plain and honest reader does. Bytes are Latin-1 text, so that none is lost.
public struct NetHTTPMessage: Sendable, Hashable {
    /// A line of the header or of the trailers, with the name as sent.
    public struct Field: Sendable, Hashable {
        public var name: String
        public var value: String
        public init(_ name: String, _ value: String) { (self.name, self.value) = (name, value) }
    }

    public var startLine: String
    public var fields: [Field]
    /// Without the framing of chunks.
    public var body: [UInt8]
    public var trailers: [Field] = []

    /// The values of a header, whatever its name's case.
    public func values(_ name: String) -> [String] {
        fields.filter { $0.name.lowercased() == name }.map(\.value)
    }

    /// The status of a response; 0: none.
    public var status: Int {
        let words = startLine.split(separator: " ")
        return words.count > 1 && words[0].hasPrefix("HTTP/") ? Int(words[1]) ?? 0 : 0
    }

    /// The header of a message whose body may still be under way; nil: it is not all there.
    public init?(headOf bytes: [UInt8]) {
        var rest = bytes[...]
        guard let first = Self.takeLine(&rest), let fields = Self.takeFields(&rest) else { return nil }
        (startLine, self.fields, body) = (first, fields, [])
    }

    /// Takes the next whole message from the beginning of `bytes`; nil: it is not all there.
    ///
    /// - Parameters:
    ///   - isRequest: A request without a length has no body; a response without one lasts until the end.
    ///   - isBodyless: Whether it answers `HEAD`.
    ///   - isEnd: Whether no more bytes come.
    public init?(of bytes: inout [UInt8], isRequest: Bool, isBodyless: Bool = false, isEnd: Bool = false) {
        var rest = bytes[...]
        guard let first = Self.takeLine(&rest), let fields = Self.takeFields(&rest) else { return nil }
        (startLine, self.fields, body) = (first, fields, [])
        let hasNoBody = isBodyless || (100..<200).contains(status) || status == 204 || status == 304
        if hasNoBody {
            bytes = Array(rest)
        } else if values("transfer-encoding").last?.lowercased().hasSuffix("chunked") == true {
            guard takeChunks(&rest) else { return nil }
            bytes = Array(rest)
        } else if let length = values("content-length").first.flatMap({ Int($0) }) {
            guard rest.count >= length else { return nil }
            body = Array(rest.prefix(length))
            bytes = Array(rest.dropFirst(length))
        } else if isRequest {
            bytes = Array(rest)
        } else {
            guard isEnd else { return nil }
            body = Array(rest)
            bytes = []
        }
    }

    private mutating func takeChunks(_ rest: inout ArraySlice<UInt8>) -> Bool {
        while let line = Self.takeLine(&rest) {
            guard let size = Int(line.prefix { $0.isHexDigit }, radix: 16) else { return false }
            if size == 0 {
                guard let fields = Self.takeFields(&rest) else { return false }
                trailers = fields
                return true
            }
            guard rest.count >= size + 2 else { return false }
            body += rest.prefix(size)
            rest = rest.dropFirst(size + 2)
        }
        return false
    }

    /// The fields up to an empty line.
    private static func takeFields(_ rest: inout ArraySlice<UInt8>) -> [Field]? {
        var fields: [Field] = []
        while let line = takeLine(&rest) {
            if line.isEmpty { return fields }
            fields.append(Field(line: line[...]))
        }
        return nil
    }

    private static func takeLine(_ rest: inout ArraySlice<UInt8>) -> String? {
        let end = rest.indices.dropLast().first { rest[$0] == 13 && rest[$0 + 1] == 10 }
        guard let end else { return nil }
        defer { rest = rest[(end + 2)...] }
        return String(latin1: rest[..<end])
    }
}

extension NetHTTPMessage.Field {
    init(line: Substring) {
        let colon = line.firstIndex(of: ":") ?? line.endIndex
        name = String(line[..<colon])
        value = String(line[colon...].dropFirst().drop { $0 == " " })
    }
}

extension String {
    /// Each byte is the character of the same number.
    public init(latin1 bytes: some Sequence<UInt8>) {
        var text = String.UnicodeScalarView()
        for byte in bytes { text.append(Unicode.Scalar(byte)) }
        self = String(text)
    }

    /// The bytes of ``init(latin1:)``; other characters are left out.
    public var latin1: [UInt8] { unicodeScalars.compactMap { UInt8(exactly: $0.value) } }
}
