// SPDX-License-Identifier: Apache-2.0
import BulkheadABI
import CompiledPolicy
import Datapath

/// The role of an interface for the endpoints, as in the tables.
enum InterfaceRole: Hashable, Sendable {
    /// The endpoint's own.
    case routed(EndpointID)
    /// A bridge's port with the endpoint behind it.
    case port(EndpointID)
    /// A bridge with endpoints behind its ports.
    case bridge

    var word: UInt32 {
        switch self {
        case .routed(let id): BH_ROLE_ROUTED | UInt32(id.rawValue)
        case .port(let id): BH_ROLE_PORT | UInt32(id.rawValue)
        case .bridge: BH_ROLE_BRIDGE
        }
    }

    init?(word: UInt32) {
        let id = EndpointID(rawValue: UInt16(word & BH_ENDPOINT_MASK))
        switch word & ~BH_ENDPOINT_MASK {
        case BH_ROLE_ROUTED: self = .routed(id)
        case BH_ROLE_PORT: self = .port(id)
        case BH_ROLE_BRIDGE: self = .bridge
        default: return nil
        }
    }
}

/// The table of interfaces: open addressing, one aligned 64-bit word per entry.
enum InterfaceTable {
    private static let entries = UInt32(BH_INTERFACES_OFFSET / 4)

    private static func place(_ index: UInt32, _ probe: UInt32) -> UInt32 {
        entries + (index &+ probe) % UInt32(BH_INTERFACES) * 2
    }

    private static func find(_ index: UInt32, in memory: borrowing TableMemory) -> UInt32? {
        for probe in 0..<UInt32(BH_INTERFACE_PROBES) {
            let found = memory.load(place(index, probe))
            if found == index { return place(index, probe) }
            if found == 0 { return nil }
        }
        return nil
    }

    /// What packets that come through an interface see.
    static func liveRole(of index: UInt32, in memory: borrowing TableMemory) -> InterfaceRole? {
        for probe in 0..<UInt32(BH_INTERFACE_PROBES) {
            let at = place(index, probe)
            let found = memory.loadLive(at)
            if found == index { return InterfaceRole(word: memory.loadLive(at + 1)) }
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

    static func checkRoom(for index: UInt32, in memory: borrowing TableMemory) throws(DatapathError) {
        guard find(index, in: memory) != nil || freePlace(index, in: memory) != nil else {
            throw .limit(what: "interfaces with similar numbers", limit: Int(BH_INTERFACE_PROBES))
        }
    }

    /// Call ``checkRoom(for:in:)`` first.
    static func set(_ index: UInt32, _ role: InterfaceRole, in memory: inout TableMemory) {
        guard let place = find(index, in: memory) ?? freePlace(index, in: memory) else { return }
        let word = UInt64(role.word) << 32 | UInt64(index)
        if memory.load64(place) != word { memory.store64(place, word) }
    }

    static func remove(_ index: UInt32, in memory: inout TableMemory) {
        guard let at = find(index, in: memory) else { return }
        // Searches for other interfaces may have passed here; if none can continue from here, no mark is needed.
        let next = entries + (at - entries + 2) % (UInt32(BH_INTERFACES) * 2)
        memory.store64(at, memory.load(next) == 0 ? 0 : UInt64(BH_INTERFACE_REMOVED))
    }

    static func all(in memory: borrowing TableMemory) -> [(index: UInt32, role: InterfaceRole)] {
        var found: [(index: UInt32, role: InterfaceRole)] = []
        for slot in 0..<UInt32(BH_INTERFACES) {
            let index = memory.load(entries + slot * 2)
            guard index != 0, index != BH_INTERFACE_REMOVED,
                let role = InterfaceRole(word: memory.load(entries + slot * 2 + 1))
            else { continue }
            found.append((index, role))
        }
        return found
    }
}
