// SPDX-License-Identifier: Apache-2.0
import Documents

/// What runs pods: a Deployment, a StatefulSet, …, or a pod without controller (`Pod`).
public struct WorkloadName: Sendable, Hashable, Comparable, CustomStringConvertible {
    public var namespace: String
    public var kind: String
    public var name: String
    public init(namespace: String, kind: String, name: String) {
        self.namespace = namespace
        self.kind = kind
        self.name = name
    }

    /// `Deployment shop/web`.
    public var description: String { "\(kind) \(namespace)/\(name)" }

    public static func < (a: Self, b: Self) -> Bool {
        (a.namespace, a.name, a.kind) < (b.namespace, b.name, b.kind)
    }
}

/// metav1.OwnerReference, the part that says who controls an object. It is in the object's own namespace, except for a
/// Node, which has none.
public struct OwnerReference: Sendable, Hashable {
    public var kind: String
    public var name: String
    public init(kind: String, name: String) {
        self.kind = kind
        self.name = name
    }

    /// The controller of a document's object; nil if it has none, or none that can be read.
    public init?(controllerOf document: DocumentNode) {
        guard case .sequence(let owners)? = document["metadata"]?["ownerReferences"]?.value else { return nil }
        let controller = owners.first { $0["controller"]?.value == .bool(true) }
        guard let kind = controller?["kind"]?.string, let name = controller?["name"]?.string, !kind.isEmpty,
            !name.isEmpty
        else { return nil }
        self.init(kind: kind, name: name)
    }
}
