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
    /// Directions in which the layer denies what none of its rules allows. Only the NetworkPolicy layer isolates.
    public var isolates: Set<Direction>
    public var ingress: [PolicyRule]
    public var egress: [PolicyRule]
    public var enforcement: Enforcement
    /// The parts that were not understood, as sentences with the field's path. The rules already allow less because of
    /// them.
    public var unknown: [String]

    public init(
        reference: PolicyReference, layer: Tier, priority: Int32 = 0, subject: PodSubject,
        isolates: Set<Direction> = [], ingress: [PolicyRule] = [], egress: [PolicyRule] = [],
        enforcement: Enforcement = .enforce, unknown: [String] = []
    ) {
        self.reference = reference
        self.layer = layer
        self.priority = priority
        self.subject = subject
        self.isolates = isolates
        self.ingress = ingress
        self.egress = egress
        self.enforcement = enforcement
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
    /// Nil: every port of every protocol. Empty: none.
    public var ports: [PolicyPort]?

    public init(name: String? = nil, action: RuleAction, peers: [PolicyPeer]? = nil, ports: [PolicyPort]? = nil) {
        self.name = name
        self.action = action
        self.peers = peers
        self.ports = ports
    }
}

/// The other end of a flow that a rule matches.
public enum PolicyPeer: Sendable, Hashable {
    case pods(PodSubject)
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
