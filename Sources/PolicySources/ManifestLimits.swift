// SPDX-License-Identifier: Apache-2.0

/// Bounds on what is read from files and requests.
public struct ManifestLimits: Sendable, Hashable {
    /// Bytes of one file.
    public var fileSize: Int
    /// Nested mappings and lists.
    public var depth: Int
    /// Nodes that YAML aliases and merge keys may add to a document beyond those that are written.
    public var aliasedNodes: Int

    public init(fileSize: Int = 64 << 20, depth: Int = 64, aliasedNodes: Int = 100_000) {
        self.fileSize = fileSize
        self.depth = depth
        self.aliasedNodes = aliasedNodes
    }
}
