// SPDX-License-Identifier: Apache-2.0
import Documents
import KubernetesObjects
import YAMLDocuments

extension DocumentNode {
    /// The documents of a manifest, in order.
    public static func documents(of manifest: String) throws -> [DocumentNode] {
        try "\n\(manifest)".split(separator: "\n---").filter { $0.contains(":") }.map {
            try DocumentReader.read(Array($0.utf8))
        }
    }
}
