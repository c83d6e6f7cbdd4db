// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects

/// The oracle's answer for one flow on one node.
public struct OracleVerdict: Sendable, Hashable, CustomStringConvertible {
    public enum Answer: String, Sendable, Hashable {
        case allow
        case deny
        /// On the request, which the question does not give.
        case depends
    }

    /// Nil: the source is not a pod of this node.
    public var egressAnswer: OracleAnswer?
    /// Nil: the destination is not a pod of this node.
    public var ingressAnswer: OracleAnswer?

    public init(egressAnswer: OracleAnswer? = nil, ingressAnswer: OracleAnswer? = nil) {
        self.egressAnswer = egressAnswer
        self.ingressAnswer = ingressAnswer
    }

    /// Deny if either direction denies.
    public var verdict: Answer {
        let causes = [egressCause, ingressCause].compactMap(\.self)
        if causes.contains(where: \.denies) { return .deny }
        return causes.allSatisfy(\.allows) ? .allow : .depends
    }
    /// Nil: the source is not a pod of this node.
    public var egress: Bool? { egressCause?.allows }
    /// Nil: the destination is not a pod of this node.
    public var ingress: Bool? { ingressCause?.allows }
    public var egressCause: OracleCause? { egressAnswer?.cause }
    public var ingressCause: OracleCause? { ingressAnswer?.cause }

    /// Whether egress is allowed, and denied were the policies in audit enforced.
    public var egressWouldDeny: Bool { egressAnswer?.wouldDeny != nil }
    /// Whether ingress is allowed, and denied were the policies in audit enforced.
    public var ingressWouldDeny: Bool { ingressAnswer?.wouldDeny != nil }

    public var description: String {
        func text(_ answer: OracleAnswer?) -> String { answer?.description ?? "no pod of this node" }
        return "\(verdict.rawValue): egress \(text(egressAnswer)), ingress \(text(ingressAnswer))"
    }
}

/// How one direction was decided.
public struct OracleAnswer: Sendable, Hashable, CustomStringConvertible {
    public var cause: OracleCause
    /// Tiers that a Pass rule left, in order.
    public var passed: [TierPolicy.Tier]
    /// Who would deny what is allowed, were the policies in audit enforced.
    public var wouldDeny: OracleCause?

    public init(cause: OracleCause, passed: [TierPolicy.Tier] = [], wouldDeny: OracleCause? = nil) {
        self.cause = cause
        self.passed = passed
        self.wouldDeny = wouldDeny
    }

    public var description: String {
        var details = "\(cause)"
        if !passed.isEmpty { details += "; passed \(passed.map(\.rawValue).joined(separator: ", "))" }
        if let wouldDeny { details += "; would be denied: \(wouldDeny)" }
        return "\(cause.allows ? "allow" : cause.denies ? "deny" : "depends") (\(details))"
    }
}

/// Why a direction was decided as it was: for statistics over random worlds, and for a person who reads a failure.
public enum OracleCause: Sendable, Hashable, CustomStringConvertible {
    /// A pod to itself.
    case itself
    /// From the pod's own node; or to it, and no tier decided.
    case ownNode
    /// To the pod's own node, and no policy may stop it.
    case failsafe
    /// No tier decided.
    case noPolicy
    /// A NetworkPolicy's rule matched through this kind of peer and this kind of port.
    case rule(peer: OraclePeerKind, port: OraclePortKind)
    /// Isolated, and no rule matched.
    case isolated
    /// A rule of a tier matched through this kind of peer and this kind of port.
    case tierRule(TierPolicy.Tier, allows: Bool, peer: OracleTierPeerKind, port: OraclePortKind)
    /// A rule of a tier that denies or passes, with a part that is not understood.
    case unknownPart(TierPolicy.Tier)
    /// Authorization decided, and no tier before it.
    case authorization(OracleAuthorization)
    /// There are policies, and the transport header could not be found.
    case noTransportHeader

    /// Neither allowed nor denied: the request decides.
    public var dependsOnRequest: Bool { self == .authorization(.dependsOnRequest) }
    public var denies: Bool { !allows && !dependsOnRequest }

    public var allows: Bool {
        switch self {
        case .authorization(let answer): answer.allows
        case .itself, .ownNode, .failsafe, .noPolicy, .rule: true
        case .tierRule(_, let allows, _, _): allows
        case .isolated, .unknownPart, .noTransportHeader: false
        }
    }

    public var description: String {
        switch self {
        case .itself: "itself"
        case .ownNode: "own node"
        case .failsafe: "failsafe"
        case .noPolicy: "no policy"
        case .rule(let peer, let port): "rule: \(peer.rawValue), \(port.rawValue)"
        case .isolated: "isolated"
        case .tierRule(let tier, let allows, let peer, let port):
            "\(tier.rawValue) \(allows ? "accept" : "deny"): \(peer.rawValue), \(port.rawValue)"
        case .unknownPart(let tier): "\(tier.rawValue) rule not understood"
        case .authorization(let answer): "authorization: \(answer.rawValue)"
        case .noTransportHeader: "policies, but no transport header"
        }
    }
}

/// What authorization says.
public enum OracleAuthorization: String, Sendable, Hashable, CaseIterable {
    case allowed = "an ALLOW rule"
    case denied = "a DENY rule"
    case notAllowed = "no ALLOW rule"
    case dependsOnRequest = "depends on the request"
    case requestAllowed = "an ALLOW rule, of this request"
    case requestDenied = "a DENY rule, of this request"
    case requestNotAllowed = "no ALLOW rule, of this request"
    case refused = "a path that servers read differently"

    public var allows: Bool { self == .allowed || self == .requestAllowed }
}

/// Peers of a NetworkPolicy.
public enum OraclePeerKind: String, Sendable, Hashable, CaseIterable {
    case everyPeer = "every peer"
    case podSelector = "podSelector"
    case namespaceSelector = "namespaceSelector"
    case bothSelectors = "both selectors"
    case ipBlock = "ipBlock"
}

/// Peers of a rule of a tier.
public enum OracleTierPeerKind: String, Sendable, Hashable, CaseIterable {
    case pods
    case nodes
    case networks
}

public enum OraclePortKind: String, Sendable, Hashable, CaseIterable {
    case everyPort = "every port"
    case everyPortOfProtocol = "every port of a protocol"
    case number = "port number"
    case range = "port range"
    case named = "named port"
}
