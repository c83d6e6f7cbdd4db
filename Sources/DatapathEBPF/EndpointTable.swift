// SPDX-License-Identifier: Apache-2.0
import BulkheadABI
import CompiledPolicy
import Datapath

/// Endpoint records and the table of their interfaces.
struct EndpointTable: Sendable {
    private static let records = UInt32(BH_ENDPOINTS_OFFSET / 4)
    private static let interfaces = UInt32(BH_INTERFACES_OFFSET / 4)

    /// Interface of each endpoint that has one.
    private(set) var interfaceOf: [EndpointID: UInt32] = [:]

    private static func record(_ id: EndpointID) -> UInt32 { records + UInt32(id.rawValue) * 4 }

    static func programs(_ id: EndpointID, in memory: borrowing TableMemory) -> (ingress: UInt32, egress: UInt32) {
        (memory.load(record(id)), memory.load(record(id) + 1))
    }

    /// Flips both programs (word offsets) by one store.
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

    static func interface(of id: EndpointID, in memory: borrowing TableMemory) -> UInt32 {
        memory.load(record(id) + 2)
    }

    mutating func adoptInterface(of id: EndpointID, in memory: borrowing TableMemory) {
        let index = Self.interface(of: id, in: memory)
        interfaceOf[id] = index == 0 ? nil : index
    }

    /// Sets the interface of an endpoint; `index` is not 0.
    mutating func setInterface(
        _ index: UInt32, of id: EndpointID, in memory: inout TableMemory
    ) throws(DatapathError) {
        let old = interfaceOf[id] ?? 0
        try Self.checkRoom(for: index, in: memory)
        memory.update(Self.record(id) + 2, index)
        interfaceOf[id] = index
        Self.insert(index, in: &memory)
        if old != 0, old != index, !interfaceOf.values.contains(old) { Self.remove(old, in: &memory) }
    }

    /// Forgets an endpoint's interface.
    mutating func forgetInterface(of id: EndpointID, in memory: inout TableMemory) {
        let old = interfaceOf.removeValue(forKey: id) ?? Self.interface(of: id, in: memory)
        memory.update(Self.record(id) + 2, 0)
        if old != 0, !interfaceOf.values.contains(old) { Self.remove(old, in: &memory) }
    }

    private static func place(_ index: UInt32, _ probe: UInt32) -> UInt32 {
        interfaces + (index &+ probe) % UInt32(BH_INTERFACES)
    }

    private static func find(_ index: UInt32, in memory: borrowing TableMemory) -> UInt32? {
        for probe in 0..<UInt32(BH_INTERFACE_PROBES) {
            let found = memory.load(place(index, probe))
            if found == index { return place(index, probe) }
            if found == 0 { return nil }
        }
        return nil
    }

    private static func freePlace(_ index: UInt32, in memory: borrowing TableMemory) -> UInt32? {
        for probe in 0..<UInt32(BH_INTERFACE_PROBES) {
            let found = memory.load(place(index, probe))
            if found == 0 || found == BH_INTERFACE_REMOVED { return place(index, probe) }
        }
        return nil
    }

    private static func checkRoom(for index: UInt32, in memory: borrowing TableMemory) throws(DatapathError) {
        guard find(index, in: memory) != nil || freePlace(index, in: memory) != nil else {
            throw .limit(what: "interfaces with like numbers", limit: Int(BH_INTERFACE_PROBES))
        }
    }

    private static func insert(_ index: UInt32, in memory: inout TableMemory) {
        guard find(index, in: memory) == nil, let place = freePlace(index, in: memory) else { return }
        memory.store(place, index)
    }

    private static func remove(_ index: UInt32, in memory: inout TableMemory) {
        guard let at = find(index, in: memory) else { return }
        // Searches for others may have passed here; where none can go on from here, nothing need be left.
        let next = interfaces + (at - interfaces + 1) % UInt32(BH_INTERFACES)
        memory.store(at, memory.load(next) == 0 ? 0 : BH_INTERFACE_REMOVED)
    }
}
