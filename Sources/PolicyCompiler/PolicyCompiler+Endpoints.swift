// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import NetworkTypes
import PolicyModel

extension PolicyCompiler {
    struct EndpointMove {
        var address: IPAddress
        var endpoint: EndpointID
    }

    /// Assigns numbers and programs to endpoints. Returns the new endpoint of each address, in order.
    mutating func assignEndpoints(_ change: ResolvedChange, _ delta: inout CompiledDelta) -> [EndpointMove] {
        guard !change.endpoints.isEmpty || !change.removedEndpoints.isEmpty || !waiting.isEmpty else { return [] }
        var cleared: [EndpointMove] = []
        var assigned: [EndpointMove] = []
        for name in change.removedEndpoints {
            waiting[name] = nil
            remove(name, &cleared, &delta)
        }
        var told: [IPAddress: UInt32] = [:]
        if change.endpoints.keys.contains(where: { endpointIDs[$0] != nil }) {
            for move in change.addresses { told[move.address] = move.group?.rawValue ?? AddressPartition.noGroup }
        }
        var endpoints = waiting
        endpoints.merge(change.endpoints) { $1 }
        for (name, endpoint) in endpoints.sorted(by: { $0.key < $1.key }) {
            if let id = endpointIDs[name], let old = compiled.endpoints[id] {
                let ingress = useProgram(endpoint.ingress, .ingress, &delta)
                let egress = useProgram(endpoint.egress, .egress, &delta)
                let isChanged = old.ingress != ingress || old.egress != egress
                let moves =
                    old.addresses != endpoint.addresses
                    || (isChanged
                        && endpoint.addresses.contains { partition.movesVisibly($0, change, told: told) })
                guard moves else {
                    leaveProgram(old.ingress)
                    leaveProgram(old.egress)
                    guard isChanged else { continue }
                    compiled.endpoints[id]?.ingress = ingress
                    compiled.endpoints[id]?.egress = egress
                    delta.changedEndpoints.append(id)
                    continue
                }
                add(endpoint, ingress, egress, replacing: id, &cleared, &assigned, &delta)
            } else {
                let ingress = useProgram(endpoint.ingress, .ingress, &delta)
                let egress = useProgram(endpoint.egress, .egress, &delta)
                add(endpoint, ingress, egress, replacing: nil, &cleared, &assigned, &delta)
            }
        }
        delta.removedEndpoints.sort()
        delta.addedEndpoints.sort()
        delta.changedEndpoints.sort()
        return cleared + assigned
    }

    private mutating func remove(_ name: EndpointName, _ cleared: inout [EndpointMove], _ delta: inout CompiledDelta) {
        guard let id = endpointIDs.removeValue(forKey: name), let old = compiled.endpoints.removeValue(forKey: id)
        else { return }
        for address in old.addresses { cleared.append(EndpointMove(address: address, endpoint: .none)) }
        leaveProgram(old.ingress)
        leaveProgram(old.egress)
        endpointNumbers.retire(UInt32(id.rawValue))
        delta.removedEndpoints.append(id)
    }

    /// A new number, so that one store of an address entry switches class and programs together.
    private mutating func add(
        _ endpoint: ResolvedEndpoint, _ ingress: ProgramID, _ egress: ProgramID, replacing old: EndpointID?,
        _ cleared: inout [EndpointMove], _ assigned: inout [EndpointMove], _ delta: inout CompiledDelta
    ) {
        let key = StableKey(endpoint: endpoint.name, addresses: endpoint.addresses)
        guard let number = endpointNumbers.allocate(key) else {
            leaveProgram(ingress)
            leaveProgram(egress)
            if old == nil {
                waiting[endpoint.name] = endpoint
            } else {
                // Over the limit, an endpoint in the tables keeps its number; it changes in two stores.
                keep(endpoint, &cleared, &assigned, &delta)
            }
            return
        }
        if old != nil { remove(endpoint.name, &cleared, &delta) }
        waiting[endpoint.name] = nil
        let id = EndpointID(rawValue: UInt16(number))
        endpointIDs[endpoint.name] = id
        compiled.endpoints[id] = CompiledEndpoint(
            key: key, name: endpoint.name, addresses: endpoint.addresses, ingress: ingress, egress: egress)
        delta.addedEndpoints.append(id)
        for address in endpoint.addresses { assigned.append(EndpointMove(address: address, endpoint: id)) }
    }

    private mutating func keep(
        _ endpoint: ResolvedEndpoint, _ cleared: inout [EndpointMove], _ assigned: inout [EndpointMove],
        _ delta: inout CompiledDelta
    ) {
        guard let id = endpointIDs[endpoint.name], let old = compiled.endpoints[id] else { return }
        let ingress = useProgram(endpoint.ingress, .ingress, &delta)
        let egress = useProgram(endpoint.egress, .egress, &delta)
        leaveProgram(old.ingress)
        leaveProgram(old.egress)
        for address in old.addresses { cleared.append(EndpointMove(address: address, endpoint: .none)) }
        for address in endpoint.addresses { assigned.append(EndpointMove(address: address, endpoint: id)) }
        compiled.endpoints[id] = CompiledEndpoint(
            key: StableKey(endpoint: endpoint.name, addresses: endpoint.addresses), name: endpoint.name,
            addresses: endpoint.addresses, ingress: ingress, egress: egress)
        delta.changedEndpoints.append(id)
    }
}

extension AddressPartition {
    mutating func setEndpoint(_ endpoint: UInt16, of address: IPAddress, _ step: inout PartitionStep) {
        place(address, group: group(of: address), endpoint: endpoint, &step)
    }
}
