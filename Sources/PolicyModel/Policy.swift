// SPDX-License-Identifier: Apache-2.0
import NetworkTypes

/// A policy of any kind in the one form that the stages after decoding read. A new kind is one translator to this form.
///
/// A policy's rules are tried in order. The first match decides for the policy's layer.
public struct Policy: Sendable, Hashable {
    public var reference: PolicyReference
    /// The layer of evaluation that its rules belong to.
    public var layer: Tier
    /// Policies of one layer with a lower priority are tried first.
    public var priority: Int32
    /// The pods that it protects.
    public var subject: PodSubject
    /// Directions in which the layer denies what none of its rules allows. The NetworkPolicy layer isolates, and so
    /// does a policy of the authorization layer that allows (for TCP).
    public var isolates: Set<Direction>
    public var ingress: [PolicyRule]
    public var egress: [PolicyRule]
    public var enforcement: Enforcement
    /// Whether its rules only report what they match (Istio's action AUDIT). Such a policy is in audit.
    public var isReport: Bool
    /// The parts that were not understood, as sentences with the field's path. The rules already allow less because of
    /// them.
    public var unknown: [String]

    public init(
        reference: PolicyReference, layer: Tier, priority: Int32 = 0, subject: PodSubject,
        isolates: Set<Direction> = [], ingress: [PolicyRule] = [], egress: [PolicyRule] = [],
        enforcement: Enforcement = .enforce, isReport: Bool = false, unknown: [String] = []
    ) {
        self.reference = reference
        self.layer = layer
        self.priority = priority
        self.subject = subject
        self.isolates = isolates
        self.ingress = ingress
        self.egress = egress
        self.enforcement = enforcement
        self.isReport = isReport
        self.unknown = unknown
    }

    /// When the policy is evaluated.
    public var order: PolicyOrder { PolicyOrder(layer: layer, priority: priority, reference: reference) }
}

/// The order in which policies are evaluated: by layer, then priority, then name, then kind.
public struct PolicyOrder: Sendable, Hashable, Comparable {
    public var layer: Tier
    public var priority: Int32
    public var reference: PolicyReference

    public init(layer: Tier, priority: Int32, reference: PolicyReference) {
        self.layer = layer
        self.priority = priority
        self.reference = reference
    }

    public static func < (a: Self, b: Self) -> Bool {
        if a.layer != b.layer { return a.layer < b.layer }
        if a.priority != b.priority { return a.priority < b.priority }
        return (a.reference.name, a.reference.kind, a.reference.namespace)
            < (b.reference.name, b.reference.kind, b.reference.namespace)
    }
}

/// Pods by their namespace and their labels. Pods with the node's network never belong.
public struct PodSubject: Sendable, Hashable {
    public var namespaces: NamespaceScope
    public var pods: LabelSelector

    public init(namespaces: NamespaceScope, pods: LabelSelector = LabelSelector()) {
        self.namespaces = namespaces
        self.pods = pods
    }
}

/// Namespaces by name or by label.
public enum NamespaceScope: Sendable, Hashable {
    case named(String)
    case selector(LabelSelector)
}

/// One rule of a policy.
public struct PolicyRule: Sendable, Hashable {
    public var name: String?
    public var action: RuleAction
    /// Nil: every address. Empty: none.
    public var peers: [PolicyPeer]?
    /// What holds of the other end as well: all of these. Only the authorization layer has them.
    public var conditions: [PeerCondition]
    /// What holds of the subject's own address: all of these. Only the authorization layer has them.
    public var destinations: [DestinationCondition]
    /// Nil: every port of every protocol. Empty: none.
    public var ports: [PolicyPort]?
    /// What holds of the request. Nil: every request, and every flow that carries none. Only the authorization layer
    /// has it.
    public var request: RequestMatch?
    /// The number of the written rule, counted from 0, where several rules here are one written rule. Nil: the rule's
    /// own position.
    public var writtenIndex: Int?

    public init(
        name: String? = nil, action: RuleAction, peers: [PolicyPeer]? = nil, conditions: [PeerCondition] = [],
        destinations: [DestinationCondition] = [], ports: [PolicyPort]? = nil, request: RequestMatch? = nil,
        writtenIndex: Int? = nil
    ) {
        self.name = name
        self.action = action
        self.peers = peers
        self.conditions = conditions
        self.destinations = destinations
        self.ports = ports
        self.request = request
        self.writtenIndex = writtenIndex
    }
}

/// One condition on the other end of a flow.
public struct PeerCondition: Sendable, Hashable {
    /// Any of them. Empty: none.
    public var peers: [PolicyPeer]
    /// The condition holds if none of the peers matches.
    public var isExcluded: Bool

    public init(_ peers: [PolicyPeer], isExcluded: Bool = false) {
        self.peers = peers
        self.isExcluded = isExcluded
    }
}

/// One condition on the address by which a flow reaches the subject.
public struct DestinationCondition: Sendable, Hashable {
    /// Any of them. Not empty.
    public var blocks: [CIDR]
    /// The condition holds if none of the blocks contains the address.
    public var isExcluded: Bool

    public init(_ blocks: [CIDR], isExcluded: Bool = false) {
        self.blocks = blocks
        self.isExcluded = isExcluded
    }
}

/// The other end of a flow that a rule matches.
public enum PolicyPeer: Sendable, Hashable {
    case pods(PodSubject)
    /// Pods by namespace and service account.
    case identity(PodIdentity)
    /// The addresses of the nodes with these labels.
    case nodes(LabelSelector)
    case block(AddressBlock)
}

/// The part of the transport header that a rule matches.
public enum PolicyPort: Sendable, Hashable {
    case range(ProtocolPorts)
    /// A container port with this name and protocol: the subject's on ingress, the peer pod's on egress.
    case named(String, IPProtocol)
}
