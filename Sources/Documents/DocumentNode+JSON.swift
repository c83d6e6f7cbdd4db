// SPDX-License-Identifier: Apache-2.0

extension DocumentNode {
    /// A mapping whose keys are sorted by their text.
    public static func object(_ fields: [String: DocumentNode]) -> DocumentNode {
        let sorted = fields.sorted { $0.key < $1.key }
        return DocumentNode(.mapping(sorted.map { Entry(key: $0.key, line: 1, column: 1, value: $0.value) }))
    }

    /// A mapping with the keys in this order.
    public static func object(_ fields: [(String, DocumentNode)]) -> DocumentNode {
        DocumentNode(.mapping(fields.map { Entry(key: $0.0, line: 1, column: 1, value: $0.1) }))
    }

    public static func array(_ items: [DocumentNode]) -> DocumentNode { DocumentNode(.sequence(items)) }

    public static func string(_ text: String) -> DocumentNode { DocumentNode(.string(text)) }

    public static func integer(_ number: Int64) -> DocumentNode { DocumentNode(.integer(number)) }

    public static func bool(_ flag: Bool) -> DocumentNode { DocumentNode(.bool(flag)) }

    /// As JSON, in one line. A number that is not finite, which JSON cannot write, becomes null.
    public var json: String {
        var output: [UInt8] = []
        appendJSON(to: &output)
        return String(decoding: output, as: UTF8.self)
    }

    /// Appends the value as JSON.
    public func appendJSON(to output: inout [UInt8]) {
        switch value {
        case .mapping(let entries):
            output.append(UInt8(ascii: "{"))
            for (index, entry) in entries.enumerated() {
                if index > 0 { output.append(UInt8(ascii: ",")) }
                JSONString.append(entry.key, to: &output)
                output.append(UInt8(ascii: ":"))
                entry.value.appendJSON(to: &output)
            }
            output.append(UInt8(ascii: "}"))
        case .sequence(let items):
            output.append(UInt8(ascii: "["))
            for (index, item) in items.enumerated() {
                if index > 0 { output.append(UInt8(ascii: ",")) }
                item.appendJSON(to: &output)
            }
            output.append(UInt8(ascii: "]"))
        case .string(let text): JSONString.append(text, to: &output)
        case .integer(let number): output.append(contentsOf: "\(number)".utf8)
        case .float(let number): output.append(contentsOf: (number.isFinite ? "\(number)" : "null").utf8)
        case .bool(let flag): output.append(contentsOf: (flag ? "true" : "false").utf8)
        case .null: output.append(contentsOf: "null".utf8)
        }
    }
}
