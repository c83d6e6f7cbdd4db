// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import NetworkTypes
import PolicyModel

extension PolicyTables {
    /// Brings the dispatch maps and the sets of local addresses to what `policy` says of the endpoints in `delta`.
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
            let addresses = policy.endpoints[id]?.addresses
            touched.formUnion(endpoints[id]?.addresses ?? [])
            touched.formUnion(addresses ?? [])
            replaceElements(of: id, addresses: addresses ?? [], interface: interfaces[id], &changes)
            if addresses == nil {
                endpoints[id] = nil
                interfaces[id] = nil
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
            // Without chains all is let through, and the same chains let the same through.
            if new != nil, new != old { noteShrink() }
        }
        dispatch[address] = after
    }

    /// The endpoint's own elements of the sets that all endpoints share: its addresses in pairs, and with its interface.
    mutating func replaceElements(
        of id: EndpointID, addresses: [IPAddress], interface: EndpointInterface?, _ changes: inout MemberChanges
    ) {
        let old = endpoints[id]?.elements ?? []
        let new = Self.elements(of: addresses, interface)
        for (set, element) in new {
            elementUses[set, default: [:]][element, default: 0] += 1
            if elementUses[set]![element] == 1 { changes.add(element, to: set) }
        }
        for (set, element) in old {
            elementUses[set]![element]! -= 1
            guard elementUses[set]![element] == 0 else { continue }
            elementUses[set]![element] = nil
            changes.remove(element, from: set)
            // Two addresses that were of one pod are judged from now on, if either still has chains.
            if Self.pairsAddresses(set, element) { noteShrink() }
        }
        endpoints[id] = EndpointTables(addresses: addresses, elements: new)
    }

    /// Whether an element lets one address reach another because both are one pod's.
    private static func pairsAddresses(_ set: String, _ element: SetElement) -> Bool {
        guard AddressFamily.allCases.contains(where: { set == TableName.samePod($0) }) else { return false }
        let half = element.key.count / 2
        return element.key.prefix(half) != element.key.suffix(half)
    }

    private static func elements(
        of addresses: [IPAddress], _ interface: EndpointInterface?
    ) -> [(set: String, element: SetElement)] {
        var elements: [(set: String, element: SetElement)] = []
        for source in addresses {
            for destination in addresses where destination.family == source.family {
                let key = source.networkBytes + destination.networkBytes
                elements.append((TableName.samePod(source.family), SetElement(key: key)))
            }
        }
        guard let interface, !addresses.isEmpty else { return elements }
        let index = withUnsafeBytes(of: interface.index) { Array($0) }
        elements.append((TableName.podInterfaces, SetElement(key: index)))
        for source in addresses {
            elements.append((TableName.sources(source.family), SetElement(key: index + source.networkBytes)))
        }
        return elements
    }
}
