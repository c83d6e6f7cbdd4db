// SPDX-License-Identifier: Apache-2.0

/// Bounds on the reading of YAML, which takes time and memory in proportion to the text.
public struct YAMLLimits: Sendable, Hashable {
    /// Bytes of the text.
    public var size: Int
    /// Nested mappings and lists.
    public var depth: Int
    /// Nodes that aliases and merge keys may add to a document beyond those that are written.
    public var aliasedNodes: Int
    /// Signs that can begin a value (line ends, commas, brackets, colons, hyphens). A value takes a microsecond or two
    /// and half a kilobyte while its document is read.
    public var signs: Int

    public init(size: Int = 64 << 20, depth: Int = 64, aliasedNodes: Int = 100_000, signs: Int = 4_000_000) {
        self.size = size
        self.depth = depth
        self.aliasedNodes = aliasedNodes
        self.signs = signs
    }
}
