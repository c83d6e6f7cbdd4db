// SPDX-License-Identifier: Apache-2.0
import Documents

/// Why a text is not a document, and where.
public struct DocumentError: Error, Sendable, Hashable {
    /// 1-based; 0 where no place can be named.
    public var line: Int
    public var reason: String
}

/// Reads one document that is not a manifest, for example a configuration, with the same limits.
public enum DocumentReader {
    /// The one document of `bytes`, YAML or JSON.
    ///
    /// - Throws: a ``DocumentError``; also where there is no document.
    public static func read(
        _ bytes: [UInt8], limits: YAMLLimits = YAMLLimits()
    ) throws(DocumentError) -> DocumentNode {
        guard bytes.count <= limits.size else {
            throw DocumentError(line: 0, reason: "\(bytes.count) bytes exceed the limit of \(limits.size)")
        }
        let node: DocumentNode?
        do throws(YAMLReader.Failure) {
            node = try YAMLReader.read(bytes[...], limits: limits)
        } catch {
            throw DocumentError(line: error.line, reason: error.reason)
        }
        guard let node else { throw DocumentError(line: 0, reason: "there is no document") }
        return node
    }
}
