// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects

extension Problem {
    /// - Parameter isBody: the text is from a request, not from a file.
    public init(_ error: ManifestError, isBody: Bool = false) {
        self.init(
            file: isBody ? nil : error.file, document: error.document > 0 ? error.document : nil,
            line: error.line > 0 ? error.line : nil, field: error.path.description, reason: error.reason,
            hint: error.hint)
    }
}
