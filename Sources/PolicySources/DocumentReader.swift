// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects

/// Reads one document that is no manifest, such as a configuration, with the same bounds.
public enum DocumentReader {
    /// The one document of `bytes`, YAML or JSON.
    ///
    /// - Parameter file: the name that errors give.
    /// - Throws: a ``ManifestError`` with line and column; also where there is no document.
    public static func read(
        _ bytes: [UInt8], file: String, limits: ManifestLimits = ManifestLimits()
    ) throws(ManifestError) -> DocumentNode {
        guard bytes.count <= limits.fileSize else {
            throw ManifestError(
                file: file, document: 0, reason: "\(bytes.count) bytes are more than the limit of \(limits.fileSize)")
        }
        let node: DocumentNode?
        do {
            node = try YAMLReader.read(bytes[...], limits: limits)
        } catch {
            throw ManifestError(
                file: file, document: 0, line: error.line, column: error.column, reason: error.reason, hint: error.hint)
        }
        guard let node else { throw ManifestError(file: file, document: 0, reason: "there is no document") }
        return node
    }
}
