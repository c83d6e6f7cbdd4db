// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import NetworkTypes
import PolicyModel

/// Every prefix that a block or an `except` names, as nodes ordered by address, each under the longest one around it.
/// Node 0 is the root: addresses that no prefix covers.
package struct PrefixNodes: Sendable {
    package static let root: UInt32 = 0

    package struct Node: Sendable {
        /// Nil for the root and for free numbers.
        var prefix: CIDR?
        var references = 0
        package var parent = PrefixNodes.root
        /// Block sets that cover the addresses whose longest node this is; sorted.
        package var sets: [PeerSetID] = []
        /// Units of the partition at this node.
        var units: [UInt32] = []
    }

    package var nodes = [Node()]
    /// By address, a prefix before those inside it.
    package private(set) var order: [UInt32] = []
    private var numbers: [CIDR: UInt32] = [:]
    private var free: [UInt32] = []

    package init() {}

    package func number(of prefix: CIDR) -> UInt32? { numbers.isEmpty ? nil : numbers[prefix] }

    package func prefix(_ number: UInt32) -> CIDR {
        guard let prefix = nodes[Int(number)].prefix else { preconditionFailure("the root has no prefix") }
        return prefix
    }

    /// The longest node around an address.
    package func longest(_ address: IPAddress) -> UInt32 {
        guard !order.isEmpty else { return Self.root }
        return longest(CIDR(host: address), strict: false)
    }

    /// The longest node that contains `prefix`; `strict`: other than the prefix itself.
    private func longest(_ prefix: CIDR, strict: Bool) -> UInt32 {
        let index = lowerBound(prefix)
        if !strict, index < order.count, self.prefix(order[index]) == prefix { return order[index] }
        guard index > 0 else { return Self.root }
        // The nearest node before it is inside the longest one around it, or is that one.
        var candidate = order[index - 1]
        while candidate != Self.root, !self.prefix(candidate).contains(prefix) {
            candidate = nodes[Int(candidate)].parent
        }
        return candidate
    }

    /// Positions in `order` of the nodes inside `prefix`, itself included.
    package func inside(_ prefix: CIDR) -> Range<Int> {
        let start = lowerBound(prefix)
        var low = start
        var high = order.count
        while low < high {
            let middle = (low + high) / 2
            if prefix.contains(self.prefix(order[middle])) { low = middle + 1 } else { high = middle }
        }
        return start..<low
    }

    private func lowerBound(_ prefix: CIDR) -> Int {
        var low = 0
        var high = order.count
        while low < high {
            let middle = (low + high) / 2
            if self.prefix(order[middle]) < prefix { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// One reference more for each; returns new nodes, outer ones first, placed under their parents, with no sets.
    package mutating func retain(_ prefixes: [CIDR]) -> [UInt32] {
        var new: [UInt32] = []
        for prefix in prefixes {
            if let number = numbers[prefix] {
                nodes[Int(number)].references += 1
                continue
            }
            let node = Node(prefix: prefix, references: 1)
            let number: UInt32
            if let old = free.popLast() {
                number = old
                nodes[Int(old)] = node
            } else {
                number = UInt32(nodes.count)
                nodes.append(node)
            }
            numbers[prefix] = number
            new.append(number)
        }
        guard !new.isEmpty else { return [] }
        new.sort { self.prefix($0) < self.prefix($1) }
        merge(new)
        placeAll()
        return new
    }

    /// Removes a reference from each; returns nodes without references, outer ones first. They stay until
    /// ``remove(_:)``.
    package mutating func release(_ prefixes: [CIDR]) -> [UInt32] {
        var unused: [UInt32] = []
        for prefix in prefixes {
            guard let number = numbers[prefix] else { continue }
            nodes[Int(number)].references -= 1
            if nodes[Int(number)].references == 0 { unused.append(number) }
        }
        return unused.sorted { self.prefix($0) < self.prefix($1) }
    }

    package mutating func remove(_ unused: [UInt32]) {
        guard !unused.isEmpty else { return }
        let gone = Set(unused)
        order.removeAll { gone.contains($0) }
        for number in unused {
            numbers[prefix(number)] = nil
            nodes[Int(number)] = Node()
            free.append(number)
        }
        placeAll()
    }

    private mutating func merge(_ new: [UInt32]) {
        var result: [UInt32] = []
        result.reserveCapacity(order.count + new.count)
        var index = 0
        for number in new {
            while index < order.count, prefix(order[index]) < prefix(number) {
                result.append(order[index])
                index += 1
            }
            result.append(number)
        }
        result += order[index...]
        order = result
    }

    /// In the order of addresses, the nodes around the current one form a stack.
    private mutating func placeAll() {
        var stack: [UInt32] = []
        for number in order {
            while let top = stack.last, !prefix(top).contains(prefix(number)) { stack.removeLast() }
            nodes[Int(number)].parent = stack.last ?? Self.root
            stack.append(number)
        }
    }
}
