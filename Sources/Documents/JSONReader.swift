// SPDX-License-Identifier: Apache-2.0

/// Why a text is not JSON, and where (counted from 1).
public struct JSONError: Error, Sendable, Hashable, CustomStringConvertible {
    public var line: Int
    public var column: Int
    public var reason: String

    public init(line: Int, column: Int, reason: String) {
        self.line = line
        self.column = column
        self.reason = reason
    }

    public var description: String { "\(line):\(column): \(reason)" }
}

/// Reads JSON (RFC 8259) strictly: duplicate keys are refused, depth and size are limited.
///
/// Every step consumes a byte or fails, so the time is linear in the input.
public struct JSONReader {
    public struct Limits: Sendable {
        /// Nested mappings and lists.
        public var depth: Int
        /// Bytes of the text.
        public var size: Int
        /// Values of all kinds, including nested ones: each takes memory.
        public var values: Int
        public init(depth: Int = 64, size: Int = 64 << 20, values: Int = 4_000_000) {
            self.depth = depth
            self.size = size
            self.values = values
        }
    }

    let bytes: [UInt8]
    let limits: Limits
    var position = 0
    private var depth = 0
    private var values = 0
    private var line = 1
    private var lineStart = 0
    /// Where the values are, each before those inside it; nil if not requested.
    private var ranges: [Range<Int>]?
    /// UTF-8 continuation bytes of this line up to `position`, which do not count as columns.
    var continuations = 0

    private init(_ bytes: [UInt8], limits: Limits) throws(JSONError) {
        guard bytes.count <= limits.size else {
            throw JSONError(
                line: 1, column: 1, reason: "\(bytes.count) bytes exceed the limit of \(limits.size)")
        }
        self.bytes = bytes
        self.limits = limits
    }

    /// The only value of `bytes`.
    public static func read(_ bytes: [UInt8], limits: Limits = Limits()) throws(JSONError) -> DocumentNode {
        var reader = try JSONReader(bytes, limits: limits)
        return try reader.only()
    }

    /// The only value of `bytes`, and the ranges of bytes of this value and of each value inside it.
    public static func readPlaced(_ bytes: [UInt8], limits: Limits = Limits()) throws(JSONError) -> PlacedNode {
        var reader = try JSONReader(bytes, limits: limits)
        reader.ranges = []
        let node = try reader.only()
        var ranges = (reader.ranges ?? [])[...]
        return PlacedNode(node, &ranges)
    }

    private mutating func only() throws(JSONError) -> DocumentNode {
        skipSpace()
        let node = try value()
        skipSpace()
        if position < bytes.count { throw failure("text after the end of the value") }
        return node
    }

    /// All consecutive values of `bytes`; none if there is only space.
    public static func readAll(_ bytes: [UInt8], limits: Limits = Limits()) throws(JSONError) -> [DocumentNode] {
        var reader = try JSONReader(bytes, limits: limits)
        var nodes: [DocumentNode] = []
        reader.skipSpace()
        while reader.position < bytes.count {
            nodes.append(try reader.value())
            reader.skipSpace()
        }
        return nodes
    }

    var current: UInt8? { position < bytes.count ? bytes[position] : nil }

    private var column: Int { position - lineStart - continuations + 1 }

    func failure(_ reason: String) -> JSONError { JSONError(line: line, column: column, reason: reason) }

    private mutating func skipSpace() {
        while let byte = current {
            switch byte {
            case UInt8(ascii: "\n"):
                position += 1
                line += 1
                lineStart = position
                continuations = 0
            case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"): position += 1
            default: return
            }
        }
    }

