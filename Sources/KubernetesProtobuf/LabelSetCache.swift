// SPDX-License-Identifier: Apache-2.0

/// Label sets by their bytes: pods of one template have the same labels and share one dictionary.
struct LabelSetCache {
    private struct Slot {
        var hash: UInt64
        var range: Range<Int>
        var labels: [String: String]
    }

    private let bytes: UnsafeRawBufferPointer
    /// The most recent set: lists are ordered by name, so pods of one template follow one another.
    private var last: Slot?
    /// Each set has one place, which the most recent set with that place occupies.
    private var slots: [Slot?] = []
    private static let slotCount = 64

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    /// - Parameters:
    ///   - run: consecutive entries of `map<string, string> labels = 11`, from the content of the first one.
    ///   - first: the content of the first one.
    mutating func labels(_ run: Range<Int>, first: Range<Int>) throws(ProtobufError) -> [String: String] {
        if let last, bytes.areSame(last.range, run) { return last.labels }
        let hash = hash(of: run)
        let place = Int(truncatingIfNeeded: hash >> 32) & (Self.slotCount - 1)
        if !slots.isEmpty, let slot = slots[place], slot.hash == hash, bytes.areSame(slot.range, run) {
            last = slot
            return slot.labels
        }
        let labels = try inside(.field("labels")) { () throws(ProtobufError) in try read(run, first: first) }
        // A watch event has one set, which needs no table.
        if last != nil, slots.isEmpty { slots = Array(repeating: nil, count: Self.slotCount) }
        let slot = Slot(hash: hash, range: run, labels: labels)
        if !slots.isEmpty { slots[place] = slot }
        last = slot
        return labels
    }

    private func read(_ run: Range<Int>, first: Range<Int>) throws(ProtobufError) -> [String: String] {
        var labels: [String: String] = [:]
        labels.reserveCapacity(8)
        let (key, value) = try WireReader(bytes, first).mapEntry()
        labels[key] = value
        var reader = WireReader(bytes, first.upperBound..<run.upperBound)
        while let tag = try reader.next() {
            let (key, value) = try reader.message(tag).mapEntry()
            labels[key] = value
        }
        return labels
    }

    /// Good enough to find a place: sets are compared byte by byte.
    private func hash(of range: Range<Int>) -> UInt64 {
        var hash = UInt64(truncatingIfNeeded: range.count) &* 0x9e37_79b9_7f4a_7c15
        var at = range.lowerBound
        while at + 8 <= range.upperBound {
            let word = bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self)
            hash = (hash ^ word) &* 0xff51_afd7_ed55_8ccd
            hash ^= hash >> 33
            at += 8
        }
        while at < range.upperBound {
            hash = (hash ^ UInt64(bytes[at])) &* 0x0100_0000_01b3
            at += 1
        }
        return hash ^ hash << 32
    }
}
