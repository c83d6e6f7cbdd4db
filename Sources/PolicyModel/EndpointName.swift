// SPDX-License-Identifier: Apache-2.0

/// What an endpoint's name stands for.
///
/// Two kinds have room here and are not built: `host`, the node itself as the subject of policy, and `remote`, an
/// endpoint of another cluster.
public enum EndpointKind: UInt8, Sendable, Hashable, Comparable, CaseIterable {
    /// A pod with a Pod object.
    case pod
    /// A pod that the container runtime has reported and whose object is not known yet: denied everything until then.
    case held
    /// A pod that only its network interface shows. Its labels are not known, so that only policies for all pods
    /// select it, and no rule names it as a peer.
    case unknown
    /// An endpoint that a controller has pushed through the control socket, with its resolved policy.
    case pushed

    public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }

    /// Replaces the namespace of kinds that have none; no Kubernetes namespace can have such a name.
    fileprivate var mark: String? {
        switch self {
        case .pod, .pushed: nil
        case .held: "(held)"
        case .unknown: "(unknown)"
        }
    }
}

/// The name of an endpoint.
public struct EndpointName: Sendable, Hashable, Comparable, CustomStringConvertible {
    public var kind: EndpointKind
    /// The Kubernetes namespace, or the namespace that a controller gives. Empty for ``EndpointKind/unknown``.
    public var namespace: String
    /// The pod's name, its name and UID (``EndpointKind/held``), its interface (``EndpointKind/unknown``), or the name
    /// that a controller gives the endpoint.
    public var name: String

    public init(kind: EndpointKind = .pod, namespace: String, name: String) {
        self.kind = kind
        self.namespace = namespace
        self.name = name
    }

    /// The endpoint of a pod whose object is not known yet. The UID is part of the name, because a successor under the
    /// same name is another pod.
    public init(heldFor attachment: PodAttachment) {
        self.init(kind: .held, namespace: attachment.namespace, name: "\(attachment.name) \(attachment.uid)")
    }

    /// The endpoint of a pod that only an interface of this node shows.
    public init(unknownBehind interface: String) { self.init(kind: .unknown, namespace: "", name: interface) }

    /// The namespace that people and documents see.
    public var shownNamespace: String { kind.mark ?? namespace }

    /// The name that people and documents see with ``shownNamespace``.
    public var shownName: String { kind == .held ? "\(namespace)/\(name)" : name }

    public var description: String { shownNamespace.isEmpty ? shownName : "\(shownNamespace)/\(shownName)" }

    public static func < (a: Self, b: Self) -> Bool {
        // Most names are of pods, which are shown as they are.
        if a.kind == .pod, b.kind == .pod {
            return a.namespace == b.namespace ? a.name < b.name : a.namespace < b.namespace
        }
        return (a.shownNamespace, a.shownName, a.kind) < (b.shownNamespace, b.shownName, b.kind)
    }
}
