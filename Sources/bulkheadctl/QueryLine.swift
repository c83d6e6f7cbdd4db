// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import PolicyPipeline

/// Reads one line of questions: one flat JSON object. Written by hand, because a general decoder takes twenty times as
/// long as the verdict itself. Moves forward at every step, and knows no nesting.
struct QueryLine {
    private let bytes: UnsafeRawBufferPointer
    private var position = 0

    private var from: FlowEnd?
    private var to: FlowEnd?
    private var ipProtocol: IPProtocol?
    private var port: UInt16?
    private var seen: Set<String> = []

    /// - Throws: ``QueryError``.
    static func parse(_ bytes: UnsafeRawBufferPointer) throws(QueryError) -> VerdictQuery {
        var reader = QueryLine(bytes)
        return try reader.object()
    }

    private init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    private mutating func object() throws(QueryError) -> VerdictQuery {
        try expect("{")
        if !take("}") {
            repeat { try field() } while take(",")
            try expect("}")
        }
        skipSpace()
        guard position == bytes.count else { throw QueryError("something follows the object") }
        guard let from else { throw QueryError("'from' is missing") }
        guard let to else { throw QueryError("'to' is missing") }
        return VerdictQuery(from: from, to: to, ipProtocol: ipProtocol ?? .tcp, port: port)
    }

    private mutating func field() throws(QueryError) {
        let name = try string()
        try expect(":")
        guard seen.insert(name).inserted else { throw QueryError("'\(name)' is given twice") }
        switch name {
        case "from": from = try VerdictQuery.end(try string())
        case "to": to = try VerdictQuery.end(try string())
        case "protocol": ipProtocol = try protocolValue()
        case "port": port = try portValue()
        default: throw QueryError("there is no field '\(name)'; there are from, to, protocol and port")
        }
    }

    private mutating func protocolValue() throws(QueryError) -> IPProtocol {
        if peek() == UInt8(ascii: "\"") { return try VerdictQuery.ipProtocol(try string()) }
        guard let number = UInt8(exactly: try number()) else {
            throw QueryError("'protocol' is no name and no number from 0 to 255")
        }
        return IPProtocol(rawValue: number)
    }

    private mutating func portValue() throws(QueryError) -> UInt16? {
        if peek() == UInt8(ascii: "n") {
            for character in "null".unicodeScalars { try expect(character, skippingSpace: false) }
            return nil
        }
        guard let port = UInt16(exactly: try number()) else { throw QueryError("'port' is no number from 0 to 65535") }
        return port
    }

    /// A whole number without sign; larger ones than are of use give the largest.
    private mutating func number() throws(QueryError) -> Int {
        skipSpace()
        let start = position
        var value = 0
        while position < bytes.count, case let digit = bytes[position], (48...57).contains(digit) {
            value = min(value * 10 + Int(digit - 48), 1 << 32)
            position += 1
        }
        let isPlain = position == bytes.count || !Self.continuesNumber.contains(bytes[position])
        guard position > start, isPlain, position - start == 1 || bytes[start] != 48 else {
            throw QueryError("a whole number is expected at byte \(start + 1)")
        }
        return value
    }

    private static let continuesNumber = Set(".eE+-".utf8)

    private mutating func string() throws(QueryError) -> String {
        try expect("\"")
        let start = position
        while position < bytes.count {
            let byte = bytes[position]
            position += 1
            switch byte {
            case UInt8(ascii: "\""): return try text(start..<position - 1)
            case UInt8(ascii: "\\"):
                position = start
                return try escapedString()
            case ..<32: throw QueryError("a control character in a text")
            default: continue
            }
        }
        throw QueryError("a text does not end")
    }

    /// A text with escapes, from its first character on: rare, so it may take longer.
    private mutating func escapedString() throws(QueryError) -> String {
        var end = position
        while end < bytes.count, bytes[end] != UInt8(ascii: "\"") {
            end += bytes[end] == UInt8(ascii: "\\") ? 2 : 1
        }
        guard end < bytes.count else { throw QueryError("a text does not end") }
        defer { position = end + 1 }
        // With its quotes: a JSON text of its own.
        guard let text = try? JSON.decode(String.self, from: bytes[(position - 1)...end]) else {
            throw QueryError("a text with a wrong escape")
        }
        return text
    }

    private func text(_ range: Range<Int>) throws(QueryError) -> String {
        guard let text = String(validating: bytes[range], as: UTF8.self) else { throw QueryError("not UTF-8") }
        return text
    }

    private func peek() -> UInt8? {
        var reader = self
        reader.skipSpace()
        return reader.position < bytes.count ? bytes[reader.position] : nil
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        skipSpace()
        guard position < bytes.count, bytes[position] == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    private mutating func expect(_ character: Unicode.Scalar, skippingSpace: Bool = true) throws(QueryError) {
        if skippingSpace { skipSpace() }
        guard position < bytes.count, bytes[position] == UInt8(ascii: character) else {
            throw QueryError("'\(character)' is expected at byte \(position + 1)")
        }
        position += 1
    }

    private mutating func skipSpace() {
        while position < bytes.count, JSONLine.isSpace(bytes[position]) { position += 1 }
    }
}
