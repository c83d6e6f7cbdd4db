// SPDX-License-Identifier: Apache-2.0
import NetworkTypes

/// The direction of a rule, seen from the pod that it protects.
public enum Direction: String, Sendable, Hashable, CaseIterable {
    case ingress
    case egress
}

/// The result of a decision.
public enum Verdict: String, Sendable, Hashable {
    case allow
    case deny
    /// Authorization allows some HTTP requests of the flow and denies others: the node's proxy decides for each.
    case dependsOnRequest = "depends"
}

extension Verdict {
    /// The verdict for a flow that two directions decide about; nil: a direction that is not judged.
    public static func both(_ a: Verdict?, _ b: Verdict?) -> Verdict {
        if a == .deny || b == .deny { return .deny }
        return a == .dependsOnRequest || b == .dependsOnRequest ? .dependsOnRequest : .allow
    }
}

/// What a rule does with a flow that it matches.
public enum RuleAction: String, Sendable, Hashable {
    case allow
    case deny
    /// Leave the tier; the next one decides.
    case pass
}

/// The order of evaluation. A tier's rules are tried in order, the first match decides.
public enum Tier: UInt8, Sendable, Hashable, Comparable, CaseIterable {
    case admin = 1
    case networkPolicy = 2
    case baseline = 3
    /// Not one of the tiers but a verdict of its own: a flow must be allowed by the tiers and by authorization.
    case authorization = 4

    /// Its name in answers and metrics.
    public var name: String {
        switch self {
        case .admin: "Admin"
        case .networkPolicy: "NetworkPolicy"
        case .baseline: "Baseline"
        case .authorization: "Authorization"
        }
    }

    public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// Which policy: kind, namespace (empty for cluster-wide kinds) and name.
public struct PolicyReference: Sendable, Hashable, Comparable, CustomStringConvertible {
    public var kind: String
    public var namespace: String
    public var name: String

    public init(kind: String, namespace: String, name: String) {
        self.kind = kind
        self.namespace = namespace
        self.name = name
    }

    /// `namespace/name`, or `name` for a cluster-wide policy.
    public var description: String { namespace.isEmpty ? name : "\(namespace)/\(name)" }

    /// The kind of the policies that belong to no tier.
    public static let authorizationKind = "AuthorizationPolicy"

    public var isOfAuthorization: Bool { kind == Self.authorizationKind }

    public static func < (a: Self, b: Self) -> Bool {
        (a.namespace, a.name, a.kind) < (b.namespace, b.name, b.kind)
    }
}

/// What decided: the identity that verdicts, events and counters show. Stable over restarts.
public enum RuleIdentity: Sendable, Hashable {
    /// A written rule: `index` counts from 0 in its policy and direction.
    case rule(PolicyReference, Direction, index: Int, name: String?)
    /// A written rule that only reports what it matches (Istio's action AUDIT): `index` counts from 0 in its policy.
    case report(PolicyReference, Direction, index: Int)
    /// No rule matched and these policies isolate the pod in this direction (ordered by name, not empty).
    case isolation(Direction, by: [PolicyReference])
    /// The other end is the pod's own node.
    case ownNode(Direction)
    /// No tier decided.
    case noPolicy(Direction)
    /// Traffic from a pod to its own node that no policy may deny ("DHCP", "node DNS").
    case failsafe(String)
    /// The policy could not be compiled within its limits; everything is denied.
    case overLimit(Direction)
}

extension RuleIdentity {
    /// The policies behind it: a written rule's own, or those that isolate, ordered by name. Empty for all others.
    public var policies: [PolicyReference] {
        switch self {
        case .rule(let policy, _, _, _), .report(let policy, _, _): [policy]
        case .isolation(_, let policies): policies
        case .ownNode, .noPolicy, .failsafe, .overLimit: []
        }
    }
}

/// One ordered rule for one endpoint and direction, all selectors and named ports resolved.
public struct ResolvedRule: Sendable, Hashable {
    public var identity: RuleIdentity
    public var action: RuleAction
    public var peers: PeerMatch
    public var ports: PortMatch
    /// What the rule asks of a request; its flows are handed to the proxy, which carries out ``action`` for the
    /// requests that match. Nil: the rule decides about flows.
    public var request: RequestMatch?

