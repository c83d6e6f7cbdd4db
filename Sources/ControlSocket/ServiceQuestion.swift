// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import NetworkTypes
import PolicyModel

/// The question whether policy allows a flow to a Service: about each of its backend pods.
public struct ServiceQuestion: Sendable, Hashable {
    public var from: FlowEnd
    public var namespace: String
    public var name: String
    public var ipProtocol: IPProtocol
    /// The Service's own port.
    public var port: UInt16

    public init(from: FlowEnd, namespace: String, name: String, ipProtocol: IPProtocol, port: UInt16) {
        self.from = from
        self.namespace = namespace
        self.name = name
        self.ipProtocol = ipProtocol
        self.port = port
    }

    /// Nil unless `to` is `svc/namespace/name`.
    init?(query: Query, allowing more: Set<String> = []) throws(ErrorAnswer) {
        let parts = (query.optional("to") ?? "").split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0] == "svc", !parts[1].isEmpty, !parts[2].isEmpty else { return nil }
        // The other parameters are those of a question about a flow.
        var flow = query
        flow.replace("to", with: "\(parts[1])/\(parts[2])")
        let question = try FlowQuestion(query: flow, allowing: more)
        guard let port = question.port else {
            throw ErrorAnswer(.badRequest, "a Service has ports, and \(question.ipProtocol) has none")
        }
        self.init(
            from: question.from, namespace: String(parts[1]), name: String(parts[2]), ipProtocol: question.ipProtocol,
            port: port)
    }
}
