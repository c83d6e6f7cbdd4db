// SPDX-License-Identifier: Apache-2.0

/// The oracle's answer for one flow on one node.
public struct OracleVerdict: Sendable, Hashable, CustomStringConvertible {
    public enum Answer: String, Sendable, Hashable {
        case allow
        case deny
    }

    /// Deny if either direction denies.
    public var verdict: Answer { egress == false || ingress == false ? .deny : .allow }
    /// Nil: the source is no pod of this node.
    public var egress: Bool? { egressCause?.allows }
    /// Nil: the destination is no pod of this node.
    public var ingress: Bool? { ingressCause?.allows }

    public var egressCause: OracleCause?
    public var ingressCause: OracleCause?

    public init(egressCause: OracleCause? = nil, ingressCause: OracleCause? = nil) {
        self.egressCause = egressCause
        self.ingressCause = ingressCause
    }

    public var description: String {
        func text(_ cause: OracleCause?) -> String {
            cause.map { "\($0.allows ? "allow" : "deny") (\($0))" } ?? "no pod of this node"
        }
        return "\(verdict.rawValue): egress \(text(egressCause)), ingress \(text(ingressCause))"
    }
}

/// Why a direction was decided as it was: for statistics over random worlds, and for a person who reads a failure.
public enum OracleCause: Sendable, Hashable, CustomStringConvertible {
    /// A pod to itself.
    case itself
    /// The other end is the pod's own node.
    case ownNode
    /// No policy selects the pod in this direction.
    case noPolicy
    /// A rule matched through this kind of peer and this kind of port.
    case rule(peer: OraclePeerKind, port: OraclePortKind)
    /// Isolated, and no rule matched.
    case isolated
    /// Isolated, and the transport header could not be found.
    case noTransportHeader

    public var allows: Bool {
        switch self {
        case .itself, .ownNode, .noPolicy, .rule: true
        case .isolated, .noTransportHeader: false
        }
    }

    public var description: String {
        switch self {
        case .itself: "itself"
        case .ownNode: "own node"
        case .noPolicy: "no policy"
        case .rule(let peer, let port): "rule: \(peer.rawValue), \(port.rawValue)"
        case .isolated: "isolated"
        case .noTransportHeader: "isolated, no transport header"
        }
    }
}

public enum OraclePeerKind: String, Sendable, Hashable, CaseIterable {
    case everyPeer = "every peer"
    case podSelector = "podSelector"
    case namespaceSelector = "namespaceSelector"
    case bothSelectors = "both selectors"
    case ipBlock = "ipBlock"
}

public enum OraclePortKind: String, Sendable, Hashable, CaseIterable {
    case everyPort = "every port"
    case everyPortOfProtocol = "every port of a protocol"
    case number = "port number"
    case range = "port range"
    case named = "named port"
}
