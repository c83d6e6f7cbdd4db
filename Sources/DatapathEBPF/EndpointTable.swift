// SPDX-License-Identifier: Apache-2.0
import BulkheadABI
import CompiledPolicy
import Datapath

/// Endpoint records and the places of endpoints.
struct EndpointTable: Sendable {
    private static let records = UInt32(BH_ENDPOINTS_OFFSET / 4)

    /// The place of an endpoint, by interface indices.
    struct Place: Sendable, Hashable {
        /// Own interfaces.
        var routed: Set<UInt32> = []
        /// Port and bridge; 0 for none.
        var port: UInt32 = 0
        var bridge: UInt32 = 0

        var isEmpty: Bool { routed.isEmpty && bridge == 0 }

        init() {}

        init(_ place: EndpointPlace) {
            routed = Set(place.interfaces.map(\.index).filter { $0 != 0 })
            guard let found = place.port, found.bridge != 0 else { return }
            (port, bridge) = (found.index, found.bridge)
        }

        /// The value in the endpoint's record.
        var word: UInt32 { bridge != 0 ? bridge : routed.isEmpty ? 0 : BH_PLACE_ROUTED }

        func roles(of id: EndpointID) -> [UInt32: InterfaceRole] {
            var roles = Dictionary(uniqueKeysWithValues: routed.map { ($0, InterfaceRole.routed(id)) })
            if port != 0 { roles[port] = .port(id) }
            if bridge != 0 { roles[bridge] = .bridge }
            return roles
        }
    }

    /// By endpoint, if its place is known.
    private(set) var places: [EndpointID: Place] = [:]

    private static func record(_ id: EndpointID) -> UInt32 { records + UInt32(id.rawValue) * 4 }

    static func programs(_ id: EndpointID, in memory: borrowing TableMemory) -> (ingress: UInt32, egress: UInt32) {
        (memory.load(record(id)), memory.load(record(id) + 1))
    }

    /// Switches both programs (word offsets) by one store.
    static func setPrograms(_ id: EndpointID, ingress: UInt32, egress: UInt32, in memory: inout TableMemory) {
        guard programs(id, in: memory) != (ingress, egress) else { return }
        memory.store64(record(id), UInt64(egress) << 32 | UInt64(ingress))
    }

    /// Makes every record that refers to one block refer to another.
    static func replaceProgram(_ old: UInt32, by new: UInt32, in memory: inout TableMemory) {
        for number in 1..<EndpointID.limit {
            let id = EndpointID(rawValue: number)
            let (ingress, egress) = programs(id, in: memory)
            guard ingress == old || egress == old else { continue }
            setPrograms(
                id, ingress: ingress == old ? new : ingress, egress: egress == old ? new : egress, in: &memory)
        }
    }

    /// Reads the places that a previous run has written; forgets those of endpoints that are not `known`.
    mutating func adopt(known: (EndpointID) -> Bool, in memory: inout TableMemory) {
        places = [:]
        for (index, role) in InterfaceTable.all(in: memory) {
            switch role {
            case .routed(let id): places[id, default: Place()].routed.insert(index)
            case .port(let id): places[id, default: Place()].port = index
            case .bridge: break
            }
        }
        for number in 1..<EndpointID.limit {
            let id = EndpointID(rawValue: number)
            let word = memory.load(Self.record(id) + 2)
            if word != 0, word != BH_PLACE_ROUTED { places[id, default: Place()].bridge = word }
            guard places[id] != nil || word != 0 else { continue }
            if known(id) { memory.update(Self.record(id) + 2, places[id]?.word ?? 0) } else { forget(id, in: &memory) }
        }
        // Records of the endpoints behind a bridge name the bridge.
        let bridges = Set(places.values.map(\.bridge))
        for case (let index, .bridge) in InterfaceTable.all(in: memory) where !bridges.contains(index) {
            InterfaceTable.remove(index, in: &memory)
        }
    }

    /// Sets the place of an endpoint. Packets are judged meanwhile: packets from the old or the new place are never
    /// taken for another endpoint's.
    mutating func set(_ place: Place, of id: EndpointID, in memory: inout TableMemory) throws(DatapathError) {
        let old = places[id] ?? Place()
        guard place != old else { return }
        let roles = place.roles(of: id)
        for index in roles.keys { try InterfaceTable.checkRoom(for: index, in: memory) }
        if old.word != place.word { memory.update(Self.record(id) + 2, 0) }
        for (index, role) in roles { InterfaceTable.set(index, role, in: &memory) }
        places[id] = place.isEmpty ? nil : place
        memory.update(Self.record(id) + 2, place.word)
        for (index, role) in old.roles(of: id) where roles[index] != role {
            // Now or still another endpoint's: of two claims, the latest one counts.
            guard roles[index] == nil else { continue }
            let other = places.first { $0.value.roles(of: $0.key)[index] != nil }
            guard let other, let role = other.value.roles(of: other.key)[index] else {
                InterfaceTable.remove(index, in: &memory)
                continue
            }
            InterfaceTable.set(index, role, in: &memory)
        }
    }

    /// Whether packets see that this endpoint is where it is: its record, and the role of each interface through which
    /// its packets come.
    func isAccepted(_ id: EndpointID, in memory: borrowing TableMemory) -> Bool {
        let place = places[id] ?? Place()
        let roles = place.roles(of: id).filter { $0.key != place.port }
        return memory.loadLive(Self.record(id) + 2) == place.word
            && roles.allSatisfy { InterfaceTable.liveRole(of: $0.key, in: memory) == $0.value }
    }

    mutating func forget(_ id: EndpointID, in memory: inout TableMemory) {
        memory.update(Self.record(id) + 2, 0)
        do { try set(Place(), of: id, in: &memory) } catch { preconditionFailure("nothing needs room: \(error)") }
    }
}
