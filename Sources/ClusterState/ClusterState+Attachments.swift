// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import PolicyModel

/// What the node's container runtime has told of its pods, and the objects that it is laid over.
struct AttachedPods: Sendable {
    /// By UID.
    var attachments: [String: PodAttachment] = [:]
    /// By address: the UID of the pod that it is attached to.
    var owners: [IPAddress: String] = [:]
    /// This node's pods as their objects are: an attachment may come, and go, later.
    var objects: [EndpointName: Pod] = [:]
}

extension ClusterState {
    /// Replaces all attachments. Each gives its pod, found by UID and on this node alone, the addresses that the pod
    /// has, whatever its object says; no other pod of this node has one of them.
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

    /// Notes the object of a pod of this node, and gives it the addresses that are attached.
    mutating func withAttachedAddresses(_ pod: Pod, isLocal: Bool) -> Pod {
        let name = EndpointName(namespace: pod.metadata.namespace, name: pod.metadata.name)
        guard isLocal else {
            forget(object: name)
            return pod
        }
        if attached.objects.updateValue(pod, forKey: name)?.metadata.uid != pod.metadata.uid {
            changes.attachments = true
        }
        guard !attached.owners.isEmpty else { return pod }
        var pod = pod
        if let attachment = attached.attachments[pod.metadata.uid] {
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

    mutating func forget(object name: EndpointName) {
        if attached.objects.removeValue(forKey: name) != nil { changes.attachments = true }
    }

    /// The pod of this node with a UID, if its object is known.
    public func localPod(withUID uid: String) -> EndpointName? {
        attached.objects.first { $0.value.metadata.uid == uid }?.key
    }

    /// Attachments whose pods' objects are not known, and that are denied everything until then.
    package var heldAttachments: [PodAttachment] {
        guard !attached.attachments.isEmpty else { return [] }
        let known = Set(attached.objects.values.map(\.metadata.uid))
        return attached.attachments.values.filter { $0.isHeld && !known.contains($0.uid) }
    }
}
