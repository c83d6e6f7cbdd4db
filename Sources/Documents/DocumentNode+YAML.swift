// SPDX-License-Identifier: Apache-2.0

extension DocumentNode {
    /// As YAML in block style, as Kubernetes' tools write it, with a line end. Each text is written so that it is read
    /// as the same text.
    public var yaml: String { yamlLines.joined(separator: "\n") + "\n" }

    private var yamlLines: [String] {
        switch value {
        case .mapping(let entries) where !entries.isEmpty: entries.flatMap(\.yamlLines)
        case .sequence(let items) where !items.isEmpty:
            items.flatMap { item in
                item.yamlLines.enumerated().map { number, line in (number == 0 ? "- " : "  ") + line }
            }
        case .mapping: ["{}"]
        case .sequence: ["[]"]
        case .string(let text): [YAMLText.written(text)]
        case .integer, .float, .bool, .null: [json]
        }
    }

    fileprivate var isBlock: Bool {
        switch value {
        case .mapping, .sequence: !isEmpty
        case .string, .integer, .float, .bool, .null: false
        }
    }

    fileprivate var isBlockMapping: Bool { if case .mapping = value { isBlock } else { false } }

    fileprivate var linesBelowKey: [String] { isBlockMapping ? yamlLines.map { "  " + $0 } : yamlLines }
}

extension DocumentNode.Entry {
    fileprivate var yamlLines: [String] {
        let name = YAMLText.written(key)
        return value.isBlock ? ["\(name):"] + value.linesBelowKey : ["\(name): \(value.yaml.dropLast())"]
    }
}

/// Texts in YAML.
private enum YAMLText {
    /// Plain words that are not texts in YAML 1.1, in lower case.
    private static let words: Set = ["y", "yes", "n", "no", "on", "off", "true", "false", "null"]

    /// Plain where that cannot be mistaken, otherwise in double quotes.
    static func written(_ text: String) -> String {
        isPlain(text) && !words.contains(text.lowercased()) ? text : quoted(text)
    }

    private static func isPlain(_ text: String) -> Bool {
        guard let first = text.utf8.first, first.isASCIILetter else { return false }
        let inner: Set<UInt8> = [UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "/")]
        return text.utf8.allSatisfy { $0.isASCIIAlphanumeric || inner.contains($0) }
    }

    /// A JSON string is a YAML text as well, except for characters that YAML takes for line ends or does not allow.
    private static func quoted(_ text: String) -> String {
        var result = ""
        for scalar in JSONString.quoted(text).unicodeScalars {
            switch scalar.value {
            case 0x2028, 0x2029, 0xfeff, 0xfffe, 0xffff: result += "\\u\(String(scalar.value, radix: 16))"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