    public init(
        identity: RuleIdentity, action: RuleAction, peers: PeerMatch, ports: PortMatch, request: RequestMatch? = nil
    ) {
        self.identity = identity
        self.action = action
        self.peers = peers
        self.ports = ports
        self.request = request
    }
}

/// Number of a peer set, which the resolver assigns while any rule refers to it; may be reused after that.
public struct PeerSetID: RawRepresentable, Sendable, Hashable, Comparable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// The ports that a rule matches: every protocol and port, or any of some (empty: none).
public enum PortMatch: Sendable, Hashable {
    case any
    case ports([ProtocolPorts])
}

/// A range of ports of one of the protocols that have them.
public struct ProtocolPorts: Sendable, Hashable, Comparable, CustomStringConvertible {
    public var ipProtocol: IPProtocol
    public var range: PortRange

    public init(_ ipProtocol: IPProtocol, _ range: PortRange) {
        self.ipProtocol = ipProtocol
        self.range = range
    }

    public var description: String { range == .all ? "every \(ipProtocol) port" : "\(range)/\(ipProtocol)" }

    public static func < (a: Self, b: Self) -> Bool { (a.ipProtocol, a.range) < (b.ipProtocol, b.range) }
}

/// The rules of one tier for one endpoint and direction, in order, and what happens if none matches.
public struct ResolvedTier: Sendable, Hashable {
    public var tier: Tier
    public var rules: [ResolvedRule]
    /// What denies if no rule matches; nil: the next tier decides.
    public var otherwiseDeny: RuleIdentity?

    public init(tier: Tier, rules: [ResolvedRule], otherwiseDeny: RuleIdentity?) {
        self.tier = tier
        self.rules = rules
        self.otherwiseDeny = otherwiseDeny
    }
}

/// Everything that decides one direction of one endpoint: tiers in order of evaluation, then authorization. Empty:
/// everything is allowed.
public struct ResolvedDirection: Sendable, Hashable {
    public var tiers: [ResolvedTier]
    /// The tiers with the policies in audit enforced; nil if there are none. Flows that ``tiers`` allow and these deny
    /// are reported as "would deny".
    public var audit: [ResolvedTier]?
    public init(tiers: [ResolvedTier] = [], audit: [ResolvedTier]? = nil) {
        self.tiers = tiers
        self.audit = audit
    }
}

/// Where the members of a peer set come from; canonical, so that equal descriptions are one set.
public struct PeerSetDescription: Sendable, Hashable, CustomStringConvertible {
    /// The text for a person: "pods tier=backend in namespace shop", "10.0.0.0/8 except 10.1.0.0/16".
    public var description: String
    /// Prefixes that are members, without their excepts. ``ResolvedChange/groups`` reports the pods among the members.
    public var blocks: [AddressBlock]
    /// Only these of the pods' addresses are members; empty: all of them. Not together with ``blocks``.
    public var bounds: [AddressBlock]
    /// Whether its members are the addresses that the node delivers to itself.
    public var isOwnNode: Bool
    /// Whether ``blocks`` change while the set lives, as ``ResolvedChange/members`` reports. They then have no excepts,
    /// and ``description`` alone identifies the set.
    public var hasChangingMembers: Bool

    public init(
        description: String, blocks: [AddressBlock] = [], bounds: [AddressBlock] = [], isOwnNode: Bool = false,
        hasChangingMembers: Bool = false
    ) {
        self.description = description
        self.blocks = blocks
        self.bounds = bounds
        self.isOwnNode = isOwnNode
        self.hasChangingMembers = isOwnNode || hasChangingMembers
    }

    /// Whether every address of the node itself is a member, including those that are not known yet.
    public var holdsOwnNode: Bool {
        isOwnNode
            || (hasChangingMembers
                && CIDR.loopback.allSatisfy { loopback in blocks.contains { $0.cidr == loopback } })
    }

    /// The identity of the set: everything except members that change.
    public var identity: PeerSetDescription {
        guard hasChangingMembers else { return self }
        var identity = self
        identity.blocks = []
        return identity
    }

    /// Replaces members of a set whose members change.
    public mutating func apply(_ change: MembershipChange) {
        let left = Set(change.left)
        blocks = (blocks.filter { !left.contains($0.cidr) } + change.joined.map { AddressBlock(cidr: $0) }).sorted()
    }
}

/// Prefixes that joined and left a live peer set; each list sorted, without duplicates.
public struct MembershipChange: Sendable, Hashable {
    public var joined: [CIDR]
    public var left: [CIDR]

    public init(joined: [CIDR] = [], left: [CIDR] = []) {
        self.joined = joined
        self.left = left
    }

