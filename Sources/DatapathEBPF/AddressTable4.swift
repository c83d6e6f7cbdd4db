// SPDX-License-Identifier: Apache-2.0
import BulkheadABI
import CompiledPolicy
import NetworkTypes

extension AddressEntry {
    /// The leaf word that the BPF program reads.
    package var word: UInt32 { UInt32(endpoint.rawValue) << UInt32(BH_ENDPOINT_SHIFT) | addressClass.rawValue }

    init(word: UInt32) {
        self.init(
            addressClass: AddressClassID(rawValue: word & UInt32(BH_CLASS_MASK)),
            endpoint: EndpointID(
                rawValue: UInt16(truncatingIfNeeded: word >> UInt32(BH_ENDPOINT_SHIFT) & BH_ENDPOINT_MASK)))
    }
}

/// IPv4 prefixes and their form in the tables: a word for each /16, with a window under it if it is not uniform.
package struct AddressTable4: Sendable {
    static let root = UInt32(BH_ROOT4_OFFSET / 4)

    /// Prefixes of up to 16 bits.
    private var short = PrefixSet()
    /// All others, by /16.
    private var slots: [UInt16: PrefixSet] = [:]

    package init() {}

    /// Records an entry without writing it: ``write(to:)`` writes the whole table.
    package mutating func note(_ prefix: CIDR, _ entry: AddressEntry?) {
        let (upper, lower) = (UInt16(prefix.network.v4 >> 16), UInt16(truncatingIfNeeded: prefix.network.v4))
        if prefix.prefixLength <= 16 {
            short.set(upper, prefix.prefixLength, entry?.word)
        } else {
            slots[upper, default: PrefixSet()].set(lower, prefix.prefixLength - 16, entry?.word)
            if slots[upper]?.isEmpty == true { slots[upper] = nil }
        }
    }

    /// Sets an entry (nil: removes it) and publishes it; each address changes by one store.
    package mutating func set(_ prefix: CIDR, _ entry: AddressEntry?, in memory: inout TableMemory) throws(HeapFull) {
        note(prefix, entry)
        let (upper, lower) = (UInt16(prefix.network.v4 >> 16), UInt16(truncatingIfNeeded: prefix.network.v4))
        if prefix.prefixLength <= 16 {
            let last = upper | PrefixSet.hostMask(prefix.prefixLength)
            let defaults = short.spans(upper, last, otherwise: 0)
            try write(upper, last, defaults, to: &memory)
        } else {
            let last = lower | PrefixSet.hostMask(prefix.prefixLength - 16)
            try change(slot: upper, lower, last, otherwise: short.word(at: upper, otherwise: 0), in: &memory)
        }
    }

    /// Makes the tables equal to the recorded entries, storing only what differs.
    package func write(to memory: inout TableMemory) throws(HeapFull) {
        try write(0, .max, short.spans(0, .max, otherwise: 0), to: &memory)
    }

    private func write(
        _ first: UInt16, _ last: UInt16, _ defaults: [Span], to memory: inout TableMemory
    ) throws(HeapFull) {
        var owned = slots.keys.filter { first <= $0 && $0 <= last }.sorted()[...]
        for (index, span) in defaults.enumerated() {
            let end = index + 1 < defaults.count ? defaults[index + 1].first - 1 : last
            var slot: UInt16? = span.first
            while let found = memory.firstOther(than: span.word, in: slot, end, root: Self.root, orAnyOf: &owned) {
                let place = Self.root + UInt32(found)
                if slots[found] == nil, !isPointer(memory.load(place)) {
                    memory.store(place, span.word)
                } else {
                    try change(slot: found, 0, .max, otherwise: span.word, in: &memory)
                }
                slot = found < end ? found + 1 : nil
            }
        }
    }

    private func change(
        slot: UInt16, _ low: UInt16, _ high: UInt16, otherwise: UInt32, in memory: inout TableMemory
    ) throws(HeapFull) {
        let place = Self.root + UInt32(slot)
        let part = slots[slot]?.spans(low, high, otherwise: otherwise) ?? [Span(low, otherwise)]
        let old = memory.load(place)
        let new = try memory.changeWindow(old, low, high, part)
        guard new != old else { return }
        memory.store(place, new)
        memory.retireWindow(old)
    }

    /// How many prefixes are recorded.
    var count: Int { slots.values.reduce(short.items.count) { $0 + $1.items.count } }

    /// Whether a part of the tables decides as recorded, from an address on.
    ///
    /// - Returns: the first address that they decide otherwise; where the next part begins, nil after the last one.
    func difference(from first: UInt32, in memory: borrowing TableMemory) -> (found: UInt32?, next: UInt32?) {
        var (at, work) = (first, 0)
        while work < Self.workPerLook {
            let slot = UInt16(at >> 16)
            let word = memory.load(Self.root + UInt32(slot))
            let otherwise = short.word(at: slot, otherwise: 0)
            let owned = slots[slot]
            let isWindow = owned != nil || isPointer(word)
            let low = UInt16(truncatingIfNeeded: at)
            let high = isWindow ? low | (Self.keysPerPart - 1) : .max
            let wanted = isWindow ? owned?.spans(low, high, otherwise: otherwise) ?? [Span(low, otherwise)] : []
            let found = isWindow ? memory.spans(word, low, high) : []
            if isWindow ? found != wanted : word != otherwise { return (at, Self.next(slot, high)) }
            work += isWindow ? Int(Self.keysPerPart) : 1
            guard let next = Self.next(slot, high) else { return (nil, nil) }
            at = next
        }
        return (nil, at)
    }

    /// Keys of one window that are compared at once; a power of two.
    private static let keysPerPart: UInt16 = 1024
    private static let workPerLook = 4096

    private static func next(_ slot: UInt16, _ high: UInt16) -> UInt32? {
        let (next, isEnd) = (UInt32(slot) << 16 | UInt32(high)).addingReportingOverflow(1)
        return isEnd ? nil : next
    }

    /// The entry of an address in the tables, as the BPF program reads them.
    package static func find(_ address: UInt32, in memory: borrowing TableMemory) -> UInt32 {
        let word = memory.load(root + (address >> 16))
        let key = UInt16(truncatingIfNeeded: address)
        return memory.spans(word, key, key)[0].word
    }
}

extension TableMemory {
    /// The first slot from `first` to `last` whose word differs from `word`, or that is the next one in `others`.
    fileprivate func firstOther(
        than word: UInt32, in first: UInt16?, _ last: UInt16, root: UInt32, orAnyOf others: inout ArraySlice<UInt16>
    ) -> UInt16? {
        guard let first else { return nil }
        let words = (base + Int(root) * 4).assumingMemoryBound(to: UInt32.self)
        let next = others.first.map { Int($0) } ?? Int.max
        var slot = Int(first)
        while slot <= Int(last) {
            if slot == next {
                others.removeFirst()
                return UInt16(slot)
            }
            if words[slot] != word { return UInt16(slot) }
            slot += 1
        }
        return nil
    }

    /// The words of a root table as runs.
    func rootSpans(_ root: UInt32) -> [Span] {
        let words = (base + Int(root) * 4).assumingMemoryBound(to: UInt32.self)
        var spans = [Span(0, words[0])]
        var slot = 1
        while slot < Int(BH_SLOTS) {
            if words[slot] != words[slot - 1] { spans.append(Span(UInt16(slot), words[slot])) }
            slot += 1
        }
        return spans
    }
}
