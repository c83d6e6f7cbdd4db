// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import PolicyModel

/// Peer sets of prefixes: which nodes they cover, and what happens when a prefix joins or leaves a live set.
extension AddressPartition {
    // MARK: New sets

    mutating func addBlocks(
        _ added: [PeerSetID: PeerSetDescription], dirty: inout Set<UInt32>, _ step: inout PartitionStep
    ) {
        let new = added.sorted { $0.key < $1.key }.map { (set: $0.key, list: $0.value.blocks + $0.value.bounds) }
            .filter { !$0.list.isEmpty || added[$0.set]?.hasChangingMembers == true }
        var prefixes: [CIDR] = []
        for (set, list) in new {
            if added[set]?.hasChangingMembers == true {
                members[set] = Set(list.map(\.cidr))
            } else {
                blocks[set] = list
            }
            prefixes += Self.prefixes(of: list)
        }
        addNodes(nodes.retain(prefixes), &step)
        for (set, list) in new {
            for number in nodes(in: list) where nodes.nodes[Int(number)].sets.insertOnce(set) {
                dirty.formUnion(nodes.nodes[Int(number)].units)
            }
        }
    }

    /// New nodes take over what is inside them from the nodes around them, in the same classes.
    private mutating func addNodes(_ new: [UInt32], _ step: inout PartitionStep) {
        let isNew = Set(new)
        // For each node around new ones: the new nodes directly under it, which do not overlap.
        var under: [UInt32: [CIDR]] = [:]
        for node in new {
            let parent = nodes.nodes[Int(node)].parent
            nodes.nodes[Int(node)].sets = nodes.nodes[Int(parent)].sets
            _ = unit(UnitKey(group: Self.noGroup, node: node), &step)
            step.touchedPrefixes.append(nodes.prefix(node))
            if !isNew.contains(parent) { under[parent, default: []].append(nodes.prefix(node)) }
        }
        for (parent, prefixes) in under.sorted(by: { $0.key < $1.key }) {
            for unit in nodes.nodes[Int(parent)].units {
                var moving: [IPAddress] = []
                for address in units[Int(unit)].members where Self.contains(prefixes, address) {
                    moving.append(address)
                }
                let group = units[Int(unit)].key.group
                for address in moving {
                    guard let host = hosts[address] else { continue }
                    let target = self.unit(UnitKey(group: group, node: nodes.longest(address)), &step)
                    putIn(address, target, host.endpoint)
                    takeOut(host, &step)
                    step.touched.append(address)
                }
            }
        }
    }

    /// Whether any of these prefixes (sorted, none inside another) contains an address.
    private static func contains(_ prefixes: [CIDR], _ address: IPAddress) -> Bool {
        var low = 0
        var high = prefixes.count
        while low < high {
            let middle = (low + high) / 2
            if address < prefixes[middle].network { high = middle } else { low = middle + 1 }
        }
        return low > 0 && prefixes[low - 1].contains(address)
    }

    // MARK: Live sets

    /// Changes the members of live sets in a way that programs in force see.
    ///
    /// The node of a joining prefix begins with the sets of the node around it; then the set is added to it and to the
    /// nodes inside it. The node of a leaving prefix stays until ``settle(_:)`` of the next step: without the set it is
    /// in the class of the node around it.
    mutating func updateMembers(_ changes: [PeerSetID: MembershipChange], _ step: inout PartitionStep) {
        guard !changes.isEmpty else { return }
        let changes = changes.sorted { $0.key < $1.key }
        addNodes(nodes.retain(changes.flatMap(\.value.joined)), &step)
        var dirty: Set<UInt32> = []
        for (set, change) in changes {
            members[set, default: []].formUnion(change.joined)
            members[set]?.subtract(change.left)
            leftPrefixes += change.left
            for prefix in change.joined + change.left {
                for node in nodes.order[nodes.inside(prefix)] where updateMembership(of: node, in: set) {
                    dirty.formUnion(nodes.nodes[Int(node)].units)
                }
            }
        }
        for unit in dirty.sorted() { move(unit, to: addressClass(signature(units[Int(unit)].key), &step), &step) }
    }

    /// Returns whether a node joined or left a set.
    private mutating func updateMembership(of node: UInt32, in set: PeerSetID) -> Bool {
        guard isCovered(node, by: members[set] ?? []) else {
            guard let index = nodes.nodes[Int(node)].sets.firstIndex(of: set) else { return false }
            nodes.nodes[Int(node)].sets.remove(at: index)
            return true
        }
        return nodes.nodes[Int(node)].sets.insertOnce(set)
    }

    /// Whether the prefix of a node, or one around it, is among these.
    private func isCovered(_ node: UInt32, by prefixes: Set<CIDR>) -> Bool {
        var node = node
        while node != PrefixNodes.root {
            if prefixes.contains(nodes.prefix(node)) { return true }
            node = nodes.nodes[Int(node)].parent
        }
        return false
    }

    // MARK: Blocks

    static func prefixes(of blocks: [AddressBlock]) -> [CIDR] {
        blocks.flatMap { [$0.cidr] + $0.except }
    }

    /// Nodes whose own addresses are members of one of the blocks.
    func nodes(in blocks: [AddressBlock]) -> [UInt32] {
        var result: [UInt32] = []
        for block in blocks {
            let whole = nodes.inside(block.cidr)
            guard !block.except.isEmpty else {
                result += nodes.order[whole]
                continue
            }
            var position = whole.lowerBound
            for except in block.except {
                let hole = nodes.inside(except)
                if hole.lowerBound > position { result += nodes.order[position..<hole.lowerBound] }
                position = max(position, hole.upperBound)
            }
            if position < whole.upperBound { result += nodes.order[position..<whole.upperBound] }
        }
        return result
    }
}

extension Array where Element: Comparable {
    /// Adds an element to a sorted array. Returns whether it was missing.
    fileprivate mutating func insertOnce(_ element: Element) -> Bool {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if self[middle] < element { low = middle + 1 } else { high = middle }
        }
        guard low == count || self[low] != element else { return false }
        insert(element, at: low)
        return true
    }
}
