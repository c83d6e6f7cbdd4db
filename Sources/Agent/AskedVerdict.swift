// SPDX-License-Identifier: Apache-2.0
import ClusterVerdicts
import CompiledPolicy
import ControlProtocol
import Explanations
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyResolver
import Requests

/// A question with everything that its answer needs.
struct AskedVerdict: Sendable {
    /// One end, and where it is decided.
    enum End: Sendable {
        /// A pod of this node, or an endpoint of resolved policy.
        case here(EndpointName)
        /// A pod of another node.
        case elsewhere(EndpointName)
        case hostNetwork(EndpointName)
        /// The address belongs to no pod; the node that has it, if any.
        case nobody(IPAddress, node: String?)
        case undecided(String, EndpointName?)
    }

    /// The flow to answer for, and the one of the other family if both ends have it.
    var flows: [Flow]
    var source: End
    var destination: End
    var elsewhere: [EndpointName]
    var thisNode: String
    var settings = PolicySettings()
    /// The HTTP request that the flow carries; nil: the question is about the flow as a whole.
    var request: HTTPRequest?
    /// The identities of the pods at both ends, by address.
    var principals: [IPAddress: String] = [:]
    /// The decisions of this node's tables, by flow.
    var local: [Decision] = []
    /// The objects that decide about pods on other nodes.
    var objects: [KubernetesObject] = []
    /// Why this node's pods cannot be decided; nil if they can.
    var unknown: String?

    /// - Parameter decidedElsewhere: for each flow, the decisions of both pods' nodes.
    func answer(decidedElsewhere: [Flow: ClusterDecision]) -> VerdictAnswer {
        let answers = zip(flows, local).map { flow, here in
            let there = decidedElsewhere[flow]
            return VerdictAnswer(
                flow: flow.description,
                egress: side(source, here.isSelf, here.egress, there?.egress, peer: destination),
                ingress: side(destination, here.isSelf, here.ingress, there?.ingress, peer: source))
        }
        var answer = answers[0]
        let notes = notes(answers)
        answer.note = notes.isEmpty ? nil : notes.joined(separator: "; ")
        return answer
    }

    private func side(
        _ end: End, _ isSelf: Bool, _ here: DirectionDecision?, _ there: ClusterDirection?, peer: End
    ) -> DirectionAnswer {
        switch end {
        case .here(let pod):
            if let unknown { return DirectionAnswer(undecided: unknown, endpoint: pod) }
            guard let here else { return DirectionAnswer(undecided: "it has no entry in the tables", endpoint: pod) }
            guard isSelf else { return DirectionAnswer(here, principals) }
            return DirectionAnswer(
                verdict: .allow, kind: DecisionKind.samePod.rawValue, reason: here.reason, endpoint: pod, identity: nil)
        case .elsewhere(let pod):
            guard !mayBeNode(of: pod, peer), let there else {
                let reason =
                    "\(pod) is on another node, and it is not known here whether that is its peer's node: ask there"
                return DirectionAnswer(undecided: reason, endpoint: pod)
            }
            return DirectionAnswer(there, isElsewhere: true)
        case .hostNetwork(let pod):
            return DirectionAnswer(
                verdict: .allow, kind: DecisionKind.hostNetwork.rawValue,
                reason: "\(pod) uses its node's network and is subject to no policy", endpoint: pod, identity: nil)
        case .nobody(let address, let node):
            let owner = node.map { "is an address of the node \($0), and nodes are subject to no policy" }
            return DirectionAnswer(
                verdict: .allow, kind: DecisionKind.noPod.rawValue,
                reason: "\(address) \(owner ?? "is no known pod's address")",
                endpoint: nil, identity: nil)
        case .undecided(let reason, let pod): return DirectionAnswer(undecided: reason, endpoint: pod)
        }
    }

    /// Traffic between a pod and its own node is decided differently, and the node of a pod elsewhere is not kept.
    private func mayBeNode(of pod: EndpointName, _ peer: End) -> Bool {
        switch peer {
        case .nobody(_, let node?): node != thisNode
        case .hostNetwork: true
        case .here, .elsewhere, .nobody, .undecided: false
        }
    }

    private func notes(_ answers: [VerdictAnswer]) -> [String] {
        var notes: [String] = []
        if answers.count > 1, answers[1].verdict != answers[0].verdict {
            notes.append("answer for \(answers[0].flow); \(answers[1].flow) has the verdict \(answers[1].verdict)")
        }
        if case .nobody(let address, nil) = destination, address.isPrivate {
            notes.append(
                "\(address) belongs to no pod; if it is the address of a Service, ask about one of its backend pods")
        }
        if !elsewhere.isEmpty {
            let pods = Set(elsewhere).sorted().map(\.description).joined(separator: " and ")
            notes.append("decided for the node of \(pods) by the policies that this node knows")
        }
        return notes
    }
}

extension DirectionAnswer {
    fileprivate init(_ decision: DirectionDecision, _ principals: [IPAddress: String]) {
        self.init(
            verdict: decision.verdict, kind: decision.identity.kind.rawValue,
            reason: decision.reason { principals[$0] },
            endpoint: decision.endpoint, identity: decision.identity, wouldDeny: decision.wouldDeny)
    }

    fileprivate init(_ direction: ClusterDirection, isElsewhere: Bool) {
        self.init(
            verdict: direction.verdict, kind: direction.kind.rawValue, reason: direction.reason,
            endpoint: direction.endpoint, identity: direction.identity, wouldDeny: direction.wouldDeny,
            isElsewhere: isElsewhere)
    }
}

extension IPAddress {
    /// Whether a cluster may use it for Services: RFC 1918, RFC 6598, RFC 4193.
    var isPrivate: Bool { Self.privatePrefixes.contains { $0.contains(self) } }

    private static let privatePrefixes = [
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7",
    ].compactMap { try? CIDR($0) }
}
