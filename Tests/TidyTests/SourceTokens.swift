// SPDX-License-Identifier: Apache-2.0

/// The words and marks of a source file in Swift or C, without comments and without what literals hold.
struct SourceTokens {
    struct Token: Equatable {
        let text: String
        /// From 1.
        let line: Int
    }

    private(set) var tokens: [Token] = []
    private let bytes: [UInt8]
    private let isSwift: Bool
    private var offset = 0
    private var line = 1

    init(_ text: String, isSwift: Bool) {
        bytes = Array(text.utf8)
        self.isSwift = isSwift
        while offset < bytes.count { readToken() }
    }

    private func byte(_ ahead: Int = 0) -> UInt8 { offset + ahead < bytes.count ? bytes[offset + ahead] : 0 }

    private func isNext(_ text: StaticString) -> Bool {
        text.withUTF8Buffer { bytes[offset...].starts(with: $0) }
    }

    private mutating func advance(_ count: Int = 1) {
        for _ in 0..<count where offset < bytes.count {
            if bytes[offset] == UInt8(ascii: "\n") { line += 1 }
            offset += 1
        }
    }

    private mutating func readToken() {
        let first = byte()
        if isNext("//") {
            skip(to: "\n")
        } else if isNext("/*") {
            skipComment()
        } else if !isSwift, first == UInt8(ascii: "#") {
            skipDirective()
        } else if !isSwift, first == UInt8(ascii: "'") {
            skipQuoted(by: first)
        } else if isSwift, first == UInt8(ascii: "#"), isRawLiteral {
            skipRawLiteral()
        } else if isNext("\"\"\"") {
            advance(3)
            skipString(isMultiline: true)
        } else if first == UInt8(ascii: "\"") {
            advance()
            skipString(isMultiline: false)
        } else if isSwift, first == UInt8(ascii: "/"), isRegexLiteral {
            skipQuoted(by: first)
        } else if Self.isWord(first) {
            readWord()
        } else {
            if first > UInt8(ascii: " ") { append(String(UnicodeScalar(first))) }
            advance()
        }
    }

    private mutating func append(_ text: String) { tokens.append(Token(text: text, line: line)) }

    private static func isWord(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), 0x80...:
            true
        default: false
        }
    }

    private mutating func readWord() {
        let start = offset
        while Self.isWord(byte()) { offset += 1 }
        append(String(decoding: bytes[start..<offset], as: UTF8.self))
    }

    private mutating func skip(to end: StaticString) {
        while offset < bytes.count, !isNext(end) { advance() }
    }

    /// Comments nest in Swift.
    private mutating func skipComment() {
        var depth = 0
        repeat {
            if isNext("/*"), isSwift || depth == 0 {
                depth += 1
                advance(2)
            } else if isNext("*/") {
                depth -= 1
                advance(2)
            } else {
                advance()
            }
        } while depth > 0 && offset < bytes.count
    }

    /// A line of the preprocessor, with the lines that continue it.
    private mutating func skipDirective() {
        while offset < bytes.count, byte() != UInt8(ascii: "\n") { advance(isNext("\\\n") ? 2 : 1) }
    }

    /// To the next `mark` of the same line without a backslash before it.
    private mutating func skipQuoted(by mark: UInt8) {
        append("\"")
        advance()
        while offset < bytes.count, byte() != mark, byte() != UInt8(ascii: "\n") {
            advance(byte() == UInt8(ascii: "\\") ? 2 : 1)
        }
        advance()
    }

    /// What is interpolated is code: its braces are balanced, and it is left out with the rest.
    private mutating func skipString(isMultiline: Bool) {
        append("\"")
        while offset < bytes.count {
            if isMultiline ? isNext("\"\"\"") : byte() == UInt8(ascii: "\"") {
                return advance(isMultiline ? 3 : 1)
            }
            if isSwift, isNext("\\(") {
                skipInterpolation()
            } else {
                advance(byte() == UInt8(ascii: "\\") ? 2 : 1)
            }
        }
    }

    private mutating func skipInterpolation() {
        let kept = tokens
        advance(2)
        var depth = 1
        while depth > 0, offset < bytes.count {
            if byte() == UInt8(ascii: "(") { depth += 1 }
            if byte() == UInt8(ascii: ")") { depth -= 1 }
            readToken()
        }
        tokens = kept
    }

    private var isRawLiteral: Bool {
        var ahead = 0
        while byte(ahead) == UInt8(ascii: "#") { ahead += 1 }
        return byte(ahead) == UInt8(ascii: "\"") || byte(ahead) == UInt8(ascii: "/")
    }

    private mutating func skipRawLiteral() {
        append("\"")
        var marks = 0
        while byte() == UInt8(ascii: "#") {
            marks += 1
            advance()
        }
        let isMultiline = isNext("\"\"\"")
        let mark = byte()
        advance(isMultiline ? 3 : 1)
        let quotes = isMultiline ? 3 : 1
        while offset < bytes.count {
            let isEnd =
                (0..<quotes).allSatisfy { byte($0) == mark }
                && (0..<marks).allSatisfy { byte(quotes + $0) == UInt8(ascii: "#") }
            if isEnd { return advance(quotes + marks) }
            advance()
        }
    }

    /// A slash where a value must begin, with no space after it.
    private var isRegexLiteral: Bool {
        guard byte(1) > UInt8(ascii: " ") else { return false }
        guard let last = tokens.last else { return true }
        return ["(", ",", "=", ":", "[", "{", "!", "&", "|", "?", "return", "in"].contains(last.text)
    }
}
