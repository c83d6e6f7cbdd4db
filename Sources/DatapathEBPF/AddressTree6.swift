// SPDX-License-Identifier: Apache-2.0
import BulkheadABI
import CompiledPolicy
import NetworkTypes

/// 128 bits.
struct Bits128: Sendable, Hashable {
    var high: UInt64
    var low: UInt64

    /// Group of 16 bits, 0 the most significant.
    func group(_ index: Int) -> UInt16 {
        UInt16(truncatingIfNeeded: (index < 4 ? high : low) >> UInt64((3 - index & 3) * 16))
    }

    /// The first `groups` groups set.
    static func mask(groups: Int) -> Bits128 {
        func half(_ groups: Int) -> UInt64 { groups <= 0 ? 0 : groups >= 4 ? .max : ~(.max >> UInt64(groups * 16)) }
        return Bits128(high: half(groups), low: half(groups - 4))
    }

    static func & (a: Self, b: Self) -> Self { Bits128(high: a.high & b.high, low: a.low & b.low) }

    /// The number of equal leading groups.
    static func commonGroups(_ a: Self, _ b: Self) -> Int {
        let high = (a.high ^ b.high).leadingZeroBitCount
        return (high < 64 ? high : 64 + (a.low ^ b.low).leadingZeroBitCount) / 16
    }
}

