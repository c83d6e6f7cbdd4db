// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import HummingbirdCore
import KubernetesObjects
import Manifests

extension ControlResponder {
    /// The documents of the body, and `?delete=KIND/NAME` or `?delete=KIND/NAMESPACE/NAME`, which may be repeated.
    func preview(_ query: Query, _ body: [UInt8]) async throws(ErrorAnswer) -> Response {
        try query.allow(only: ["delete"])
        var keys: [ObjectKey] = []
        for text in query.list { keys.append(try Self.key(text)) }
        let batch = body.isEmpty && !keys.isEmpty ? nil : try await bodies.batch(body)
        guard let share = rehearsals.take(1) else {
            throw ErrorAnswer(.busy, "too many previews at once; try again in a moment")
        }
        defer { withExtendedLifetime(share) {} }
        var answer = try await backend.preview(batch?.objects ?? [], deleting: keys)
        answer.notes += batch?.notices.map(\.description) ?? []
        return try json(answer)
    }

    private static func key(_ text: String) throws(ErrorAnswer) -> ObjectKey {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard let kind = parts.first.flatMap(ObjectKind.init), parts.count == (kind.isNamespaced ? 3 : 2),
            !parts.contains("")
        else { throw ErrorAnswer(.badRequest, "'delete' must be KIND/NAME, or KIND/NAMESPACE/NAME if it has one") }
        return ObjectKey(kind: kind, namespace: parts.count == 3 ? parts[1] : "", name: parts[parts.count - 1])
    }
}
