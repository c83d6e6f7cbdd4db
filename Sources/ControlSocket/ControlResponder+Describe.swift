// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import HummingbirdCore
import PolicyModel

/// Descriptions of pods and policies.
extension ControlResponder {
    /// `?pod=NAMESPACE/NAME`, or `?policy=` in the forms of ``PolicyQuestion``.
    func describe(_ query: Query) async throws(ErrorAnswer) -> Response {
        try query.allow(only: ["pod", "policy"])
        switch (query.optional("pod"), query.optional("policy")) {
        case (let text?, nil):
            guard case .pod(let namespace, let name)? = FlowEnd(text) else {
                throw ErrorAnswer(.badRequest, "'pod' must be namespace/pod")
            }
            return try json(await backend.describe(pod: EndpointName(namespace: namespace, name: name)))
        case (nil, let text?):
            guard let question = PolicyQuestion(text) else {
                throw ErrorAnswer(
                    .badRequest, "'policy' must be name, namespace/name, kind/name or kind/namespace/name")
            }
            return try json(await backend.describe(policy: question))
        default: throw ErrorAnswer(.badRequest, "one of the parameters 'pod' and 'policy' is needed")
        }
    }

    /// `?namespace=` for one of them.
    func unused(_ query: Query) async throws(ErrorAnswer) -> Response {
        try query.allow(only: ["namespace"])
        return try json(await backend.unused(namespace: query.optional("namespace")))
    }
}
