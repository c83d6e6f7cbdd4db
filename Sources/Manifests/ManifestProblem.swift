// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects

/// One present problem of the manifests, and the objects that stay in force in spite of it.
public struct ManifestProblem: Sendable, Hashable, CustomStringConvertible {
    public var error: ManifestError
    /// Objects of the refused document or unreadable file whose previous version stays in force.
    public var stillInForce: [ObjectKey]

    public init(error: ManifestError, stillInForce: [ObjectKey] = []) {
        self.error = error
        self.stillInForce = stillInForce
    }

    public var description: String {
        guard !stillInForce.isEmpty else { return "\(error)" }
        let some = stillInForce.prefix(3).map(\.description).joined(separator: ", ")
        let more = stillInForce.count > 3 ? " and \(stillInForce.count - 3) more" : ""
        return "\(error); still in force as before: \(some)\(more)"
    }
}
