// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects

/// Objects sent together, as in the body of a request: all of them or none.
public struct ObjectBatch: Sendable, Hashable {
    public struct Refusal: Error, Sendable, Hashable, CustomStringConvertible {
        /// Not empty.
        public var errors: [ManifestError]
        public var description: String { errors.map(\.description).joined(separator: "\n") }
    }

    /// In written order, distinct keys.
    public var objects: [KubernetesObject]
    public var notices: [ManifestNotice]

    /// Reads JSON or YAML of one or several documents.
    ///
    /// - Parameter name: the file name for errors.
    public static func decode(
        _ bytes: [UInt8], name: String = "request body", limits: ManifestLimits = .body
    ) throws(Refusal) -> ObjectBatch {
        let documents = ManifestReader(limits: limits).read(bytes, file: name)
        var errors = documents.flatMap(\.decoded.errors)
        if documents.isEmpty {
            errors.append(ManifestError(file: name, document: 0, reason: "there is no document"))
        }
        var seen: Set<ObjectKey> = []
        for document in documents {
            for item in document.decoded.items where !seen.insert(item.object.key).inserted {
                errors.append(
                    ManifestError(
                        file: name, document: document.index, line: item.line, column: item.column,
                        reason: "\(item.object.key) is given twice"))
            }
        }
        guard errors.isEmpty else { throw Refusal(errors: errors) }
        return ObjectBatch(
            objects: documents.flatMap(\.decoded.objects), notices: documents.flatMap(\.decoded.notices))
    }

    /// The keys of the objects that `bytes` name, for deletion: kind, namespace and name are enough, and the rest of
    /// the documents need not be valid.
    public static func decodeKeys(
        _ bytes: [UInt8], name: String = "request body", limits: ManifestLimits = .body
    ) throws(Refusal) -> [ObjectKey] {
        let documents = ManifestReader(limits: limits).read(bytes, file: name)
        var errors = documents.map(\.decoded).filter(\.hasUnknownObjects).flatMap(\.errors)
        let keys = documents.flatMap(\.decoded.keys)
        if errors.isEmpty, keys.isEmpty {
            errors.append(ManifestError(file: name, document: 0, reason: "no object is named"))
        }
        guard errors.isEmpty else { throw Refusal(errors: errors) }
        return keys
    }
}