    /// The difference between two sorted lists without duplicates.
    public init(from old: [CIDR], to new: [CIDR]) {
        let (before, after) = (Set(old), Set(new))
        joined = new.filter { !before.contains($0) }
        left = old.filter { !after.contains($0) }
    }

    /// Whether one of the prefixes contains an address.
    public func concerns(_ address: IPAddress) -> Bool {
        joined.contains { $0.contains(address) } || left.contains { $0.contains(address) }
    }
}

/// A prefix without some prefixes inside it (networking.k8s.io/v1 IPBlock).
public struct AddressBlock: Sendable, Hashable, Comparable, CustomStringConvertible {
    public var cidr: CIDR
    public var except: [CIDR]

    public init(cidr: CIDR, except: [CIDR] = []) {
        self.cidr = cidr
        self.except = except.sorted()
    }

    public func contains(_ address: IPAddress) -> Bool {
        cidr.contains(address) && !except.contains { $0.contains(address) }
    }

    public var description: String {
        except.isEmpty ? "\(cidr)" : "\(cidr) except \(except.map(\.description).joined(separator: ", "))"
    }

    public static func < (a: Self, b: Self) -> Bool {
        a.cidr == b.cidr ? a.except.lexicographicallyPrecedes(b.except) : a.cidr < b.cidr
    }
}

/// A local endpoint with its resolved policy.
public struct ResolvedEndpoint: Sendable, Hashable {
    public var name: EndpointName
    /// Sorted, without duplicates.
    public var addresses: [IPAddress]
    public var ingress: ResolvedDirection
    public var egress: ResolvedDirection

    public init(
        name: EndpointName, addresses: [IPAddress], ingress: ResolvedDirection, egress: ResolvedDirection
    ) {
        self.name = name
        self.addresses = addresses
        self.ingress = ingress
        self.egress = egress
    }
}

/// Number of a group of addresses that are members of the same selector peer sets (pods of one namespace with the
/// same labels and named ports); may be reused once the group is removed.
public struct PeerGroupID: RawRepresentable, Sendable, Hashable, Comparable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// An address with the group that it now belongs to; nil: to none.
public struct AddressGroup: Sendable, Hashable {
    public var address: IPAddress
    public var group: PeerGroupID?
    public init(_ address: IPAddress, _ group: PeerGroupID?) {
        self.address = address
        self.group = group
    }
}

/// What one batch of events changed in the resolved policy; the compiler's only input.
///
/// Applied as a whole: first new peer sets, then membership and endpoints, then removed peer sets. A peer set is added
/// before any rule refers to it and removed after the last such rule. Membership is given by group, because thousands
/// of addresses join or leave a peer set together.
public struct ResolvedChange: Sendable, Hashable {
    public var addedPeerSets: [PeerSetID: PeerSetDescription] = [:]
    public var removedPeerSets: [PeerSetID] = []
    /// Live sets with ``PeerSetDescription/hasChangingMembers`` whose prefixes changed, without those that this change
    /// adds: their description has the members.
    public var members: [PeerSetID: MembershipChange] = [:]
    /// Groups that are new or differ, with all selector peer sets to which they now belong (sorted, not empty). Sets
    /// with ``PeerSetDescription/blocks`` are not repeated here. Of a set with ``PeerSetDescription/bounds``, only the
    /// group's addresses within them are members.
    public var groups: [PeerGroupID: [PeerSetID]] = [:]
    /// Groups that no longer belong to any peer set, or are gone; their addresses belong to none.
    public var removedGroups: [PeerGroupID] = []
    /// Addresses that joined or left a group. An address without a group may be left out.
    public var addresses: [AddressGroup] = []
    /// Local endpoints that are new or differ.
    public var endpoints: [EndpointName: ResolvedEndpoint] = [:]
    /// Endpoints that are gone. A name that is in ``endpoints`` as well is another endpoint under the same name and
    /// inherits nothing.
    public var removedEndpoints: [EndpointName] = []
    /// Whether packets between pods and their own node are judged at all, if that changed: only if a tier rule may
    /// decide about them, or the setting requires it.
    public var judgesOwnNode: Bool?

    public init() {}

    public var isEmpty: Bool {
        addedPeerSets.isEmpty && removedPeerSets.isEmpty && members.isEmpty && groups.isEmpty && removedGroups.isEmpty
            && addresses.isEmpty && endpoints.isEmpty && removedEndpoints.isEmpty && judgesOwnNode == nil
    }
}
