// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import PolicyModel

extension ClusterState {
    mutating func set(_ pod: Pod) {
        if pod.nodeName == nodeName, !nodeName.isEmpty {
            let uids = note(object: pod)
            place(pod, isLocal: true)
            placeMirrors(ofUIDs: uids)
        } else if place(pod, isLocal: false) {
            let name = EndpointName(namespace: pod.metadata.namespace, name: pod.metadata.name)
            placeMirrors(ofUIDs: forget(object: name))
        }
    }

    private mutating func placeMirrors(ofUIDs uids: [String]) {
        for mirror in uids.compactMap({ attachedMirror(ofUID: $0) }) {
            place(mirror, isLocal: true)
        }
    }

    /// - Returns: whether it was local until now.
    @discardableResult private mutating func place(_ pod: Pod, isLocal: Bool) -> Bool {
        let namespace = retainNamespace(pod.metadata.namespace)
        let isFinished = pod.isFinished
        let isOutside = isFinished || pod.hostNetwork
        let (source, addresses) = isLocal ? claim(ofLocal: pod) : (.object, pod.podIPs)
        var record = PodRecord(
            name: pod.metadata.name, namespace: namespace, createdAt: pod.metadata.createdAt,
            uid: UIDBits(pod.metadata.uid), addresses: Self.canonical(addresses), source: source, isLocal: isLocal,
            isOutsidePolicy: isOutside, isFinished: isFinished)
        if !isOutside, !record.addresses.isEmpty { record.group = group(of: pod, in: namespace) }

        let unused = freePods.last ?? UInt32(pods.count)
        let number = podNumbers.value(
            of: ScopedName(namespace: namespace, name: pod.metadata.name), orSetting: unused)
        guard number == unused else {
            let wasLocal = pods[Int(number)].isLocal
            releaseNamespace(namespace)
            replace(number, with: record)
            if isLocal || wasLocal { setHostAddresses(isLocal ? pod.hostIPs : [], of: number) }
            return wasLocal
        }
        if freePods.popLast() != nil { pods[Int(number)] = record } else { pods.append(record) }
        enter(number)
        if isLocal { setHostAddresses(pod.hostIPs, of: number) }
        return false
    }

    mutating func removePod(namespace: String, name: String) {
        guard let namespace = namespaceNumbers[namespace],
            let number = podNumbers.removeValue(forKey: ScopedName(namespace: namespace, name: name))
        else { return }
        let uids = forget(object: endpointName(ofPod: number))
        leave(number)
        setHostAddresses([], of: number)
        released.pods.append(number)
        releaseNamespace(namespace)
        placeMirrors(ofUIDs: uids)
    }

    mutating func replace(_ number: UInt32, with record: PodRecord) {
        let old = pods[Int(number)]
        if old.uid != record.uid {
            changes.replacedPods.insert(number)
        } else if old.group == record.group, old.addresses == record.addresses, old.isLocal == record.isLocal,
            old.isOutsidePolicy == record.isOutsidePolicy, old.source == record.source,
            old.createdAt == record.createdAt
        {
            pods[Int(number)].isFinished = record.isFinished
            return
        }
        // Entering the new group first keeps a group alive if its only member stays in it.
        if record.hasGroup, record.group != old.group { join(number, record.group) }
        disclaim(number)
        if old.isLocal { changes.localPods.insert(number) }
        if old.hasGroup, old.group != record.group { quit(old.group, old.position) }
        var position = old.position
        if record.hasGroup, record.group != old.group {
            position = UInt32(groups[Int(record.group)].members.count - 1)
        }
        pods[Int(number)] = record
        pods[Int(number)].position = position
        claim(number)
        if record.isLocal { changes.localPods.insert(number) }
    }

    mutating func enter(_ number: UInt32) {
        let record = pods[Int(number)]
        if record.hasGroup {
            pods[Int(number)].position = UInt32(groups[Int(record.group)].members.count)
            join(number, record.group)
        }
        claim(number)
        if record.isLocal { changes.localPods.insert(number) }
    }

    mutating func leave(_ number: UInt32) {
        let record = pods[Int(number)]
        disclaim(number)
        if record.hasGroup { quit(record.group, record.position) }
        if record.isLocal { changes.localPods.insert(number) }
        pods[Int(number)].group = PodRecord.noGroup
        pods[Int(number)].addresses = []
        pods[Int(number)].isLocal = false
    }

    static func canonical(_ addresses: [IPAddress]) -> [IPAddress] {
        guard addresses.count > 1 else { return addresses }
        var result: [IPAddress] = []
        for address in addresses where !result.contains(address) { result.append(address) }
        return result.sorted()
    }

    // MARK: This node's addresses

    private mutating func setHostAddresses(_ addresses: [IPAddress], of number: UInt32) {
        let old = hostAddresses[number] ?? []
        guard old != addresses else { return }
        hostAddresses[number] = addresses.isEmpty ? nil : addresses
        for address in addresses {
            hostAddressCounts[address, default: 0] += 1
            if hostAddressCounts[address] == 1 { changes.ownNode = true }
        }
        for address in old {
            hostAddressCounts[address, default: 0] -= 1
            if hostAddressCounts[address] == 0 {
                hostAddressCounts[address] = nil
                changes.ownNode = true
            }
        }
    }
}
