// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import PolicyModel

/// The container runtime's reports about this node's pods, and the objects of these pods.
///
/// An object belongs to an attachment if it has its UID. If no object has it, the mirror of a static pod does whose
/// annotation has this UID: a kubelet gives the runtime the static pod's UID, and the API server gives the mirror
/// another. Any user who may create pods may write the annotation. So it counts only for a report about a pod of
/// exactly this namespace and name, and never against an object with this UID.
struct AttachedPods: Sendable {
    /// By UID.
    var attachments: [String: PodAttachment] = [:]
    /// By address: the UID of the pod to which it is attached.
    var owners: [IPAddress: String] = [:]
    /// This node's pods as in their objects: an attachment may come and go later.
    var objects: [EndpointName: Pod] = [:]
    /// Whether attachments changed, or which of them have an object, since the held endpoints were last found.
    var isChanged = false

    /// The attachment of a pod's object.
    fileprivate func attachment(of pod: Pod) -> PodAttachment? {
        if let own = attachments[pod.metadata.uid] { return own }
        guard !pod.staticUID.isEmpty, let attachment = attachments[pod.staticUID],
            attachment.podName == EndpointName(pod),
            !objects.values.contains(where: { $0.metadata.uid == pod.staticUID })
        else { return nil }
        return attachment
    }

    /// The mirror pod of an attachment, if no object has its UID.
    fileprivate func mirror(for attachment: PodAttachment) -> Pod? {
        guard let pod = objects[attachment.podName], pod.staticUID == attachment.uid,
            attachments[pod.metadata.uid] == nil
        else { return nil }
        return pod
    }
}

extension PodAttachment {
    fileprivate var podName: EndpointName { EndpointName(namespace: namespace, name: name) }
}

extension EndpointName {
    fileprivate init(_ pod: Pod) { self.init(namespace: pod.metadata.namespace, name: pod.metadata.name) }
}

extension ClusterState {
    /// Replaces all attachments. Each one gives its pod, found by UID and only on this node, the reported addresses,
    /// whatever its object says; no other pod of this node has one of them. The mirror of a static pod is found by the
    /// static pod's UID, only under the same namespace and name, and only if no object has this UID itself.
    ///
    /// - Parameter new: at most one per UID and per address.
    public mutating func set(attachments new: [PodAttachment]) {
        let attachments = Dictionary(new.map { ($0.uid, $0) }, uniquingKeysWith: { _, last in last })
        guard attachments != attached.attachments else { return }
        attached.attachments = attachments
        attached.owners = [:]
        for attachment in attachments.values {
            for address in attachment.addresses { attached.owners[address] = attachment.uid }
        }
        attached.isChanged = true
        // What stays the same does not count as a change.
        for pod in attached.objects.sorted(by: { $0.key < $1.key }).map(\.value) { set(pod) }
    }

    /// Records the object of a pod of this node.
    ///
    /// - Returns: UIDs that an object has now, or no longer has: their mirrors must be checked again.
    mutating func note(object pod: Pod) -> [String] {
        let before = attached.objects.updateValue(pod, forKey: EndpointName(pod))
        guard before?.metadata.uid != pod.metadata.uid || before?.staticUID != pod.staticUID else { return [] }
        attached.isChanged = true
        return [pod.metadata.uid] + (before.map { [$0.metadata.uid] } ?? [])
    }

    /// - Returns: like ``note(object:)``.
    mutating func forget(object name: EndpointName) -> [String] {
        guard let before = attached.objects.removeValue(forKey: name) else { return [] }
        attached.isChanged = true
        return [before.metadata.uid]
    }

    /// The object of the static pod with a UID, if there is one and the pod is attached.
    func attachedMirror(ofUID uid: String) -> Pod? { attached.attachments[uid].flatMap { attached.mirror(for: $0) } }

    /// The claims of a pod of this node. The runtime's report about the pod replaces the object's addresses.
    ///
    /// An address that the runtime has given to one pod is not claimed for another pod of this node, whatever that
    /// pod's object says: the object is outdated. This holds even if the runtime's pod itself claims nothing, because
    /// it has no object yet and is not held, or policy does not apply to it. Such an address is free for a pushed
    /// endpoint, for a pod of another node, and, unless the runtime's pod is held, for an interface.
    func claim(ofLocal pod: Pod) -> (source: ClaimSource, addresses: [IPAddress]) {
        guard !attached.owners.isEmpty else { return (.object, pod.podIPs) }
        if let attachment = attached.attachment(of: pod) { return (.runtime, attachment.addresses) }
        return (.object, pod.podIPs.filter { attached.owners[$0] == nil })
    }

    /// Whether the runtime has given an address to a pod that is denied everything until its object is known.
    func isHeld(_ address: IPAddress) -> Bool {
        attached.owners[address].flatMap { attached.attachments[$0]?.isHeld } ?? false
    }

    /// The pod of this node with a UID, or the mirror of the static pod that is attached with it, if its object is
    /// known.
    public func localPod(withUID uid: String) -> EndpointName? {
        attached.objects.first { $0.value.metadata.uid == uid }?.key
            ?? attachedMirror(ofUID: uid).map { EndpointName($0) }
    }

    /// Attachments of pods whose objects are not known; these pods are denied everything until then.
    var heldAttachments: [PodAttachment] {
        guard !attached.attachments.isEmpty else { return [] }
        let known = Set(attached.objects.values.map(\.metadata.uid))
        return attached.attachments.values.filter {
            $0.isHeld && !known.contains($0.uid) && attached.mirror(for: $0) == nil
        }
    }
}
