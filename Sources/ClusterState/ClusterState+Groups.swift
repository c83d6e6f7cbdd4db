// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import PolicyModel

extension ClusterState {
    /// The group of pods like this one; a new group is created without members.
    mutating func group(of pod: Pod, in namespace: UInt32) -> UInt32 {
        if let lastGroup, lastGroup.namespace == namespace, lastGroup.labels == pod.metadata.labels,
            lastGroup.ports == pod.namedPorts, lastGroup.account == pod.serviceAccountName
        {
            return lastGroup.group
        }
        let group = findGroup(of: pod, in: namespace)
        lastGroup = LastGroup(
            namespace: namespace, labels: pod.metadata.labels, ports: pod.namedPorts,
            account: pod.serviceAccountName, group: group)
        return group
    }

    private mutating func findGroup(of pod: Pod, in namespace: UInt32) -> UInt32 {
        let labels = retainLabels(pod.metadata.labels)
        var ports: [IndexedPort] = []
        for port in pod.namedPorts {
            let name = PortName(name: strings.retain(port.name).number, ipProtocol: port.ipProtocol)
            ports.append(IndexedPort(name: name, number: port.number))
        }
        ports.sort()
        let (portSet, isNewPortSet) = portSets.retain(ports)
        if !isNewPortSet { for port in ports { _ = strings.release(port.name.name) } }
        let account = strings.retain(pod.serviceAccountName).number
        return group(with: GroupKey(namespace: namespace, labels: labels, ports: portSet, account: account))
    }

    /// The group of pods that are known only by their addresses. No service account has an empty name.
    mutating func groupOfUnknown() -> UInt32 {
        let (labels, ports) = (labelSets.retain([.unknown]).number, portSets.retain([]).number)
        let account = strings.retain("").number
        return group(with: GroupKey(namespace: Self.noNamespace, labels: labels, ports: ports, account: account))
    }

    /// The group with this key, which takes over the key's references to labels, ports and account.
    private mutating func group(with key: GroupKey) -> UInt32 {
        if let number = groupNumbers[key] {
            releaseLabels(key.labels)
            release(portSet: key.ports)
            _ = strings.release(key.account)
            return number
        }
        namespaces[Int(key.namespace)].references += 1
        let number: UInt32
        if let old = freeGroups.popLast() {
            number = old
            groups[Int(old)] = PodGroup(key: key)
        } else {
            number = UInt32(groups.count)
            groups.append(PodGroup(key: key))
        }
        groupNumbers[key] = number
        changes.groups.insert(number)
        return number
    }

    private mutating func release(portSet: UInt32) {
        guard let ports = portSets.release(portSet) else { return }
        for port in ports { released.strings.append(port.name.name) }
    }

    mutating func free(group number: UInt32) {
        let key = groups[Int(number)].key
        guard groupNumbers[key] == number else { return }
        groupNumbers[key] = nil
        releaseLabels(key.labels)
        release(portSet: key.ports)
        released.strings.append(key.account)
        releaseNamespace(key.namespace)
        freeGroups.append(number)
    }

    mutating func join(_ pod: UInt32, _ group: UInt32) {
        groups[Int(group)].members.append(pod)
        guard groups[Int(group)].members.count == 1 else { return }
        changes.groups.insert(group)
        let key = groups[Int(group)].key
        namespaces[Int(key.namespace)].groups.insertSorted(group)
        for pair in labelSets[key.labels] { groupsByPair[pair, default: []].insertSorted(group) }
        groupsByAccount[key.fullAccount, default: []].insertSorted(group)
        for port in portSets[key.ports] {
            portNumbers[port.name, default: [:]][port.number, default: 0] += 1
            if portNumbers[port.name]?[port.number] == 1 { changes.portNames.insert(port.name) }
        }
    }

    /// Removes the member at `position`; the last member takes its place.
    mutating func quit(_ group: UInt32, _ position: UInt32) {
        let last = groups[Int(group)].members.removeLast()
        if Int(position) < groups[Int(group)].members.count {
            groups[Int(group)].members[Int(position)] = last
            pods[Int(last)].position = position
        }
        guard groups[Int(group)].members.isEmpty else { return }
        changes.groups.insert(group)
        let key = groups[Int(group)].key
        namespaces[Int(key.namespace)].groups.removeSorted(group)
        for pair in labelSets[key.labels] {
            groupsByPair[pair]?.removeSorted(group)
            if groupsByPair[pair]?.isEmpty == true { groupsByPair[pair] = nil }
        }
        groupsByAccount[key.fullAccount]?.removeSorted(group)
        if groupsByAccount[key.fullAccount]?.isEmpty == true { groupsByAccount[key.fullAccount] = nil }
        for port in portSets[key.ports] { leave(port) }
    }

    private mutating func leave(_ port: IndexedPort) {
        portNumbers[port.name]?[port.number, default: 0] -= 1
        guard portNumbers[port.name]?[port.number] == 0 else { return }
        portNumbers[port.name]?[port.number] = nil
        if portNumbers[port.name]?.isEmpty == true { portNumbers[port.name] = nil }
        changes.portNames.insert(port.name)
    }

    /// Labels of a group's pods, sorted by key.
    package func labels(ofGroup number: UInt32) -> [LabelPair] { labelSets[groups[Int(number)].key.labels] }

    /// Named ports of a group's pods, sorted.
    package func ports(ofGroup number: UInt32) -> [IndexedPort] { portSets[groups[Int(number)].key.ports] }

    /// The service account of a group's pods.
    package func account(ofGroup number: UInt32) -> String { strings[accountNumber(ofGroup: number)] }

    /// The same as a number of ``strings``.
    package func accountNumber(ofGroup number: UInt32) -> UInt32 { groups[Int(number)].key.account }

    /// The active groups of a namespace with a service account, sorted.
    package func groups(ofNamespace namespace: UInt32, account: UInt32) -> [UInt32] {
        groupsByAccount[FullAccount(namespace: namespace, account: account)] ?? []
    }

    /// The active groups with a label, sorted.
    package func groups(labeled pair: LabelPair) -> [UInt32] { groupsByPair[pair] ?? [] }

    /// The numbers of a port name anywhere in the cluster, sorted.
    package func numbers(of name: PortName) -> [UInt16] { portNumbers[name].map { $0.keys.sorted() } ?? [] }
}
