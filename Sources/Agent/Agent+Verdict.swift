// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import ControlProtocol
import NetworkTypes
import PolicyModel
import PolicyPipeline

extension Agent where Plane: ~Copyable {
    /// What this node decides: a direction is decided only where this node hosts that pod.
    public func verdict(_ question: VerdictQuestion) throws(ErrorAnswer) -> VerdictAnswer {
        let sources = try addresses(of: question.from, "from")
        let destinations = try addresses(of: question.to, "to")
        // Of two pods with both families, any family gives the same policies; the first address is asked.
        for source in sources {
            guard let destination = destinations.first(where: { $0.family == source.family }) else { continue }
            let flow = Flow(
                source: source, destination: destination, ipProtocol: question.ipProtocol,
                destinationPort: question.port)
            return VerdictAnswer(pipeline.compiled.evaluate(flow), of: flow)
        }
        throw ErrorAnswer(.badRequest, "'from' and 'to' have no address family in common")
    }

    private func addresses(of end: VerdictQuestion.End, _ name: String) throws(ErrorAnswer) -> [IPAddress] {
        switch end {
        case .address(let address): return [address]
        case .pod(let namespace, let podName):
            guard let addresses = pipeline.addresses(ofPod: EndpointName(namespace: namespace, name: podName)) else {
                throw ErrorAnswer(.notFound, "'\(name)': there is no pod \(namespace)/\(podName)")
            }
            guard !addresses.isEmpty else {
                throw ErrorAnswer(.notFound, "'\(name)': the pod \(namespace)/\(podName) has no address")
            }
            return addresses
        }
    }
}

extension VerdictAnswer {
    init(_ decision: Decision, of flow: Flow) {
        self.init(
            verdict: decision.verdict, flow: flow.description,
            egress: decision.egress.map { DirectionAnswer($0, isSelf: decision.isSelf) },
            ingress: decision.ingress.map { DirectionAnswer($0, isSelf: decision.isSelf) })
    }
}

extension DirectionAnswer {
    init(_ decision: DirectionDecision, isSelf: Bool) {
        self.init(
            verdict: decision.verdict, kind: isSelf ? "samePod" : RuleAnswer(decision.identity).kind.rawValue,
            reason: decision.reason, endpoint: decision.endpoint, identity: isSelf ? nil : decision.identity,
            wouldDeny: decision.wouldDeny)
    }
}
