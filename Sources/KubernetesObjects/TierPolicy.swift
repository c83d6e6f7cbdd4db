// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import PolicyModel

/// A cluster-wide policy of the Admin or Baseline tier, in one form for the three kinds:
/// policy.networking.k8s.io/v1alpha2 ClusterNetworkPolicy, v1alpha1 AdminNetworkPolicy and BaselineAdminNetworkPolicy.
public struct TierPolicy: Sendable, Hashable {
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        case clusterNetworkPolicy = "ClusterNetworkPolicy"
        case adminNetworkPolicy = "AdminNetworkPolicy"
        case baselineAdminNetworkPolicy = "BaselineAdminNetworkPolicy"

        public var objectKind: ObjectKind {
            switch self {
            case .clusterNetworkPolicy: .clusterNetworkPolicy
            case .adminNetworkPolicy: .adminNetworkPolicy
            case .baselineAdminNetworkPolicy: .baselineAdminNetworkPolicy
            }
        }
    }
    public enum Tier: String, Sendable, Hashable {
        case admin = "Admin"
        case baseline = "Baseline"
    }

    public var kind: Kind
    public var metadata: ObjectMeta
    public var tier: Tier
    /// 0 ... 1000; lower is tried first, equal ones in order of name (then kind). BaselineAdminNetworkPolicy: 0.
    public var priority: Int32
    public var subject: PodSelection
    public var ingress: [TierRule]
    public var egress: [TierRule]
    public var enforcement: Enforcement
    /// The parts outside its rules that were not understood, as sentences with the field's path; from a newer API
    /// server. Parts that might change the meaning of the rules are in the rules' `unknown` as well.
    public var unknown: [String]
    public init(
        kind: Kind = .clusterNetworkPolicy, metadata: ObjectMeta, tier: Tier, priority: Int32 = 0,
        subject: PodSelection, ingress: [TierRule] = [], egress: [TierRule] = [], enforcement: Enforcement = .enforce,
        unknown: [String] = []
    ) {
        self.kind = kind
        self.metadata = metadata
        self.tier = tier
        self.priority = priority
        self.subject = subject
        self.ingress = ingress
        self.egress = egress
        self.enforcement = enforcement
        self.unknown = unknown
    }

    /// Every sentence about parts that were not understood, each once.
    public var allUnknown: [String] {
        var seen: Set<String> = []
        return (unknown + ingress.flatMap(\.unknown) + egress.flatMap(\.unknown)).filter { seen.insert($0).inserted }
    }
}

/// Pods by the labels of their namespace and their own; hostNetwork pods never belong. An empty selector selects all.
public struct PodSelection: Sendable, Hashable {
    public var namespaces: LabelSelector
    public var pods: LabelSelector
    public init(namespaces: LabelSelector = LabelSelector(), pods: LabelSelector = LabelSelector()) {
        self.namespaces = namespaces
        self.pods = pods
    }
}

/// One rule of a ``TierPolicy``: the first that matches decides its tier.
public struct TierRule: Sendable, Hashable {
    public enum Action: String, Sendable, Hashable {
        case accept
        case deny
        /// Leave the tier.
        case pass
    }

    public var name: String?
    public var action: Action
    public var peers: [TierPeer]
    /// Nil: the rule ignores protocols. Empty: none of the written ones is known, so nothing matches.
    public var ports: [TierPort]?
    /// Unknown peers, protocols or fields, as sentences with the field's path; from a newer API server. If there are
    /// any: Accept matches only what `peers` and `ports` contain (without peers: nothing), Deny and Pass deny
    /// everything that reaches the rule.
    public var unknown: [String]
    public init(
        name: String? = nil, action: Action, peers: [TierPeer], ports: [TierPort]? = nil, unknown: [String] = []
    ) {
        self.name = name
        self.action = action
        self.peers = peers
        self.ports = ports
        self.unknown = unknown
    }
}

/// The peers that a ``TierRule`` matches.
public enum TierPeer: Sendable, Hashable {
    case pods(PodSelection)
    /// The addresses of the nodes with these labels (status.addresses).
    case nodes(LabelSelector)
    /// Not empty.
    case networks([CIDR])
}

/// The part of the transport header that a ``TierRule`` matches.
public enum TierPort: Sendable, Hashable {
    case range(IPProtocol, PortRange)
    /// A container port of this name, of whatever protocol: of the subject on ingress, of the peer pod on egress.
    case named(String)
}
