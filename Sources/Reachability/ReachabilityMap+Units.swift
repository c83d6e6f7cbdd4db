// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import PolicyModel

extension ReachabilityMap {
    /// The addresses of an end, divided into units.
    ///
    /// - Parameter byParty: units of different workloads stay apart.
    func units(of end: ReachEnd, byParty: Bool) throws(ReachabilityError) -> [ReachUnit] {
        var collected = UnitCollection()
        let chosen = chosenPods(by: end)
        if let chosen {
            for place in places where chosen.contains(place.pod) { add(place, byParty, &collected) }
            for host in hosts {
                for pod in host.pods where chosen.contains(pod) { add(host, pod, byParty, &collected) }
            }
            guard !collected.units.isEmpty else { throw error(about: end, chosen) }
        }
        switch end {
        case .named, .pods, .outside: break
        case .nodes: for host in hosts { add(host, -1, byParty, &collected) }
        case .anywhere:
            for place in places { add(place, byParty, &collected) }
            for host in hosts { add(host, -1, byParty, &collected) }
        case .network(let prefix):
            if prefix.isHost, let service = services[prefix.network] {
                throw .serviceAddress(prefix.network, of: service)
            }
            for place in places where prefix.contains(place.address) { add(place, byParty, &collected) }
            for host in hosts where prefix.contains(host.address) { add(host, -1, byParty, &collected) }
        }
        switch end {
        case .named, .pods, .nodes: break
        case .outside, .anywhere: addOutside(nil, byParty, &collected)
        case .network(let prefix): addOutside(prefix, byParty, &collected)
        }
        return collected.units
    }

    /// The pods that an end names. Nil: it names addresses.
    private func chosenPods(by end: ReachEnd) -> Set<Int32>? {
        switch end {
        case .named(let namespace, let name):
            let wanted = EndpointName(namespace: namespace, name: name)
            return choose {
                workloads[$0].namespace == namespace && workloads[$0].name == name || pods[$0].endpointName == wanted
            }
        case .pods(let namespace, let selector):
            return choose {
                (namespace ?? pods[$0].metadata.namespace) == pods[$0].metadata.namespace
                    && selector.selects(pods[$0].metadata.labels)
            }
        case .network, .outside, .nodes, .anywhere: return nil
        }
    }

    private func choose(_ isWanted: (Int) -> Bool) -> Set<Int32> {
        Set(pods.indices.filter(isWanted).map { Int32($0) })
    }

    private func error(about end: ReachEnd, _ chosen: Set<Int32>) -> ReachabilityError {
        chosen.min().map { .withoutAddress(pods[Int($0)].endpointName) } ?? .noSuchEnd(end)
    }

    private func add(_ place: Place, _ byParty: Bool, _ collected: inout UnitCollection) {
        var key = ReachUnit.Key(
            family: place.address.family, addressClass: place.addressClass, ingress: place.ingress,
            egress: place.egress, party: byParty ? .workload(workloads[Int(place.pod)]) : nil, kind: .pods)
        if !place.hosts.isEmpty { key.single = collected.nextSingle() }
        collected.add(
            ReachUnit.Member(pod: place.pod, address: place.address, node: place.node, hosts: place.hosts), to: key)
    }

    /// - Parameter pod: the pod with the node's network that is asked about; -1: the node.
    private func add(_ host: Host, _ pod: Int32, _ byParty: Bool, _ collected: inout UnitCollection) {
        let party: ReachParty = pod < 0 ? .nodes : .workload(workloads[Int(pod)])
        let key = ReachUnit.Key(
            family: host.address.family, addressClass: host.addressClass, ingress: Self.notJudged,
            egress: Self.notJudged, party: byParty ? party : nil, kind: .hosts)
        collected.add(ReachUnit.Member(pod: pod, address: host.address, hosts: host.hosts), to: key)
    }

    /// - Parameter bound: only addresses inside it.
    private func addOutside(_ bound: CIDR?, _ byParty: Bool, _ collected: inout UnitCollection) {
        for region in regions {
            guard let part = region.prefix.intersection(bound),
                let example = Self.freeAddress(in: part, without: region.inside, isTaken: { hasOwner($0) })
            else { continue }
            let key = ReachUnit.Key(
                family: part.family, addressClass: region.addressClass, ingress: Self.notJudged,
                egress: Self.notJudged, party: byParty ? .outside : nil, kind: .outside)
            collected.add(outside: example, in: part, to: key)
        }
    }

    /// An address of a prefix that is outside some prefixes in it and has no owner. Nil: there is none.
    static func freeAddress(in prefix: CIDR, without inside: [CIDR], isTaken: (IPAddress) -> Bool) -> IPAddress? {
        for known in AddressSpan.documentation where prefix.contains(known) {
            if !inside.contains(where: { $0.contains(known) }), !isTaken(known) { return known }
        }
        let whole = AddressSpan(prefix)
        var next: UInt128? = whole.first
        let skipped = inside.map(AddressSpan.init).sorted { $0.first < $1.first }
        var index = 0
        while let current = next, current <= whole.last {
            while index < skipped.count, skipped[index].last < current { index += 1 }
            if index < skipped.count, skipped[index].first <= current {
                next = skipped[index].last == .max ? nil : skipped[index].last + 1
                continue
            }
            let address = AddressSpan.address(current, prefix.family)
            if !isTaken(address) { return address }
            next = current == .max ? nil : current + 1
        }
        return nil
    }

    /// Whether a pod or a node has an address.
    func hasOwner(_ address: IPAddress) -> Bool { place(at: address) != nil || host(at: address) != nil }

    /// The node's address, if it is one.
    func host(at address: IPAddress) -> Host? {
        let index = hosts.partitioningIndex { $0.address >= address }
        return index < hosts.count && hosts[index].address == address ? hosts[index] : nil
    }
}

/// Units by their keys, in the order in which they were found.
struct UnitCollection {
    private(set) var units: [ReachUnit] = []
    private var numbers: [ReachUnit.Key: Int] = [:]
    private var singles: Int32 = 0

    mutating func nextSingle() -> Int32 {
        singles += 1
        return singles - 1
    }

    mutating func add(_ member: ReachUnit.Member, to key: ReachUnit.Key) { units[number(key)].members.append(member) }

    mutating func add(outside example: IPAddress, in prefix: CIDR, to key: ReachUnit.Key) {
        let number = number(key)
        if units[number].members.isEmpty { units[number].members.append(.init(address: example)) }
        units[number].prefixes.append(prefix)
    }

    private mutating func number(_ key: ReachUnit.Key) -> Int {
        if let number = numbers[key] { return number }
        let number = units.count
        numbers[key] = number
        units.append(ReachUnit(key: key))
        return number
    }
}
