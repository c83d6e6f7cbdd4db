// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import PolicyModel

/// security.istio.io/v1 (or v1beta1) AuthorizationPolicy, as far as Bulkhead can carry it out.
///
/// Fields that cannot be known here are in `unknown` of the part that has them, as sentences with the field's path. A
/// part with unknown fields matches nothing where the policy allows, and whatever its other fields match where the
/// policy denies.
public struct AuthorizationPolicy: Sendable, Hashable {
    public enum Action: String, Sendable, Hashable {
        case allow = "ALLOW"
        case deny = "DENY"
        case audit = "AUDIT"
    }
    public var metadata: ObjectMeta
    /// Pods of the policy's namespace; in the mesh's root namespace, pods of every namespace. Empty selects all.
    public var selector: LabelSelector
    /// `targetRefs`, or `targetRef` alone: gateways, services and waypoints, which are not read here. `unknown` says
    /// so, and the policy applies to every pod that its namespace allows it to select.
    public var targets: [AuthorizationTarget]
    public var action: Action
    /// Missing and empty are the same: no rule, so that nothing matches.
    public var rules: [AuthorizationRule]
    /// The annotation `istio.io/dry-run: "true"` (or Bulkhead's own annotation) puts the policy in audit.
    public var enforcement: Enforcement
    /// What was not understood of the policy as a whole: every rule is closed by it.
    public var unknown: [String]
    /// Annotations that were not understood, from an API server. They close nothing: the policy is enforced.
    public var unknownAnnotations: [String]

    public init(
        metadata: ObjectMeta, selector: LabelSelector = LabelSelector(), targets: [AuthorizationTarget] = [],
        action: Action = .allow, rules: [AuthorizationRule] = [], enforcement: Enforcement = .enforce,
        unknown: [String] = [], unknownAnnotations: [String] = []
    ) {
        self.metadata = metadata
        self.selector = selector
        self.targets = targets
        self.action = action
        self.rules = rules
        self.enforcement = enforcement
        self.unknown = unknown
        self.unknownAnnotations = unknownAnnotations
    }

    /// Everything that was not understood, in the policy and in its parts.
    public var allUnknown: [String] {
        unknown + unknownAnnotations
            + rules.flatMap { rule in
                rule.unknown + (rule.sources ?? []).flatMap(\.unknown) + (rule.operations ?? []).flatMap(\.unknown)
            }
    }
}

/// `targetRefs[]`: a resource of the policy's namespace that the policy is attached to.
public struct AuthorizationTarget: Sendable, Hashable {
    /// Empty: the core group.
    public var group: String
    public var kind: String
    public var name: String

    public init(group: String = "", kind: String, name: String) {
        self.group = group
        self.kind = kind
        self.name = name
    }
}

/// One rule: some source, some operation, and every condition match. `[{}]` is one rule that matches everything.
public struct AuthorizationRule: Sendable, Hashable {
    /// `from`. Nil: every source. Never empty.
    public var sources: [AuthorizationSource]?
    /// `to`. Nil: every operation. Never empty.
    public var operations: [AuthorizationOperation]?
    /// `when`.
    public var conditions: [AuthorizationCondition]
    public var unknown: [String]

    public init(
        sources: [AuthorizationSource]? = nil, operations: [AuthorizationOperation]? = nil,
        conditions: [AuthorizationCondition] = [], unknown: [String] = []
    ) {
        self.sources = sources
        self.operations = operations
        self.conditions = conditions
        self.unknown = unknown
    }
}

/// `from[].source`: all fields match. A list that is empty is not written and matches everything; otherwise one of
/// its values matches (`not…`: none does).
public struct AuthorizationSource: Sendable, Hashable {
    public var principals: [String] = []
    public var notPrincipals: [String] = []
    public var namespaces: [String] = []
    public var notNamespaces: [String] = []
    /// `account` (of the policy's namespace) or `namespace/account`.
    public var serviceAccounts: [String] = []
    public var notServiceAccounts: [String] = []
    public var ipBlocks: [CIDR] = []
    public var notIpBlocks: [CIDR] = []
    /// As written. What a token or a header says of the sender cannot be known here: `unknown` says so.
    public var requestPrincipals: [String] = []
    public var notRequestPrincipals: [String] = []
    public var remoteIpBlocks: [String] = []
    public var notRemoteIpBlocks: [String] = []
    public var unknown: [String] = []
    public init() {}
}

/// `to[].operation`: all fields match, as in a source.
public struct AuthorizationOperation: Sendable, Hashable {
    public var ports: [UInt16] = []
    public var notPorts: [UInt16] = []
    public var hosts: [String] = []
    public var notHosts: [String] = []
    public var methods: [String] = []
    public var notMethods: [String] = []
    public var paths: [String] = []
    public var notPaths: [String] = []
    public var unknown: [String] = []
    public init() {}
}

/// `when[]`: one of `values` matches, and none of `notValues`. At least one of the two is not empty.
public struct AuthorizationCondition: Sendable, Hashable {
    public enum Key: Sendable, Hashable {
        case sourceIP
        case sourceNamespace
        case sourcePrincipal
        case sourceServiceAccount
        case destinationIP
        case destinationPort
        /// `request.headers[NAME]`, NAME in lower case.
        case header(String)
        /// Another attribute of Istio's by its name, which cannot be known here. The rule's `unknown` says so.
        case unreadable(String)
    }
    public var key: Key
    /// As written. Those of addresses are prefixes or addresses that parse, those of ports are numbers, those of
    /// service accounts are as in a source.
    public var values: [String]
    public var notValues: [String]
    public init(key: Key, values: [String] = [], notValues: [String] = []) {
        self.key = key
        self.values = values
        self.notValues = notValues
    }
}
