// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import PolicyModel

/// What the node's container runtime has told of its pods, and the objects that it is laid over.
///
/// An object is an attachment's if it has its UID; else, if no object has, the mirror of a static pod is, whose
/// annotation has this UID: a kubelet tells the runtime the static pod's, and the API server gives the mirror another.
/// Anybody may write the annotation who may make pods, so it counts only for what the runtime has told of a pod of
/// just this namespace and name, and never against an object whose own UID it is.
struct AttachedPods: Sendable {
    /// By UID.
    var attachments: [String: PodAttachment] = [:]
    /// By address: the UID of the pod that it is attached to.
    var owners: [IPAddress: String] = [:]
    /// This node's pods as their objects are: an attachment may come, and go, later.
    var objects: [EndpointName: Pod] = [:]

    /// The attachment of a pod's object.
    fileprivate func attachment(of pod: Pod) -> PodAttachment? {
        if let own = attachments[pod.metadata.uid] { return own }
        guard !pod.staticUID.isEmpty, let attachment = attachments[pod.staticUID],
            attachment.podName == EndpointName(pod),
            !objects.values.contains(where: { $0.metadata.uid == pod.staticUID })
        else { return nil }
        return attachment
    }

    /// The mirror that an attachment is of if no object has its UID.
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
    /// Replaces all attachments. Each gives its pod, found by UID and on this node alone, the addresses that the pod
    /// has, whatever its object says; no other pod of this node has one of them. The mirror of a static pod is found by
    /// that one's UID, under the same namespace and name alone, and where no object has the UID as its own.
    ///
    /// - Parameter new: at most one of a UID, and of an address.
    public mutating func set(attachments new: [PodAttachment]) {
        let attachments = Dictionary(new.map { ($0.uid, $0) }, uniquingKeysWith: { _, last in last })
        guard attachments != attached.attachments else { return }
        attached.attachments = attachments
        attached.owners = [:]
        for attachment in attachments.values {
            for address in attachment.addresses { attached.owners[address] = attachment.uid }
        }
        changes.attachments = true
        // What does not change by it is no change.
        for pod in attached.objects.sorted(by: { $0.key < $1.key }).map(\.value) { set(pod) }
    }

    /// Notes the object of a pod of this node.
    ///
    /// - Returns: UIDs that an object has now, or has no more: their mirrors have to be looked at again.
    mutating func note(object pod: Pod) -> [String] {
        let before = attached.objects.updateValue(pod, forKey: EndpointName(pod))
        guard before?.metadata.uid != pod.metadata.uid || before?.staticUID != pod.staticUID else { return [] }
        changes.attachments = true
        return [pod.metadata.uid] + (before.map { [$0.metadata.uid] } ?? [])
    }

    /// - Returns: as ``note(object:)``.
    mutating func forget(object name: EndpointName) -> [String] {
        guard let before = attached.objects.removeValue(forKey: name) else { return [] }
        changes.attachments = true
        return [before.metadata.uid]
    }

    /// The object of the static pod with a UID, where there is one and the pod is attached.
    func attachedMirror(ofUID uid: String) -> Pod? { attached.attachments[uid].flatMap { attached.mirror(for: $0) } }

    /// The object of a pod of this node with the addresses that are attached.
    func withAttachedAddresses(_ pod: Pod) -> Pod {
        guard !attached.owners.isEmpty else { return pod }
        var pod = pod
        if let attachment = attached.attachment(of: pod) {
            pod.podIPs = attachment.addresses
            // The youngest of all that claim the address: the others' word on it is older.
            pod.metadata.createdAt = .max
        } else {
            let isUnknown = pod.metadata.namespace == Self.unknownNamespace
            pod.podIPs.removeAll { address in
                attached.owners[address].map { !isUnknown || attached.attachments[$0]?.isHeld ?? true } ?? false
            }
        }
        return pod
    }

    /// The pod of this node with a UID, or the mirror of the static pod that is attached with it, if its object is
    /// known.
    public func localPod(withUID uid: String) -> EndpointName? {
        attached.objects.first { $0.value.metadata.uid == uid }?.key
            ?? attachedMirror(ofUID: uid).map { EndpointName($0) }
    }

    /// Attachments whose pods' objects are not known, and that are denied everything until then.
    package var heldAttachments: [PodAttachment] {
        guard !attached.attachments.isEmpty else { return [] }
        let known = Set(attached.objects.values.map(\.metadata.uid))
        return attached.attachments.values.filter {
            $0.isHeld && !known.contains($0.uid) && attached.mirror(for: $0) == nil
        }
    }
}
