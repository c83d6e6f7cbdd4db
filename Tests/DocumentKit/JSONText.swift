// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects

extension DocumentNode {
    /// A mapping of `pairs`, in order.
    public static func object(_ pairs: [(String, DocumentNode)]) -> DocumentNode {
        DocumentNode(.mapping(pairs.map { Entry(key: $0.0, line: 1, column: 1, value: $0.1) }))
    }

    /// A string.
    public static func text(_ text: String) -> DocumentNode { DocumentNode(.string(text)) }

    /// The same mapping with a value put in place, or at its end.
    public func setting(_ key: String, to value: DocumentNode) -> DocumentNode {
        guard case .mapping(var entries) = self.value else { return self }
        if let index = entries.firstIndex(where: { $0.key == key }) {
            entries[index].value = value
        } else {
            entries.append(Entry(key: key, line: 1, column: 1, value: value))
        }
        return DocumentNode(.mapping(entries))
    }

    /// The same mapping without these keys.
    public func removing(_ keys: Set<String>) -> DocumentNode {
        guard case .mapping(let entries) = value else { return self }
        return DocumentNode(.mapping(entries.filter { !keys.contains($0.key) }))
    }

    /// As JSON, on one line.
    public var json: String {
        switch value {
        case .mapping(let entries):
            "{" + entries.map { "\(JSONString.quoted($0.key)):\($0.value.json)" }.joined(separator: ",") + "}"
        case .sequence(let items): "[" + items.map(\.json).joined(separator: ",") + "]"
        case .string(let text): JSONString.quoted(text)
        case .integer(let number): "\(number)"
        case .float(let number): "\(number)"
        case .bool(let flag): "\(flag)"
        case .null: "null"
        }
    }
}
