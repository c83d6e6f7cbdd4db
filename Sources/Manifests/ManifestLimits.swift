// SPDX-License-Identifier: Apache-2.0
import YAMLDocuments

/// Limits for the content of files and requests. Reading takes time and memory in proportion to the text; a text over a
/// limit is refused as a whole.
public struct ManifestLimits: Sendable, Hashable {
    /// Bytes of one file.
    public var fileSize: Int
    /// Nested mappings and lists.
    public var depth: Int
    /// Nodes that YAML aliases and merge keys may add to the written ones of a document.
    public var aliasedNodes: Int
    /// Documents of one text, including empty ones.
    public var documents = 100_000
    /// Characters of a YAML document that can begin a value (line ends, commas, brackets, colons, hyphens). A value
    /// takes a microsecond or two and half a kilobyte while its document is read.
    public var signs = 4_000_000
    /// Values of a JSON text.
    public var jsonValues = 4_000_000
    /// Reported problems of one text. With more of them the text is refused as a whole.
    public var problems = 2_000

    public init(fileSize: Int = 64 << 20, depth: Int = 64, aliasedNodes: Int = 100_000) {
        self.fileSize = fileSize
        self.depth = depth
        self.aliasedNodes = aliasedNodes
    }

    var yaml: YAMLLimits {
        YAMLLimits(size: fileSize, depth: depth, aliasedNodes: aliasedNodes, signs: signs)
    }

    /// For bodies of requests, which come at any time.
    public static let body: ManifestLimits = {
        var limits = ManifestLimits()
        limits.documents = 20_000
        limits.signs = 500_000
        limits.jsonValues = 1_000_000
        limits.problems = 500
        return limits
    }()
}
