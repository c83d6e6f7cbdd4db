// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import PolicyCompiler
import PolicyModel

extension ReachabilityMap {
    private struct ProgramKey: Hashable {
        var direction: Direction
        var resolved: ResolvedDirection
    }

    private struct Programs: Hashable {
        var ingress = ReachabilityMap.unselected
        var egress = ReachabilityMap.unselected
    }

    mutating func setPlaces(
        _ source: ReachabilitySource, _ change: ResolvedChange, _ partition: AddressPartition, _ nodes: NodeNumbers
    ) {
        var numbers: [ProgramKey: UInt32] = [:]
        let unselected = ResolvedDirection()
        for direction in [Direction.ingress, .egress] {
            numbers[ProgramKey(direction: direction, resolved: unselected)] = Self.unselected
        }
        // Has number 0.
        let nobody = EndpointName(namespace: "", name: "")
        programs = [ProgramState(direction: .ingress, resolved: unselected, endpoint: nobody)]
        var ofGroup: [UInt32: Programs] = [:]
        var ofPod: [Int: Programs] = [:]
        for (index, pod) in pods.enumerated() {
            guard let endpoint = change.endpoints[pod.endpointName], let group = source.group(ofPod: index) else {
                continue
            }
            let both = Programs(
                ingress: number(endpoint.ingress, .ingress, of: endpoint.name, &numbers),
                egress: number(endpoint.egress, .egress, of: endpoint.name, &numbers))
            if ofGroup[group] == nil { ofGroup[group] = both }
            ofPod[index] = both
        }
        for (index, pod) in pods.enumerated() {
            guard let group = source.group(ofPod: index), let both = ofPod[index] ?? ofGroup[group] else { continue }
            for address in source.ownedAddresses(ofPod: index) {
                places.append(
                    Place(
                        pod: Int32(index), address: address, addressClass: partition.addressClass(of: address),
                        ingress: both.ingress, egress: both.egress, node: nodes.number(of: pod),
                        hosts: nodes.hosts[address] ?? []))
            }
        }
        places.sort { $0.address < $1.address }
    }

    private mutating func number(
        _ resolved: ResolvedDirection, _ direction: Direction, of endpoint: EndpointName,
        _ numbers: inout [ProgramKey: UInt32]
    ) -> UInt32 {
        let key = ProgramKey(direction: direction, resolved: resolved)
        if let number = numbers[key] { return number }
        let number = UInt32(programs.count)
        numbers[key] = number
        programs.append(ProgramState(direction: direction, resolved: resolved, endpoint: endpoint))
        return number
    }

    mutating func setHosts(_ partition: AddressPartition, _ nodes: NodeNumbers) {
        for address in Set(nodes.hosts.keys).union(nodes.hostPods.keys).sorted() where place(at: address) == nil {
            hosts.append(
                Host(
                    address: address, addressClass: partition.addressClass(of: address),
                    hosts: nodes.hosts[address] ?? [], pods: nodes.hostPods[address] ?? []))
        }
    }

    /// The place of a pod at an address.
    func place(at address: IPAddress) -> Place? {
        let index = places.partitioningIndex { $0.address >= address }
        return index < places.count && places[index].address == address ? places[index] : nil
    }

    /// The prefixes around every address that is not the own node's of each node.
    mutating func setRegions(_ partition: AddressPartition) {
        let order = partition.nodes.order
        var inside: [UInt32: [CIDR]] = [:]
        for node in order {
            inside[partition.nodes.nodes[Int(node)].parent, default: []].append(partition.nodes.prefix(node))
        }
        let zeros = [IPAddress(v4: 0), IPAddress(v6High: 0, low: 0)]
        for everything in zeros.map({ CIDR($0, prefixLength: 0) })
        where partition.nodes.number(of: everything) == nil {
            regions.append(
                Region(
                    prefix: everything, inside: (inside[0] ?? []).filter { $0.family == everything.family },
                    addressClass: partition.addressClass(ofNode: 0)))
        }
        for node in order {
            let addressClass = partition.addressClass(ofNode: node)
            guard !partition.isOwnNode(addressClass) else { continue }
            regions.append(
                Region(
                    prefix: partition.nodes.prefix(node), inside: inside[node] ?? [], addressClass: addressClass))
        }
    }
}

extension Array {
    /// The first index whose element meets a condition that all later ones meet as well.
    func partitioningIndex(where isAfter: (Element) -> Bool) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if isAfter(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
