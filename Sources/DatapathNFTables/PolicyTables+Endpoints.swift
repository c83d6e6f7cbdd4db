// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import Netfilter
import NetworkTypes
import PolicyModel

extension PolicyTables {
    /// Updates the dispatch maps and the sets of local addresses for the endpoints in `delta`.
    mutating func updateEndpoints(
        _ delta: CompiledDelta, of policy: borrowing CompiledPolicy, _ changes: inout MemberChanges
    ) {
        var touched: Set<IPAddress> = []
        var owners = Set(delta.addedEndpoints).union(delta.changedEndpoints)
        for change in delta.addresses where change.prefix.isHost {
            let owner = policy.addresses.hosts[change.prefix.network]?.endpoint ?? .none
            let before = dispatch[change.prefix.network]?.endpoint
            if owner != .none { owners.insert(owner) }
            if let before { owners.insert(before) }
            if owner != .none || before != nil { touched.insert(change.prefix.network) }
        }
        for id in delta.removedEndpoints where policy.endpoints[id] == nil { owners.insert(id) }
        for id in owners.sorted() {
            let endpoint = policy.endpoints[id]
            touched.formUnion(endpoints[id]?.addresses ?? [])
            touched.formUnion(endpoint?.addresses ?? [])
            replaceElements(of: id, as: endpoint, &changes)
            if endpoint == nil {
                endpoints[id] = nil
                places[id] = nil
            }
        }
        for address in touched.sorted() { redirect(address, of: policy, &changes) }
    }

    private mutating func redirect(
        _ address: IPAddress, of policy: borrowing CompiledPolicy, _ changes: inout MemberChanges
    ) {
        let owner = policy.addresses.hosts[address]?.endpoint ?? .none
        let after = policy.endpoints[owner].map {
            LocalAddress(endpoint: owner, ingress: $0.ingress, egress: $0.egress)
        }
        let before = dispatch[address]
        guard before != after else { return }
        for direction in Direction.allCases {
            let set = TableName.dispatch(direction, address.family)
            let key = address.networkBytes
            func element(_ local: LocalAddress?) -> SetElement? {
                let id = local.map { direction == .ingress ? $0.ingress : $0.egress }
                return id.flatMap { programs[$0]?.entry }.map { SetElement(key: key, target: .jump($0)) }
            }
            let (old, new) = (element(before), element(after))
            if let old { changes.remove(old, from: set) }
            if let new { changes.add(new, to: set) }
            // Without chains everything passes, and the same chains let the same packets pass.
            if new != nil, new != old { noteShrink() }
        }
        dispatch[address] = after
    }

    /// The endpoint's own elements in the sets that all endpoints share: pairs of its addresses, and its addresses by
    /// place.
    mutating func replaceElements(
        of id: EndpointID, as endpoint: CompiledEndpoint?, _ changes: inout MemberChanges
    ) {
        let old = endpoints[id]?.elements ?? []
        var new: [(set: String, element: SetElement)] = []
        var claimed: [IPAddress] = []
        if let endpoint {
            new = Self.pairs(endpoint.addresses)
            if let place = places[id] {
                new += elements(of: endpoint, at: place)
                claimed = endpoint.addresses
            }
        }
        for address in claimed { claim(address, by: 1, &changes) }
        for address in endpoints[id]?.claimed ?? [] { claim(address, by: -1, &changes) }
        for (set, element) in new { shared.add(element, to: set, &changes) }
        for (set, element) in old {
            shared.remove(element, from: set, &changes)
            // Two addresses of one pod are judged from now on, if either still has chains.
            if !shared.contains(element.key, in: set), Self.pairsAddresses(set, element) { noteShrink() }
        }
        endpoints[id] = EndpointTables(endpoint: endpoint, elements: new, claimed: claimed)
    }

    /// Whether an element lets one address reach another because both belong to one pod.
    private static func pairsAddresses(_ set: String, _ element: SetElement) -> Bool {
        guard AddressFamily.allCases.contains(where: { set == TableName.samePod($0) }) else { return false }
        let half = element.key.count / 2
        return element.key.prefix(half) != element.key.suffix(half)
    }