    private mutating func value() throws(JSONError) -> DocumentNode {
        let (line, column) = (line, column)
        values += 1
        guard values <= limits.values else { throw failure("there are more than \(limits.values) values") }
        let (start, number) = (position, values - 1)
        ranges?.append(start..<start)
        let value: DocumentNode.Value
        switch current {
        case UInt8(ascii: "{"): value = try nested { (reader) throws(JSONError) in try reader.mapping() }
        case UInt8(ascii: "["): value = try nested { (reader) throws(JSONError) in try reader.sequence() }
        case UInt8(ascii: "\""): value = .string(try string())
        case UInt8(ascii: "t"): value = try word("true", .bool(true))
        case UInt8(ascii: "f"): value = try word("false", .bool(false))
        case UInt8(ascii: "n"): value = try word("null", .null)
        case UInt8(ascii: "-"), .some(UInt8(ascii: "0")...UInt8(ascii: "9")): value = try self.number()
        case nil: throw failure("a value is missing at the end of the text")
        default: throw failure("a value is expected, found \(currentInWords)")
        }
        ranges?[number] = start..<position
        return DocumentNode(value, line: line, column: column)
    }

    private mutating func nested(
        _ body: (inout JSONReader) throws(JSONError) -> DocumentNode.Value
    ) throws(JSONError) -> DocumentNode.Value {
        guard depth < limits.depth else { throw failure("nested deeper than \(limits.depth)") }
        depth += 1
        let value = try body(&self)
        depth -= 1
        return value
    }

    private mutating func mapping() throws(JSONError) -> DocumentNode.Value {
        var entries: [DocumentNode.Entry] = []
        var keys = DistinctKeys()
        position += 1
        skipSpace()
        if take("}") { return .mapping([]) }
        while true {
            guard current == UInt8(ascii: "\"") else {
                throw failure("a key in quotes is expected, found \(currentInWords)")
            }
            let (line, column) = (line, column)
            let key = try string()
            guard keys.insert(key, into: entries) else {
                throw JSONError(line: line, column: column, reason: "duplicate key \"\(key.boundedForMessage)\"")
            }
            skipSpace()
            guard take(":") else { throw failure("':' is expected after a key, found \(currentInWords)") }
            skipSpace()
            entries.append(DocumentNode.Entry(key: key, line: line, column: column, value: try value()))
            skipSpace()
            if take("}") { return .mapping(entries) }
            guard take(",") else { throw failure("',' or '}' is expected, found \(currentInWords)") }
            skipSpace()
        }
    }

    private mutating func sequence() throws(JSONError) -> DocumentNode.Value {
        var items: [DocumentNode] = []
        position += 1
        skipSpace()
        if take("]") { return .sequence([]) }
        while true {
            items.append(try value())
            skipSpace()
            if take("]") { return .sequence(items) }
            guard take(",") else { throw failure("',' or ']' is expected, found \(currentInWords)") }
            skipSpace()
        }
    }

    private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
        guard current == UInt8(ascii: scalar) else { return false }
        position += 1
        return true
    }

    private mutating func word(
        _ text: StaticString, _ value: DocumentNode.Value
    ) throws(JSONError) -> DocumentNode.Value {
        let count = text.utf8CodeUnitCount
        let found = bytes[position..<min(position + count, bytes.count)]
        let matches = text.withUTF8Buffer { $0.elementsEqual(found) }
        guard matches else { throw failure("a value is expected, found \(currentInWords)") }
        position += count
        return value
    }

    private var currentInWords: String {
        guard let byte = current else { return "the end of the text" }
        return byte > 32 && byte < 127 ? "'\(Unicode.Scalar(byte))'" : "byte \(byte)"
    }
}

/// Finds out whether a mapping already has a key: by comparison while it is small, by a set when it grows.
package struct DistinctKeys {
    private var set: Set<String> = []

    package init() {}

    /// False if `key` is in `entries` (all of whose keys were inserted before).
    package mutating func insert(_ key: String, into entries: [DocumentNode.Entry]) -> Bool {
        if entries.count < 16 { return !entries.contains { $0.key == key } }
        if set.isEmpty { set = Set(entries.map(\.key)) }
        return set.insert(key).inserted
    }
}
