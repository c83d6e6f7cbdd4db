// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import PolicyModel

/// Why a question has no answer.
public enum VerdictQuestionError: Error, Sendable, Hashable, CustomStringConvertible {
    case podNotFound(EndpointName)
    /// Not running yet, or finished.
    case podWithoutAddress(EndpointName, phase: PodPhase)
    /// Younger pods own all addresses that the pod claims; one of them is named.
    case addressTaken(EndpointName, IPAddress, by: EndpointName)
    /// The pod is over the number of pods for which one node can decide.
    case undecided(EndpointName)
    case noCommonFamily(from: FlowEnd, to: FlowEnd)
    /// TCP, UDP and SCTP flows have a destination port.
    case portMissing(IPProtocol)
    /// No other flows have one.
    case portNotAllowed(IPProtocol)
    /// Only TCP flows carry HTTP requests.
    case requestNotAllowed(IPProtocol)

    public var description: String {
        switch self {
        case .podNotFound(let pod): "no pod \(pod) in the manifests"
        case .podWithoutAddress(let pod, let phase): "pod \(pod) is \(phase.rawValue) and has no address"
        case .addressTaken(let pod, let address, let owner):
            "pod \(pod) has no address of its own: \(address) belongs to the younger pod \(owner)"
        case .undecided(let pod): "the node of pod \(pod) has more pods than one node decides for"
        case .noCommonFamily(let from, let to): "\(from) and \(to) have no address family in common"
        case .portMissing(let ipProtocol): "\(ipProtocol) needs a destination port"
        case .portNotAllowed(let ipProtocol): "\(ipProtocol) has no ports"
        case .requestNotAllowed(let ipProtocol): "\(ipProtocol) carries no HTTP requests: only TCP does"
        }
    }
}

/// The answer for a whole cluster: the decisions of the source pod's node and of the destination pod's node.
public struct ClusterDecision: Sendable, Hashable {
    public var verdict: Verdict
    /// The flow that the nodes judged.
    public var flow: Flow
    public var egress: ClusterDirection
    public var ingress: ClusterDirection
    /// Source and destination are one pod: allowed before any policy.
    public var isSelf: Bool
    /// What else a person should know: that the other address family is decided differently.
    public var note: String?
}

/// One direction's answer.
public struct ClusterDirection: Sendable, Hashable {
    public var verdict: Verdict
    /// Whether a pod's policies decided; if not, `verdict` is allow.
    public var decided: Bool
    public var kind: DecisionKind
    /// One sentence for a person.
    public var reason: String
    /// The pod of this side.
    public var endpoint: EndpointName?
    /// What decided; nil if no pod's policies did.
    public var identity: RuleIdentity?
    /// What would deny if the policies in audit were enforced.
    public var wouldDeny: RuleIdentity?

    /// The policy whose rule decided, or the first of those that isolate the pod.
    public var policy: PolicyReference? { identity?.policies.first }

    /// Position of the deciding rule in its policy and direction, from 0.
    public var ruleIndex: Int? {
        guard case .rule(_, _, let index, _) = identity else { return nil }
        return index
    }
}
