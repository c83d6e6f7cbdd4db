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
    public var action: Action
    /// Missing and empty are the same: no rule, so that nothing matches.
    public var rules: [AuthorizationRule]
    /// The annotation `istio.io/dry-run: "true"` (or Bulkhead's own annotation) puts the policy in audit.
    public var enforcement: Enforcement
    /// What was not understood of the policy as a whole: every rule is closed by it.
    public var unknown: [String]

    public init(
        metadata: ObjectMeta, selector: LabelSelector = LabelSelector(), action: Action = .allow,
        rules: [AuthorizationRule] = [], enforcement: Enforcement = .enforce, unknown: [String] = []
    ) {
        self.metadata = metadata
        self.selector = selector
        self.action = action
        self.rules = rules
        self.enforcement = enforcement
        self.unknown = unknown
    }

    /// Everything that was not understood, in the policy and in its parts.
    public var allUnknown: [String] {
        unknown
            + rules.flatMap { rule in
                rule.unknown + (rule.sources ?? []).flatMap(\.unknown) + (rule.operations ?? []).flatMap(\.unknown)
            }
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
    }
    public var key: Key
    /// As written. Those of addresses are prefixes or addresses that parse, those of ports are numbers.
    public var values: [String]
    public var notValues: [String]
    public init(key: Key, values: [String] = [], notValues: [String] = []) {
        self.key = key
        self.values = values
        self.notValues = notValues
    }
}
