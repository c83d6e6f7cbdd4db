// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import NetworkTypes
import PolicyModel

/// Addresses divided into classes by the peer sets to which they belong.
///
/// A *unit* is what always moves together: the addresses of one group at one prefix node. Membership changes are
/// worked out for units; addresses are touched only when their unit's class gets another number. Sets that no rule
/// names any more stay in force until ``settle(_:)`` of the next step, when no packet can be under way that still
/// uses a program that names them.
package struct AddressPartition: Sendable {
    static let noGroup = UInt32.max

    struct UnitKey: Hashable, Sendable {
        var group: UInt32
        var node: UInt32
    }

    struct Unit: Sendable {
        var key: UnitKey
        var addressClass: UInt32
        /// Its index in its class's list.
        var position = 0
        var members: [IPAddress] = []
        /// A node's own prefix is an entry as well.
        var hasPrefix: Bool { key.group == AddressPartition.noGroup && key.node != PrefixNodes.root }
        var entryCount: Int { members.count + (hasPrefix ? 1 : 0) }
    }

    package struct ClassState: Sendable {
        package var peerSets: [PeerSetID] = []
        var units: [UInt32] = []
        var entryCount = 0
        var isLive = false
    }

    struct Host: Sendable {
        var unit: UInt32
        var position: UInt32
        var endpoint: UInt16
    }

    struct Group: Sendable {
        var peerSets: [PeerSetID]
        var units: [UInt32] = []
    }

    var units: [Unit] = []
    var freeUnits: [UInt32] = []
    var unitNumbers: [UnitKey: UInt32] = [:]
    package var classes: [ClassState] = []
    var classNumbers: [[PeerSetID]: UInt32] = [:]
    var hosts: [IPAddress: Host] = [:]
    var groups: [UInt32: Group] = [:]
    package var nodes = PrefixNodes()
    /// Of sets with blocks that stay, and of those with bounds, which are `bounded`.
    var blocks: [PeerSetID: [AddressBlock]] = [:]
    /// For sets whose members change: the prefixes that are members now.
    var members: [PeerSetID: Set<CIDR>] = [:]
    /// Sets whose members are in one of their groups and also within their blocks.
    var bounded: Set<PeerSetID> = []
    var keys: [PeerSetID: StableKey] = [:]
    /// Peer sets whose members are the own node's addresses.
    var ownNodeSets: Set<PeerSetID> = []
    var numbers: ClassNumbers

    /// Peer sets, and groups without any other set, that the next ``settle(_:)`` drops.
    var dying: Set<PeerSetID> = []
    var dyingGroups: Set<UInt32> = []
    /// Prefixes that left a live set in the last step: the next ``settle(_:)`` drops their nodes.
    var leftPrefixes: [CIDR] = []
    var shrinkingGroups: Set<UInt32> = []
    /// Classes that the last step created and emptied again.
    var emptiedLate: Set<UInt32> = []

    package init(numbering: Numbering) {
        numbers = ClassNumbers(hints: numbering.addressClasses.mapValues(\.rawValue))
        let rootUnit = Unit(key: UnitKey(group: Self.noGroup, node: PrefixNodes.root), addressClass: 0)
        units.append(rootUnit)
        unitNumbers[rootUnit.key] = 0
        nodes.nodes[0].units = [0]
        classes.append(ClassState(units: [0], isLive: true))
        classNumbers[[]] = 0
    }

    // MARK: Entries

    /// The entry that an address should have; nil where it inherits its prefix's.
    package func entry(of address: IPAddress) -> AddressEntry? {
        if let host = hosts[address] {
            return AddressEntry(
                addressClass: AddressClassID(rawValue: units[Int(host.unit)].addressClass),
                endpoint: EndpointID(rawValue: host.endpoint))
        }
        return entry(ofPrefix: CIDR(host: address))
    }

    package func entry(ofPrefix prefix: CIDR) -> AddressEntry? {
        guard let node = nodes.number(of: prefix),
            let unit = unitNumbers[UnitKey(group: Self.noGroup, node: node)]
        else { return nil }
        return AddressEntry(addressClass: AddressClassID(rawValue: units[Int(unit)].addressClass))
    }

    /// The entry of the longest prefix around an address, if it is one of these.
    func entry(around address: IPAddress, among prefixes: Set<CIDR>) -> AddressEntry? {
        guard !prefixes.isEmpty else { return nil }
        let node = nodes.longest(address)
        guard node != PrefixNodes.root, prefixes.contains(nodes.prefix(node)) else { return nil }
        return entry(ofPrefix: nodes.prefix(node))
    }

    // MARK: Units and classes

    func signature(_ key: UnitKey) -> [PeerSetID] {
        let ofNode = nodes.nodes[Int(key.node)].sets
        let ofGroup = key.group == Self.noGroup ? [] : groups[key.group]?.peerSets ?? []
        guard bounded.isEmpty else { return boundedSignature(ofGroup, ofNode) }
        if ofGroup.isEmpty { return ofNode }
        return ofNode.isEmpty ? ofGroup : (ofGroup + ofNode).sorted()
    }

    /// A bounded set has only the members that are both in its groups and in its blocks.
    private func boundedSignature(_ ofGroup: [PeerSetID], _ ofNode: [PeerSetID]) -> [PeerSetID] {
        let both = ofGroup.filter { bounded.contains($0) && ofNode.contains($0) }
        return ((ofGroup + ofNode).filter { !bounded.contains($0) } + both).sorted()
    }

    /// The unit of a group at a node; a new unit is created in the class of its signature.
    mutating func unit(_ key: UnitKey, _ step: inout PartitionStep) -> UInt32 {
        if let number = unitNumbers[key] { return number }
        let number: UInt32
        let unit = Unit(key: key, addressClass: addressClass(signature(key), &step))
        if let old = freeUnits.popLast() {
            number = old
            units[Int(old)] = unit
        } else {
            number = UInt32(units.count)
            units.append(unit)
        }
        unitNumbers[key] = number
        nodes.nodes[Int(key.node)].units.append(number)
        if key.group != Self.noGroup { groups[key.group]?.units.append(number) }
        enter(number, units[Int(number)].addressClass)
        return number
    }

    /// Drops a unit without members; a prefix's own unit lives as long as the prefix.
    mutating func dropIfEmpty(_ number: UInt32, _ step: inout PartitionStep) {
        let unit = units[Int(number)]
        guard unit.members.isEmpty, unit.key.group != Self.noGroup else { return }
        drop(number, &step)
    }

    mutating func drop(_ number: UInt32, _ step: inout PartitionStep) {
        let key = units[Int(number)].key
        leaveClass(number, &step)
        unitNumbers[key] = nil
        nodes.nodes[Int(key.node)].units.removeAll { $0 == number }
        groups[key.group]?.units.removeAll { $0 == number }
        freeUnits.append(number)
    }

    private mutating func enter(_ unit: UInt32, _ number: UInt32) {
        units[Int(unit)].addressClass = number
        units[Int(unit)].position = classes[Int(number)].units.count
        classes[Int(number)].units.append(unit)
        classes[Int(number)].entryCount += units[Int(unit)].entryCount
    }

    private mutating func leaveClass(_ unit: UInt32, _ step: inout PartitionStep) {
        let number = units[Int(unit)].addressClass
        let position = units[Int(unit)].position
        let last = classes[Int(number)].units.removeLast()
        if last != unit {
            classes[Int(number)].units[position] = last
            units[Int(last)].position = position
        }
        classes[Int(number)].entryCount -= units[Int(unit)].entryCount
        if classes[Int(number)].units.isEmpty { step.emptied.insert(number) }
    }

    /// Moves a unit to another class; its entries must be written.
    mutating func move(_ unit: UInt32, to number: UInt32, _ step: inout PartitionStep) {
        guard units[Int(unit)].addressClass != number else { return }
        leaveClass(unit, &step)
        enter(unit, number)
        step.touched += units[Int(unit)].members
        if units[Int(unit)].hasPrefix { step.touchedPrefixes.append(nodes.prefix(units[Int(unit)].key.node)) }
    }

    /// The class with a signature, which is created if missing.
    mutating func addressClass(_ signature: [PeerSetID], _ step: inout PartitionStep) -> UInt32 {
        if let number = classNumbers[signature] { return number }
        let number = makeClass(signature)
        step.created.append(number)
        return number
    }

    mutating func makeClass(_ signature: [PeerSetID]) -> UInt32 {
        guard let number = numbers.allocate(key(of: signature), isOwn: isOwn(signature)) else {
            preconditionFailure("more address classes than \(CompilerLimits.addressClasses)")
        }
        while classes.count <= Int(number) { classes.append(ClassState()) }
        classes[Int(number)] = ClassState(peerSets: signature, isLive: true)
        classNumbers[signature] = number
        return number
    }

    /// Whether members of exactly these sets are addresses of the own node.
    func isOwn(_ signature: [PeerSetID]) -> Bool { signature.contains { ownNodeSets.contains($0) } }

    /// The class of loopback, once it is known as the own node's.
    package var ownNodeClass: AddressClassID {
        for prefix in CIDR.loopback {
            guard let number = entry(ofPrefix: prefix)?.addressClass else { continue }
            if isOwn(classes[Int(number.rawValue)].peerSets) { return number }
        }
        return .none
    }

    func key(of signature: [PeerSetID]) -> StableKey {
        StableKey(peerSets: signature.map { keys[$0] ?? StableKey(high: 0, low: 0) })
    }

    mutating func rename(_ number: UInt32, _ signature: [PeerSetID], _ step: inout PartitionStep) {
        let old = classes[Int(number)].peerSets
        if classNumbers[old] == number { classNumbers[old] = nil }
        classes[Int(number)].peerSets = signature
        classNumbers[signature] = number
        step.renamed.insert(number)
    }

    /// Retires the classes that have become empty.
    mutating func retireEmptied(_ step: inout PartitionStep) {
        for number in step.emptied.sorted() where number != 0 && classes[Int(number)].isLive {
            guard classes[Int(number)].units.isEmpty else { continue }
            let signature = classes[Int(number)].peerSets
            if classNumbers[signature] == number { classNumbers[signature] = nil }
            classes[Int(number)] = ClassState()
            numbers.retire(number)
            step.removed.append(number)
        }
        step.emptied.removeAll()
    }

    // MARK: Addresses

    /// Puts an address into a group at its node; without a group or an endpoint it has no entry of its own.
    mutating func place(_ address: IPAddress, group: UInt32, endpoint: UInt16? = nil, _ step: inout PartitionStep) {
        let old = hosts[address]
        let endpoint = endpoint ?? old?.endpoint ?? 0
        step.touched.append(address)
        if group == Self.noGroup, endpoint == 0 {
            if let old { takeOut(old, &step) }
            hosts[address] = nil
            return
        }
        if let old, units[Int(old.unit)].key.group == group {
            hosts[address]?.endpoint = endpoint
            return
        }
        // The new unit first: if the address stays in its class, the class must not be retired.
        let unit = unit(UnitKey(group: group, node: nodes.longest(address)), &step)
        putIn(address, unit, endpoint)
        if let old { takeOut(old, &step) }
    }

    mutating func putIn(_ address: IPAddress, _ unit: UInt32, _ endpoint: UInt16) {
        hosts[address] = Host(unit: unit, position: UInt32(units[Int(unit)].members.count), endpoint: endpoint)
        units[Int(unit)].members.append(address)
        classes[Int(units[Int(unit)].addressClass)].entryCount += 1
    }

    mutating func takeOut(_ host: Host, _ step: inout PartitionStep) {
        let unit = Int(host.unit)
        let last = units[unit].members.removeLast()
        if Int(host.position) < units[unit].members.count {
            units[unit].members[Int(host.position)] = last
            hosts[last]?.position = host.position
        }
        classes[Int(units[unit].addressClass)].entryCount -= 1
        dropIfEmpty(host.unit, &step)
    }
}

/// What one pass over the partition did.
package struct PartitionStep {
    package var created: [UInt32] = []
    package var split: [(new: UInt32, from: UInt32)] = []
    package var renamed: Set<UInt32> = []
    package var removed: [UInt32] = []
    /// Classes that may have lost their last unit.
    var emptied: Set<UInt32> = []
    /// Addresses and prefixes whose entry may differ.
    var touched: [IPAddress] = []
    var touchedPrefixes: [CIDR] = []

    package init() {}
}
