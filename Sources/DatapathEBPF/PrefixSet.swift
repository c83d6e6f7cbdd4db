// SPDX-License-Identifier: Apache-2.0

/// Prefixes within 16 bits with their words, sorted: the source of a window.
package struct PrefixSet: Sendable {
    package struct Item: Sendable, Hashable {
        package var first: UInt16
        /// 0...16 bits.
        package var length: UInt8
        package var word: UInt32

        var last: UInt16 { first | PrefixSet.hostMask(length) }
    }

    package private(set) var items: [Item] = []

    package init() {}

    package var isEmpty: Bool { items.isEmpty }

    static func hostMask(_ length: UInt8) -> UInt16 { length >= 16 ? 0 : .max >> UInt16(length) }

    /// The first item at or after (`first`, `length`).
    private func index(_ first: UInt16, _ length: UInt8) -> Int {
        var (low, high) = (0, items.count)
        while low < high {
            let middle = (low + high) / 2
            let item = items[middle]
            if (item.first, item.length) < (first, length) { low = middle + 1 } else { high = middle }
        }
        return low
    }

    package subscript(first: UInt16, length: UInt8) -> UInt32? {
        let at = index(first, length)
        guard at < items.count, items[at].first == first, items[at].length == length else { return nil }
        return items[at].word
    }

    /// Sets (nil: removes) the word of a prefix.
    package mutating func set(_ first: UInt16, _ length: UInt8, _ word: UInt32?) {
        let at = index(first, length)
        let found = at < items.count && items[at].first == first && items[at].length == length
        switch (found, word) {
        case (true, let word?): items[at].word = word
        case (true, nil): items.remove(at: at)
        case (false, let word?): items.insert(Item(first: first, length: length, word: word), at: at)
        case (false, nil): break
        }
    }

    /// The word of the longest prefix that covers `key`, or `otherwise`.
    package func word(at key: UInt16, otherwise: UInt32) -> UInt32 {
        guard !items.isEmpty else { return otherwise }
        for length in (UInt8(0)...16).reversed() {
            if let word = self[key & ~Self.hostMask(length), length] { return word }
        }
        return otherwise
    }

    /// What the longest prefixes decide for `low...high`; `otherwise` if none covers.
    package func spans(_ low: UInt16, _ high: UInt16, otherwise: UInt32) -> [Span] {
        if low == high { return [Span(low, word(at: low, otherwise: otherwise))] }
        // Prefixes around the current position, shortest first, each until its last key.
        var open: [(last: UInt16, word: UInt32)] = [(.max, otherwise)]
        if !items.isEmpty, low > 0 {
            for length in UInt8(0)..<16 {
                let first = low & ~Self.hostMask(length)
                if first < low, let word = self[first, length] {
                    open.append((first | Self.hostMask(length), word))
                }
            }
        }
        var spans = [Span(low, open[open.count - 1].word)]
        func close(before key: UInt16) {
            while open.count > 1, open[open.count - 1].last < key {
                let ended = open.removeLast()
                spans.add(ended.last + 1, open[open.count - 1].word)
            }
        }
        var at = index(low, 0)
        while at < items.count, items[at].first <= high {
            close(before: items[at].first)
            open.append((items[at].last, items[at].word))
            spans.add(items[at].first, items[at].word)
            at += 1
        }
        close(before: high)
        return spans
    }
}
