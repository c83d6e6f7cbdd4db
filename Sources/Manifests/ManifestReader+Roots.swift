// SPDX-License-Identifier: Apache-2.0
import Documents
import KubernetesObjects
import YAMLDocuments

/// One document as it is written.
public struct ManifestRoot: Sendable, Hashable {
    /// Its number in the file, counted from 1.
    public var index: Int
    /// The line of the file where its text begins, counted from 1; the lines of `node` count from there.
    public var line: Int
    public var node: DocumentNode
}

extension ManifestReader {
    /// The documents of a text as they are written, valid or not, and why others cannot be read as documents at all.
    public func roots(_ bytes: [UInt8], file: String) -> (roots: [ManifestRoot], problems: [ManifestError]) {
        let roots = file.hasSuffix(".json") ? rootsOfJSON(bytes) : rootsOfYAML(bytes)
        let known = Set(roots.map(\.index))
        let unread = read(bytes, file: file).filter { !known.contains($0.index) }
        return (roots, unread.flatMap(\.decoded.errors))
    }

    private func rootsOfJSON(_ bytes: [UInt8]) -> [ManifestRoot] {
        guard bytes.count <= limits.fileSize, let roots = try? JSONReader.readAll(bytes, limits: jsonLimits),
            roots.count <= limits.documents
        else { return [] }
        return roots.enumerated().map { ManifestRoot(index: $0 + 1, line: 1, node: $1) }
    }

    private func rootsOfYAML(_ bytes: [UInt8]) -> [ManifestRoot] {
        guard bytes.count <= limits.fileSize else { return [] }
        let start = bytes.starts(with: [0xef, 0xbb, 0xbf]) ? 3 : 0
        let parts = DocumentSplitter.split(Array(bytes[start...]), limit: limits.documents) ?? []
        return parts.enumerated().compactMap { offset, part in
            guard !DocumentSplitter.isEmpty(part) else { return nil }
            let node = jsonRoot(part.bytes) ?? (try? YAMLReader.read(part.bytes, limits: limits.yaml)) ?? nil
            return node.map { ManifestRoot(index: offset + 1, line: part.line, node: $0) }
        }
    }
}