/// IPv6 prefixes as a path-compressed tree: each node decides by one group of 16 bits, after checking that all groups
/// before it agree. The shape follows only from the set of prefixes. The root is a plain array by the first group.
package struct AddressTree6: Sendable {
    static let root = UInt32(BH_ROOT6_OFFSET / 4)

    private struct Node: Sendable {
        var group: Int
        /// The groups before `group`.
        var prefix: Bits128
        /// Prefixes that end inside `group`.
        var items = PrefixSet()
        /// Nodes below, by this group's value; sorted.
        var children: [(key: UInt16, node: Int)] = []
        /// Its offset in the tables; 0 if not written.
        var offset: UInt32 = 0

        init(group: Int, address: Bits128) {
            self.group = group
            prefix = address & .mask(groups: group)
        }

        func childIndex(_ key: UInt16) -> Int {
            var (low, high) = (0, children.count)
            while low < high {
                let middle = (low + high) / 2
                if children[middle].key < key { low = middle + 1 } else { high = middle }
            }
            return low
        }

        func child(_ key: UInt16) -> Int? {
            let at = childIndex(key)
            return at < children.count && children[at].key == key ? children[at].node : nil
        }

        mutating func setChild(_ key: UInt16, _ node: Int?) {
            let at = childIndex(key)
            let found = at < children.count && children[at].key == key
            if let node {
                if found { children[at].node = node } else { children.insert((key, node), at: at) }
            } else if found {
                children.remove(at: at)
            }
        }
    }

    private var nodes: [Node] = [Node(group: 0, address: Bits128(high: 0, low: 0))]
    private var unused: [Int] = []

    package init() {}

    /// The part of a node that a change affects: its keys `low...high`.
    private struct Place {
        var node: Int
        var low: UInt16
        var high: UInt16
        /// Nodes that are no longer part of the tree, to be retired once the change is published.
        var removed: [UInt32] = []
    }

    private mutating func addNode(group: Int, address: Bits128) -> Int {
        let node = Node(group: group, address: address)
        if let index = unused.popLast() {
            nodes[index] = node
            return index
        }
        nodes.append(node)
        return nodes.count - 1
    }

    /// How many prefixes are recorded.
    var count: Int { nodes.reduce(0) { $0 + $1.items.items.count } }

    /// Records an entry without writing it: ``write(to:)`` writes the whole tree.
    package mutating func note(_ prefix: CIDR, _ entry: AddressEntry?) {
        _ = place(prefix, entry)
    }

    private mutating func place(_ prefix: CIDR, _ entry: AddressEntry?) -> Place? {
        let bits = Bits128(high: prefix.network.high, low: prefix.network.low)
        let group = max(Int(prefix.prefixLength) - 1, 0) / 16
        let length = UInt8(Int(prefix.prefixLength) - group * 16)
        if let entry { return insert(bits, group, length, entry.word) }
        return remove(bits, group, length)
    }

    private mutating func insert(_ bits: Bits128, _ group: Int, _ length: UInt8, _ word: UInt32) -> Place {
        let key = bits.group(group)
        var at = 0
        // The topmost change of shape, if any.
        var changed: Place?
        while nodes[at].group < group {
            let value = bits.group(nodes[at].group)
            let place = Place(node: at, low: value, high: value)
            guard let child = nodes[at].child(value) else {
                let leaf = addNode(group: group, address: bits)
                nodes[at].setChild(value, leaf)
                changed = changed ?? place
                at = leaf
                break
            }
            let common = Bits128.commonGroups(bits, nodes[child].prefix)
            let fork = min(common, nodes[child].group, group)
            if fork < nodes[child].group {
                let between = addNode(group: fork, address: bits)
                nodes[between].setChild(nodes[child].prefix.group(fork), child)
                nodes[at].setChild(value, between)
                changed = changed ?? place
                at = between
            } else {
                at = child
            }
        }
        nodes[at].items.set(key, length, word)
        return changed ?? Place(node: at, low: key, high: key | PrefixSet.hostMask(length))
    }

    private mutating func remove(_ bits: Bits128, _ group: Int, _ length: UInt8) -> Place? {
        let key = bits.group(group)
        var path: [Int] = [0]
        while nodes[path[path.count - 1]].group < group {
            let at = path[path.count - 1]
            guard let child = nodes[at].child(bits.group(nodes[at].group)), nodes[child].group <= group,
                Bits128.commonGroups(bits, nodes[child].prefix) >= nodes[child].group
            else { return nil }
            path.append(child)
        }
        let at = path[path.count - 1]
        nodes[at].items.set(key, length, nil)
        var place = Place(node: at, low: key, high: key | PrefixSet.hostMask(length))
        var depth = path.count - 1
        while depth > 0, nodes[path[depth]].items.isEmpty, nodes[path[depth]].children.count <= 1 {
            let (empty, parent) = (path[depth], path[depth - 1])
            let value = bits.group(nodes[parent].group)
            let only = nodes[empty].children.first?.node
            nodes[parent].setChild(value, only)
            if nodes[empty].offset != 0 { place.removed.append(nodes[empty].offset) }
            unused.append(empty)
            place = Place(node: parent, low: value, high: value, removed: place.removed)
            if only != nil { break }
            depth -= 1
        }
        return place
    }

    /// Sets an entry (nil: removes it) and publishes it by one store.
    package mutating func set(_ prefix: CIDR, _ entry: AddressEntry?, in memory: inout TableMemory) throws(HeapFull) {
        guard let place = place(prefix, entry) else { return }
        var replaced: [UInt32] = []
        if place.node == 0 {
            let part = try spans(0, place.low, place.high, 0, &memory, &replaced)
            Self.writeRoot(place.low, place.high, part, &memory)
        } else {
            let window = nodes[place.node].offset + Self.windowWord
            let otherwise = memory.load(nodes[place.node].offset + Self.otherwiseWord)
            let old = memory.load(window)
            let part = try spans(place.node, place.low, place.high, otherwise, &memory, &replaced)
            let new = try memory.changeWindow(old, place.low, place.high, part)
            if new != old {
                memory.store(window, new)
                memory.retireWindow(old)
            }
        }
        for node in replaced { Self.retire(node: node, in: &memory) }
        for node in place.removed { Self.retire(node: node, in: &memory) }
    }

    private static func writeRoot(_ low: UInt16, _ high: UInt16, _ part: [Span], _ memory: inout TableMemory) {
        for (index, span) in part.enumerated() {
            let end = index + 1 < part.count ? part[index + 1].first - 1 : high
            memory.fill(root + UInt32(span.first), root + UInt32(end), span.word)
        }
    }

    /// The present root as runs.
    static func rootSpans(in memory: borrowing TableMemory) -> [Span] {
        memory.rootSpans(root)
    }

    static let otherwiseWord = UInt32(MemoryLayout<bh_node>.offset(of: \.otherwise)! / 4)
    static let windowWord = UInt32(MemoryLayout<bh_node>.offset(of: \.window)! / 4)
    static let groupWord = UInt32(MemoryLayout<bh_node>.offset(of: \.group)! / 4)

    /// What a node decides for `low...high`. Writes its children that are not written yet or whose surroundings have
    /// changed. `replaced`: blocks of nodes to which nothing will refer.
    private mutating func spans(
        _ node: Int, _ low: UInt16, _ high: UInt16, _ otherwise: UInt32, _ memory: inout TableMemory,
        _ replaced: inout [UInt32]
    ) throws(HeapFull) -> [Span] {
        let painted = nodes[node].items.spans(low, high, otherwise: otherwise)
        var at = nodes[node].childIndex(low)
        guard at < nodes[node].children.count, nodes[node].children[at].key <= high else { return painted }
        var result: [Span] = []
        var next = 0
        while at < nodes[node].children.count, nodes[node].children[at].key <= high {
            let (key, child) = nodes[node].children[at]
            while next < painted.count, painted[next].first <= key {
                result.add(painted[next].first, painted[next].word)
                next += 1
            }
            let around = painted[next - 1].word
            result.add(key, try written(child, around, &memory, &replaced))
            if key < high { result.add(key + 1, around) }
            at += 1
        }
        for span in painted[next...] { result.add(span.first, span.word) }
        return result
    }

    /// The word of a node, which is written if it is missing or has other surroundings.
    private mutating func written(
        _ node: Int, _ otherwise: UInt32, _ memory: inout TableMemory, _ replaced: inout [UInt32]
    ) throws(HeapFull) -> UInt32 {
        let old = nodes[node].offset
        if old != 0, memory.load(old + Self.otherwiseWord) == otherwise { return BH_POINTER | BH_NODE | old }
        let window = try memory.buildWindow(
            try spans(node, 0, .max, otherwise, &memory, &replaced))
        let at = try memory.allocate(words: MemoryLayout<bh_node>.size / 4).offset
        let header = Self.header(nodes[node].group, nodes[node].prefix, otherwise, window)
        for (index, word) in header.enumerated() { memory.update(at + UInt32(index), word) }
        nodes[node].offset = at
        if old != 0 { replaced.append(old) }
        return BH_POINTER | BH_NODE | at
    }

    /// The words of struct bh_node.
    private static func header(_ group: Int, _ prefix: Bits128, _ otherwise: UInt32, _ window: UInt32) -> [UInt32] {
        let mask = Bits128.mask(groups: group)
        let pairs = [mask.high, mask.low, prefix.high, prefix.low]
        return pairs.flatMap { [UInt32(truncatingIfNeeded: $0), UInt32($0 >> 32)] }
            + [otherwise, window, UInt32(group), 0]
    }

    private static func retire(node: UInt32, in memory: inout TableMemory) {
        memory.retireWindow(memory.load(node + windowWord))
        memory.retire(HeapBlock(offset: node, order: nodeOrder))
    }

    static let nodeOrder = HeapBlock.order(forWords: MemoryLayout<bh_node>.size / 4)

    // MARK: As a whole

    /// Makes the tables equal to the recorded entries, storing only what differs.
    package mutating func write(to memory: inout TableMemory) throws(HeapFull) {
        let before = Self.rootSpans(in: memory)
        var replaced: [UInt32] = []
        let after = try spans(below: 0, 0, before, &memory, &replaced)
        Self.writeRoot(0, .max, after, &memory)
        Self.retireTrees(of: before, keeping: after, in: &memory)
    }

    /// What a node should decide, if it decides like `before`: nodes below are adopted or written.
    private mutating func spans(
        below node: Int, _ otherwise: UInt32, _ before: [Span], _ memory: inout TableMemory,
        _ replaced: inout [UInt32]
    ) throws(HeapFull) -> [Span] {
        for (key, child) in nodes[node].children {
            let around = nodes[node].items.word(at: key, otherwise: otherwise)
            try adopt(child, before.word(at: key), around, &memory)
        }
        return try spans(node, 0, .max, otherwise, &memory, &replaced)
    }

    /// Adopts the node to which `word` refers, if it has this node's position, and writes what differs inside it;
    /// otherwise this node is written from scratch.
    private mutating func adopt(
        _ node: Int, _ word: UInt32, _ otherwise: UInt32, _ memory: inout TableMemory
    ) throws(HeapFull) {
        let at = offset(of: word)
        guard isNode(word), Self.matches(word, nodes[node], otherwise, memory) else { return }
        nodes[node].offset = at
        let window = memory.load(at + Self.windowWord)
        let before = memory.spans(window, 0, .max)
        var replaced: [UInt32] = []
        let after = try spans(below: node, otherwise, before, &memory, &replaced)
        let new = try memory.changeWindow(window, 0, .max, after)
        if new != window {
            memory.store(at + Self.windowWord, new)
            memory.retireWindow(window)
        }
        Self.retireTrees(of: before, keeping: after, in: &memory)
    }

    private static func matches(
        _ word: UInt32, _ node: Node, _ otherwise: UInt32, _ memory: borrowing TableMemory
    ) -> Bool {
        let at = offset(of: word)
        let wanted = header(node.group, node.prefix, otherwise, memory.load(at + windowWord))
        return wanted.enumerated().allSatisfy { memory.load(at + UInt32($0)) == $1 }
    }

    /// Retires the nodes to which only `before` refers, with everything below them.
    private static func retireTrees(of before: [Span], keeping after: [Span], in memory: inout TableMemory) {
        let kept = Set(after.map(\.word))
        for span in before where isNode(span.word) && !kept.contains(span.word) {
            let at = offset(of: span.word)
            retireTrees(of: memory.spans(memory.load(at + windowWord), 0, .max), keeping: [], in: &memory)
            retire(node: at, in: &memory)
        }
    }

    /// The entry of an address in the tables, as the BPF program reads them.
    package static func find(_ address: IPAddress, in memory: borrowing TableMemory) -> UInt32 {
        let bits = Bits128(high: address.high, low: address.low)
        var word = memory.load(root + UInt32(bits.group(0)))
        for _ in 0..<7 {
            guard isPointer(word) else { return word }
            let at = offset(of: word)
            let mask = Bits128(high: memory.load64(at), low: memory.load64(at + 2))
            let prefix = Bits128(high: memory.load64(at + 4), low: memory.load64(at + 6))
            guard bits & mask == prefix else { return memory.load(at + otherwiseWord) }
            let key = bits.group(Int(memory.load(at + groupWord)))
            word = memory.spans(memory.load(at + windowWord), key, key)[0].word
        }
        return word
    }
}
