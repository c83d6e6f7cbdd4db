// SPDX-License-Identifier: Apache-2.0

/// One value of a manifest, from JSON or YAML, with its position in the text.
///
/// A tree without aliases or cycles; its reader has limited its depth.
public struct DocumentNode: Sendable, Hashable {
    /// One key of a mapping with its value. Keys of one mapping are distinct.
    public struct Entry: Sendable, Hashable {
        public var key: String
        /// The position of the key, counted from 1.
        public var line: Int
        public var column: Int
        public var value: DocumentNode
        public init(key: String, line: Int, column: Int, value: DocumentNode) {
            self.key = key
            self.line = line
            self.column = column
            self.value = value
        }
    }

    public enum Value: Sendable, Hashable {
        /// In written order.
        case mapping([Entry])
        case sequence([DocumentNode])
        case string(String)
        /// A number without fraction and exponent that fits.
        case integer(Int64)
        case float(Double)
        case bool(Bool)
        case null
    }

    public var value: Value
    /// Counted from 1, in Unicode scalars.
    public var line: Int
    public var column: Int

    public init(_ value: Value, line: Int = 1, column: Int = 1) {
        self.value = value
        self.line = line
        self.column = column
    }

    public var isNull: Bool { value == .null }

    /// Null, or a mapping, sequence or string without content.
    public var isEmpty: Bool {
        switch value {
        case .null: true
        case .mapping(let entries): entries.isEmpty
        case .sequence(let items): items.isEmpty
        case .string(let text): text.isEmpty
        case .integer, .float, .bool: false
        }
    }

    /// The value of `key` in a mapping; nil if absent, or if this is not a mapping.
    public subscript(key: String) -> DocumentNode? {
        guard case .mapping(let entries) = value else { return nil }
        return entries.first { $0.key == key }?.value
    }

    public var string: String? {
        if case .string(let text) = value { text } else { nil }
    }

    /// The kind of the value, for a sentence like "must be a string, is a list".
    public var kindInWords: String {
        switch value {
        case .mapping: "a mapping"
        case .sequence: "a list"
        case .string: "a string"
        case .integer(let number): "the number \(number)"
        case .float(let number): "the number \(number)"
        case .bool(let flag): "the boolean \(flag)"
        case .null: "empty (null)"
        }
    }
}
