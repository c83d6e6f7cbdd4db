// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import NetworkTypes
import PolicyModel
import PolicyPipeline
import Requests

/// How both pods' nodes come to their decisions. A side is nil where no pod's policies decide.
public struct ClusterTrace: Sendable, Hashable {
    public var egress: DirectionTrace?
    public var ingress: DirectionTrace?
    public init(egress: DirectionTrace? = nil, ingress: DirectionTrace? = nil) {
        self.egress = egress
        self.ingress = ingress
    }
}

extension ClusterVerdict {
    /// Everything that was tried on the way to an answer.
    ///
    /// - Parameter request: as in the question.
    public mutating func trace(of decision: ClusterDecision, request: HTTPRequest? = nil) -> ClusterTrace {
        let flow = decision.flow
        return ClusterTrace(
            egress: trace(flow, request, ofPodAt: flow.source)?.egress,
            ingress: trace(flow, request, ofPodAt: flow.destination)?.ingress)
    }

    private mutating func trace(_ flow: Flow, _ request: HTTPRequest?, ofPodAt address: IPAddress) -> FlowTrace? {
        guard let node = owners[address].flatMap({ pods[$0] })?.nodeName else { return nil }
        compile(node)
        return pipelines[node]?.trace(flow, request: request)
    }
}
