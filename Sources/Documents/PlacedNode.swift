// SPDX-License-Identifier: Apache-2.0

/// One value of a JSON text with its range of bytes, for edits that leave the rest of the text as it is.
public struct PlacedNode: Sendable, Hashable {
    public let node: DocumentNode
    /// The range of the value in the text.
    public let range: Range<Int>
    /// The values of a mapping or the items of a list, in written order.
    private let children: [PlacedNode]

    /// Removes the range of the value, and those of all values inside it, from the front of `ranges`.
    init(_ node: DocumentNode, _ ranges: inout ArraySlice<Range<Int>>) {
        self.node = node
        range = ranges.removeFirst()
        var children: [PlacedNode] = []
        switch node.value {
        case .mapping(let entries): for entry in entries { children.append(PlacedNode(entry.value, &ranges)) }
        case .sequence(let items): for item in items { children.append(PlacedNode(item, &ranges)) }
        case .string, .integer, .float, .bool, .null: break
        }
        self.children = children
    }

    /// The value of `key` in a mapping; nil if absent, or if this is not a mapping.
    public subscript(key: String) -> PlacedNode? {
        guard case .mapping(let entries) = node.value else { return nil }
        return entries.firstIndex { $0.key == key }.map { children[$0] }
    }

    /// The items of a list; nil for other values.
    public var items: [PlacedNode]? {
        if case .sequence = node.value { children } else { nil }
    }
}
