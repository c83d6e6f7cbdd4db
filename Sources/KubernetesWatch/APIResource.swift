// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects

/// One collection of the API that is followed: all objects of one kind, cluster-wide.
public struct APIResource: Sendable, Hashable, CustomStringConvertible {
    public var kind: ObjectKind
    /// `v1`, or `group/version`; where a server lacks it, the next of the kind's ``ObjectKind/apiVersions`` follows.
    public var apiVersion: String
    /// As in paths and in RBAC rules: `pods`.
    public var name: String
    /// Whether a cluster may lack it: a custom resource, which also has no protobuf form.
    public var isCustom: Bool

    /// Where its objects are listed and watched.
    public var path: String { (apiVersion.contains("/") ? "/apis/" : "/api/") + "\(apiVersion)/\(name)" }
    public var description: String { name }

    /// Empty for the core group.
    public var group: String { apiVersion.contains("/") ? String(apiVersion.prefix { $0 != "/" }) : "" }

    public init(_ kind: ObjectKind) {
        self.kind = kind
        apiVersion = kind.apiVersion
        (name, isCustom) =
            switch kind {
            case .pod: ("pods", false)
            case .namespace: ("namespaces", false)
            case .node: ("nodes", false)
            case .networkPolicy: ("networkpolicies", false)
            case .clusterNetworkPolicy: ("clusternetworkpolicies", true)
            case .adminNetworkPolicy: ("adminnetworkpolicies", true)
            case .baselineAdminNetworkPolicy: ("baselineadminnetworkpolicies", true)
            case .authorizationPolicy: ("authorizationpolicies", true)
            }
    }

    /// All collections that are followed.
    public static let all = ObjectKind.allCases.map { APIResource($0) }
}
