// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import PolicyModel

extension AuthorizationPolicy {
    /// A policy for all pods of its namespace, or for those that `selects` names.
    public init(
        _ name: String, _ action: Action = .allow, selects labels: [String: String] = [:],
        _ rules: [AuthorizationRule] = [], enforcement: Enforcement = .enforce, unknown: [String] = []
    ) {
        self.init(
            metadata: ObjectMeta(namespaced: name), selector: .labels(labels), action: action, rules: rules,
            enforcement: enforcement, unknown: unknown)
    }
}

/// The event that sets a ``KubernetesObjects/AuthorizationPolicy``.
public func authorization(
    _ name: String, _ action: AuthorizationPolicy.Action = .allow, selects labels: [String: String] = [:],
    _ rules: [AuthorizationRule] = [], enforcement: Enforcement = .enforce, unknown: [String] = []
) -> ObjectEvent {
    .set(
        .authorizationPolicy(
            AuthorizationPolicy(name, action, selects: labels, rules, enforcement: enforcement, unknown: unknown)))
}

/// A rule of an AuthorizationPolicy; without arguments the one that matches everything.
public func allOf(
    from sources: [AuthorizationSource]? = nil, to operations: [AuthorizationOperation]? = nil,
    when conditions: [AuthorizationCondition] = [], unknown: [String] = []
) -> AuthorizationRule {
    AuthorizationRule(sources: sources, operations: operations, conditions: conditions, unknown: unknown)
}

/// `from.source` with these fields.
public func source(
    principals: [String] = [], notPrincipals: [String] = [], namespaces: [String] = [], notNamespaces: [String] = [],
    serviceAccounts: [String] = [], notServiceAccounts: [String] = [], ipBlocks: [String] = [],
    notIpBlocks: [String] = [], unknown: [String] = []
) -> AuthorizationSource {
    AuthorizationSource().with {
        $0.principals = principals
        $0.notPrincipals = notPrincipals
        $0.namespaces = namespaces
        $0.notNamespaces = notNamespaces
        $0.serviceAccounts = serviceAccounts
        $0.notServiceAccounts = notServiceAccounts
        $0.ipBlocks = ipBlocks.map { cidr($0) }
        $0.notIpBlocks = notIpBlocks.map { cidr($0) }
        $0.unknown = unknown
    }
}

/// `to.operation` with these fields.
public func operation(
    ports: [UInt16] = [], notPorts: [UInt16] = [], hosts: [String] = [], notHosts: [String] = [],
    methods: [String] = [], notMethods: [String] = [], paths: [String] = [], notPaths: [String] = [],
    unknown: [String] = []
) -> AuthorizationOperation {
    AuthorizationOperation().with {
        $0.ports = ports
        $0.notPorts = notPorts
        $0.hosts = hosts
        $0.notHosts = notHosts
        $0.methods = methods
        $0.notMethods = notMethods
        $0.paths = paths
        $0.notPaths = notPaths
        $0.unknown = unknown
    }
}
