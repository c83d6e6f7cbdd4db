// SPDX-License-Identifier: Apache-2.0
import KernelErrors

/// The parts of a table in the kernel that walks pass, each read once.
package final class TableCache {
    private let reader: TableReader
    private var hooks: [KernelBaseChain]?
    private var chains: [String: [KernelRule]] = [:]
    private var sets: [String: KernelSet] = [:]
    /// Elements of sets of ranges, in the order of their keys.
    private var ranges: [String: [KernelElement]] = [:]
    /// What was found for single keys.
    private var singles: [String: [[UInt8]: KernelElement?]] = [:]
    private var marks: [String: [UInt8]] = [:]

    package var table: TableIdentity { reader.table }

    package init(_ reader: TableReader) { self.reader = reader }

    func baseChains() throws(KernelError) -> [KernelBaseChain] {
        if let hooks { return hooks }
        guard let found = try reader.baseChains() else { throw .missing("the nftables table \(table)") }
        hooks = found
        return found
    }

    func rules(of chain: String) throws(KernelError) -> [KernelRule] {
        if let rules = chains[chain] { return rules }
        let rules = try reader.rules(of: chain)
        chains[chain] = rules
        return rules
    }

    /// The bytes that the owner of a named object keeps with it.
    package func mark(of object: String, _ kind: UInt32) throws(KernelError) -> [UInt8] {
        if let mark = marks[object] { return mark }
        let mark = try reader.mark(of: object, kind)
        marks[object] = mark
        return mark
    }

    /// The element that the kernel would find.
    ///
    /// - Parameter key: the first bytes of a register.
    func element(of set: String, _ key: (Int) -> [UInt8]) throws(KernelError) -> KernelElement? {
        let facts = try self.facts(of: set)
        let key = key(facts.keyBytes)
        guard facts.isInterval else {
            if let known = singles[set]?[key] { return known }
            let found = try reader.element(of: set, for: key)
            singles[set, default: [:]][key] = .some(found)
            return found
        }
        let elements = try self.ranges(of: set)
        if facts.fieldBytes.count > 1 { return elements.first { $0.covers(key, fields: facts.fieldBytes) } }
        // The last boundary that is not after the key.
        var (low, high) = (0, elements.count)
        while low < high {
            let middle = (low + high) / 2
            if key.lexicographicallyPrecedes(elements[middle].key) { high = middle } else { low = middle + 1 }
        }
        guard low > 0, !elements[low - 1].endsInterval else { return nil }
        return elements[low - 1]
    }

    private func facts(of set: String) throws(KernelError) -> KernelSet {
        if let facts = sets[set] { return facts }
        let facts = try reader.set(set)
        sets[set] = facts
        return facts
    }

    private func ranges(of set: String) throws(KernelError) -> [KernelElement] {
        if let elements = ranges[set] { return elements }
        let elements = try reader.elements(of: set).sorted { a, b in
            a.key == b.key ? a.endsInterval && !b.endsInterval : a.key.lexicographicallyPrecedes(b.key)
        }
        ranges[set] = elements
        return elements
    }
}

extension KernelElement {
    /// Whether each field of a key is within the range of that field. Fields begin at multiples of four bytes.
    fileprivate func covers(_ wanted: [UInt8], fields: [Int]) -> Bool {
        let last = end ?? key
        var start = 0
        for bytes in fields {
            guard start + bytes <= min(wanted.count, key.count, last.count) else { return false }
            let field = wanted[start..<start + bytes]
            if field.lexicographicallyPrecedes(key[start..<start + bytes]) { return false }
            if last[start..<start + bytes].lexicographicallyPrecedes(field) { return false }
            start += (bytes + 3) / 4 * 4
        }
        return true
    }
}
