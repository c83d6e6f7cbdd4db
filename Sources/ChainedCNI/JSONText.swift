// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects

/// JSON as text: taken apart without a change to what others wrote.
public enum JSONText {
    /// Bytes of a configuration, a result or an answer that are read.
    public static let limits = JSONReader.Limits(depth: 32, size: 4 << 20)

    static func list(_ items: [String]) -> String { "[\(items.map(JSONString.quoted).joined(separator: ","))]" }

    /// Where the values of an object's keys are.
    ///
    /// - Parameter range: of an object in `bytes`, which is valid JSON: ``JSONReader`` has read it.
    static func members(of range: Range<Int>, in bytes: [UInt8]) -> [(key: String, value: Range<Int>)] {
        var members: [(key: String, value: Range<Int>)] = []
        var scanner = JSONScanner(bytes: bytes, position: range.lowerBound + 1, end: range.upperBound)
        while let key = scanner.value(), let value = scanner.value() {
            let text = (try? JSONReader.read(Array(bytes[key])))?.string
            members.append((text ?? "", value))
        }
        return members
    }

    /// Where the items of a list are.
    ///
    /// - Parameter range: as for ``members(of:in:)``.
    static func items(of range: Range<Int>, in bytes: [UInt8]) -> [Range<Int>] {
        var items: [Range<Int>] = []
        var scanner = JSONScanner(bytes: bytes, position: range.lowerBound + 1, end: range.upperBound)
        while let item = scanner.value() { items.append(item) }
        return items
    }

    /// The whole of the one value in `bytes`.
    static func whole(_ bytes: [UInt8]) -> Range<Int> {
        var scanner = JSONScanner(bytes: bytes, position: 0, end: bytes.count)
        return scanner.value() ?? 0..<0
    }
}

/// Goes from value to value of valid JSON. Each step consumes a byte or ends.
private struct JSONScanner {
    let bytes: [UInt8]
    var position: Int
    let end: Int

    /// The next value's place; nil where none is left of what was asked about.
    mutating func value() -> Range<Int>? {
        while position < end, Self.isBetween(bytes[position]) { position += 1 }
        guard position < end, !Self.closes(bytes[position]) else { return nil }
        let start = position
        var depth = 0
        while position < end {
            let byte = bytes[position]
            switch byte {
            case UInt8(ascii: "\""): passString()
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                depth += 1
                position += 1
            case _ where Self.closes(byte):
                if depth == 0 { return start..<position }
                depth -= 1
                position += 1
            case _ where depth == 0 && Self.isBetween(byte): return start..<position
            default: position += 1
            }
            if depth == 0, Self.endsItself(bytes[start]) { return start..<position }
        }
        return start..<position
    }

    private mutating func passString() {
        position += 1
        while position < end, bytes[position] != UInt8(ascii: "\"") {
            position += bytes[position] == UInt8(ascii: "\\") ? 2 : 1
        }
        position = min(position + 1, end)
    }

    private static func isBetween(_ byte: UInt8) -> Bool {
        byte <= 32 || byte == UInt8(ascii: ",") || byte == UInt8(ascii: ":")
    }

    private static func closes(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "}") || byte == UInt8(ascii: "]") }

    /// Of a value that begins so, the end is part of it.
    private static func endsItself(_ first: UInt8) -> Bool {
        first == UInt8(ascii: "\"") || first == UInt8(ascii: "{") || first == UInt8(ascii: "[")
    }
}
