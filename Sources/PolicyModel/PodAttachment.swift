// SPDX-License-Identifier: Apache-2.0
import NetworkTypes

/// A pod of this node as its container runtime tells of it, through the chained CNI plugin: before the API server says
/// which addresses it has, and often before its object is known at all.
public struct PodAttachment: Sendable, Hashable {
    /// The pod's identity. Neither its name nor an address is one: both are used again. A static pod's is its own, not
    /// that of the object which the API server has of it.
    public var uid: String
    public var namespace: String
    public var name: String
    /// At least one.
    public var addresses: [IPAddress]
    /// Whether it is denied everything until its object is known. False: it is as though nobody had told of it until
    /// then.
    public var isHeld: Bool

    public init(uid: String, namespace: String, name: String, addresses: [IPAddress], isHeld: Bool = true) {
        self.uid = uid
        self.namespace = namespace
        self.name = name
        self.addresses = addresses
        self.isHeld = isHeld
    }
}

extension EndpointName {
    /// The namespace of endpoints that stand for pods whose object is not known yet; no object can have this name.
    public static let heldNamespace = "(held)"

    /// The endpoint that stands for a pod until its object is known.
    public init(heldFor attachment: PodAttachment) {
        self.init(
            namespace: Self.heldNamespace, name: "\(attachment.namespace)/\(attachment.name) \(attachment.uid)")
    }

    public var isHeld: Bool { namespace == Self.heldNamespace }
}

extension PolicyReference {
    /// What denies a pod everything until its object is known.
    public static let unknownPod = PolicyReference(kind: "UnknownPod", namespace: "", name: "unknown pod: deny")
}