    private static func pairs(_ addresses: [IPAddress]) -> [(set: String, element: SetElement)] {
        addresses.flatMap { source in
            addresses.filter { $0.family == source.family }.map { destination in
                let key = source.networkBytes + destination.networkBytes
                return (TableName.samePod(source.family), SetElement(key: key))
            }
        }
    }

    /// The targets of an endpoint's interfaces and its bridge port.
    private func elements(
        of endpoint: CompiledEndpoint, at place: EndpointPlace
    ) -> [(set: String, element: SetElement)] {
        var elements: [(set: String, element: SetElement)] = []
        func add(_ set: String, _ key: [UInt8], _ target: ChainVerdict? = nil) {
            elements.append((set, SetElement(key: key, target: target)))
        }
        func bytes(_ number: UInt32) -> [UInt8] { withUnsafeBytes(of: number) { Array($0) } }
        func jump(_ program: ProgramID) -> ChainVerdict? { programs[program].map { .jump($0.entry) } }
        let (egress, ingress) = (jump(endpoint.egress), jump(endpoint.ingress))
        for interface in place.interfaces {
            let index = bytes(interface.index)
            add(TableName.podInterfaces, index)
            for source in endpoint.addresses { add(TableName.sources(source.family), index + source.networkBytes) }
            if let egress { add(TableName.egressByInterface, index, egress) }
            if let ingress { add(TableName.ingressByInterface, index, ingress) }
        }
        if let port = place.port {
            let bridge = bytes(port.bridge)
            let hardware = (0..<6).reversed().map { UInt8(truncatingIfNeeded: port.hardware >> ($0 * 8)) } + [0, 0]
            for source in endpoint.addresses {
                add(TableName.sources(source.family), bridge + source.networkBytes)
                let key = bridge + bytes(port.index) + hardware + source.networkBytes
                add(TableName.bridgePorts(source.family), key)
            }
            if port.hardware != 0 {
                add(TableName.podHardware, bridge + hardware)
                if let egress { add(TableName.egressByHardware, bridge + hardware, egress) }
            }
            if let ingress, let mark = PortMark.of(port: port.index) {
                add(TableName.ingressByPort, bytes(mark), ingress)
            }
        }
        return elements
    }

    /// The endpoint behind a routed interface or a bridge port; for events.
    package func endpoint(behind interface: UInt32) -> EndpointID? {
        places.first { _, place in
            place.port?.index == interface || place.interfaces.contains { $0.index == interface }
        }?.key
    }

    /// Own addresses of the node that changed.
    mutating func updateOwnAddresses(
        _ moved: Set<IPAddress>, of policy: borrowing CompiledPolicy, _ changes: inout MemberChanges
    ) {
        for address in moved {
            let isOwn = policy.isOwnNode(address)
            guard isOwn != ownAddresses.contains(address) else { continue }
            if isOwn {
                ownAddresses.insert(address)
                changes.add(address, to: TableName.ownNode(address.family))
            } else {
                ownAddresses.remove(address)
                changes.remove(address, from: TableName.ownNode(address.family))
            }
            claim(address, by: isOwn ? 1 : -1, &changes)
        }
    }

    /// Only the claimants of an address send from it.
    private mutating func claim(_ address: IPAddress, by count: Int, _ changes: inout MemberChanges) {
        let before = claims[address] ?? 0
        claims[address] = before + count == 0 ? nil : before + count
        if before == 0 { changes.add(address, to: TableName.localSources(address.family)) }
        if before + count == 0 { changes.remove(address, from: TableName.localSources(address.family)) }
    }

    /// All own addresses of the node, for a plan from scratch.
    mutating func updateOwnAddresses(_ policy: borrowing CompiledPolicy) {
        var changes = MemberChanges()
        var step = Transaction()
        let hosts = Set(policy.addresses.hosts.keys)
        updateOwnAddresses(hosts, of: policy, &changes)
        changes.write(to: &contents, &step)
    }
}

extension CompiledPolicy {
    /// Whether an address is one that the node delivers to itself.
    fileprivate func isOwnNode(_ address: IPAddress) -> Bool {
        guard let number = addresses.hosts[address]?.addressClass, number != .none else { return false }
        return number.rawValue < AddressClassID.ownNodeLimit
    }
}
