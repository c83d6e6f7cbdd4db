// SPDX-License-Identifier: Apache-2.0
import NetworkTypes

/// A pod of this node as its container runtime reports it through the chained CNI plugin: before the API server reports
/// the pod's addresses, and often before its Pod object is known.
public struct PodAttachment: Sendable, Hashable {
    /// Identifies the pod, which neither its name nor an address does: both are reused. For a static pod this is the
    /// UID of the pod itself, not the UID of its mirror object.
    public var uid: String
    public var namespace: String
    public var name: String
    /// At least one.
    public var addresses: [IPAddress]
    /// Whether the pod is denied everything until its object is known. If false, the runtime's report has no effect on
    /// the pod's own traffic until then.
    public var isHeld: Bool

    public init(uid: String, namespace: String, name: String, addresses: [IPAddress], isHeld: Bool = true) {
        self.uid = uid
        self.namespace = namespace
        self.name = name
        self.addresses = addresses
        self.isHeld = isHeld
    }
}

extension PolicyReference {
    /// Denies a pod everything until its object is known.
    public static let unknownPod = PolicyReference(kind: "UnknownPod", namespace: "", name: "unknown pod: deny")
}
