// SPDX-License-Identifier: Apache-2.0
import Documents

extension DocumentNode {
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
}
