// SPDX-License-Identifier: Apache-2.0

/// What decided one direction of a flow, in one word, for answers and records.
public enum DecisionKind: String, Codable, Sendable, Hashable {
    /// A written rule.
    case rule
    /// A written rule that only reports what it matches.
    case report
    /// No rule matched, and policies isolate the pod in this direction.
    case isolation
    /// The other end is the pod's own node.
    case ownNode
    /// No policy selects the pod in this direction.
    case noPolicy
    /// Traffic from a pod to its own node that no policy may deny.
    case failsafe
    /// The policy exceeds a limit; everything is denied.
    case overLimit
    /// Source and destination are one pod.
    case samePod
    /// A host network pod: it has its node's address and is subject to no policy.
    case hostNetwork
    /// No pod of this cluster has that address.
    case noPod
}

extension RuleIdentity {
    public var kind: DecisionKind {
        switch self {
        case .rule: .rule
        case .report: .report
        case .isolation: .isolation
        case .ownNode: .ownNode
        case .noPolicy: .noPolicy
        case .failsafe: .failsafe
        case .overLimit: .overLimit
        }
    }
}
