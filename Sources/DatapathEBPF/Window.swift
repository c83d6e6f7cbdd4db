// SPDX-License-Identifier: Apache-2.0
import BulkheadABI

/// From `first` up to the next span, addresses have this word: a leaf, or a node of the IPv6 tree.
package struct Span: Sendable, Hashable {
    package var first: UInt16
    package var word: UInt32
    package init(_ first: UInt16, _ word: UInt32) {
        self.first = first
        self.word = word
    }
}

extension [Span] {
    /// Appends, or overrides a span that starts at the same place; merges neighbors with the same word.
    mutating func add(_ first: UInt16, _ word: UInt32) {
        if let last, last.first == first { removeLast() }
        if let last, last.word == word { return }
        append(Span(first, word))
    }

    /// The word at `key`, for spans that start at or below it.
    package func word(at key: UInt16) -> UInt32 {
        var (low, high) = (0, count)
        while high - low > 1 {
            let middle = (low + high) / 2
            if self[middle].first <= key { low = middle } else { high = middle }
        }
        return self[low].word
    }

    /// The part that decides `low...high`, with its first span starting at `low`.
    func slice(_ low: UInt16, _ high: UInt16) -> [Span] {
        var result = [Span(low, word(at: low))]
        for span in self where span.first > low && span.first <= high { result.add(span.first, span.word) }
        return result
    }

    /// These spans, which end at `end`, with `part` instead of `low...high`.
    func replacing(_ low: UInt16, _ high: UInt16, with part: [Span], end: UInt16) -> [Span] {
        var result: [Span] = []
        for span in self where span.first < low { result.add(span.first, span.word) }
        for span in part { result.add(span.first, span.word) }
        guard high < end else { return result }
        result.add(high + 1, word(at: high + 1))
        for span in self where span.first > high + 1 { result.add(span.first, span.word) }
        return result
    }
}

func isPointer(_ word: UInt32) -> Bool { word & BH_POINTER != 0 }
func isList(_ word: UInt32) -> Bool { word & (BH_POINTER | BH_LIST) == BH_POINTER | BH_LIST }
func isNode(_ word: UInt32) -> Bool { word & (BH_POINTER | BH_LIST | BH_NODE) == BH_POINTER | BH_NODE }
func isChunk(_ word: UInt32) -> Bool { word & (BH_POINTER | BH_LIST | BH_NODE) == BH_POINTER }
func offset(of word: UInt32) -> UInt32 { word & BH_OFFSET_MASK }

/// A window decides by 16 bits of an address: a leaf (one value for all), a sorted list of up to 64 ranges, or a chunk
/// of 256 words by the upper 8 bits, each a leaf, a list, or a chunk by the lower 8 bits. IPv4 has one window under
/// each /16, IPv6 one in each node.
extension TableMemory {
    static let chunkOrder = 5
    /// The longest list that is written. The program reads up to 64 ranges, but a chunk is read in a third of the time.
    private static let listMax = 8

    private static func listOrder(size: Int) -> Int { HeapBlock.order(forWords: 1 + size / 2 + size) }

    private func listSpans(_ word: UInt32) -> [Span] {
        let at = offset(of: word)
        let size = Int(load(at))
        var spans: [Span] = []
        for index in 0..<size {
            spans.add(half(atByte: Int(at + 1) * 4, index), load(at + 1 + UInt32(size / 2 + index)))
        }
        return spans
    }

    /// What `word` decides for `low...high`; `level` 0 is a whole window, 1 the part under one upper byte.
    package func spans(_ word: UInt32, _ low: UInt16, _ high: UInt16, level: Int = 0) -> [Span] {
        if isList(word) { return listSpans(word).slice(low, high) }
        guard isChunk(word) else { return [Span(low, word)] }
        var spans: [Span] = []
        if level == 1 {
            for key in low...high { spans.add(key, load(offset(of: word) + UInt32(key & 255))) }
            return spans
        }
        for part in low >> 8...high >> 8 {
            let (first, last) = (max(low, part << 8), min(high, part << 8 | 255))
            for span in self.spans(load(offset(of: word) + UInt32(part)), first, last, level: 1) {
                spans.add(span.first, span.word)
            }
        }
        return spans
    }

    private mutating func buildList(_ spans: [Span]) throws(HeapFull) -> UInt32 {
        var size = 4
        while size < spans.count { size *= 2 }
        let at = try allocate(words: 1 + size / 2 + size).offset
        update(at, UInt32(size))
        for index in 0..<size {
            let span = spans[min(index, spans.count - 1)]
            updateHalf(atByte: Int(at + 1) * 4, index, index == 0 ? 0 : span.first)
            update(at + 1 + UInt32(size / 2 + index), span.word)
        }
        return BH_POINTER | BH_LIST | at
    }

    /// Writes a window, or the part under an upper byte, into new blocks.
    mutating func buildWindow(
        _ spans: [Span], level: Int = 0
    ) throws(HeapFull) -> UInt32 {
        if spans.count == 1 { return spans[0].word }
        if spans.count <= Self.listMax { return try buildList(spans) }
        let chunk = try allocate(words: Int(BH_CHUNK_WORDS)).offset
        if level == 1 {
            let upper = spans[0].first & 0xff00
            for low in 0..<UInt16(256) { update(chunk + UInt32(low), spans.word(at: upper | low)) }
            return BH_POINTER | chunk
        }
        var next = 0
        var current = spans[0].word
        for part in 0..<UInt16(256) {
            let (low, high) = (part << 8, part << 8 | 255)
            var inside = [Span(low, current)]
            while next < spans.count, spans[next].first <= high {
                inside.add(spans[next].first, spans[next].word)
                current = spans[next].word
                next += 1
            }
            update(chunk + UInt32(part), try buildWindow(inside, level: 1))
        }
        return BH_POINTER | chunk
    }

    /// Makes `low...high` of the window `word` decide like `part`.
    ///
    /// - Returns: the word to publish instead of `word`, whose blocks the caller then retires; `word` itself if
    ///   stores inside it were enough.
    mutating func changeWindow(
        _ word: UInt32, _ low: UInt16, _ high: UInt16, _ part: [Span], level: Int = 0
    ) throws(HeapFull) -> UInt32 {
        guard isChunk(word) else {
            return try changeList(word, low, high, part, level: level)
        }
        let chunk = offset(of: word)
        if level == 1 {
            var next = 0
            for key in low...high {
                while next + 1 < part.count, part[next + 1].first <= key { next += 1 }
                update(chunk + UInt32(key & 255), part[next].word)
            }
        } else {
            for upper in low >> 8...high >> 8 {
                let (first, last) = (max(low, upper << 8), min(high, upper << 8 | 255))
                let place = chunk + UInt32(upper)
                let old = load(place)
                let inside = low >> 8 == high >> 8 ? part : part.slice(first, last)
                let new = try changeWindow(old, first, last, inside, level: 1)
                guard new != old else { continue }
                store(place, new)
                retireWindow(old, level: 1)
            }
        }
        return uniformWord(chunk) ?? word
    }

    /// The one leaf or node of all words of a chunk, if they are equal.
    private func uniformWord(_ chunk: UInt32) -> UInt32? {
        let first = load(chunk)
        guard !isList(first), !isChunk(first) else { return nil }
        for index in 1..<UInt32(BH_CHUNK_WORDS) where load(chunk + index) != first { return nil }
        return first
    }

    private mutating func changeList(
        _ word: UInt32, _ low: UInt16, _ high: UInt16, _ part: [Span], level: Int
    ) throws(HeapFull) -> UInt32 {
        let (first, last): (UInt16, UInt16) = level == 0 ? (0, .max) : (low & 0xff00, low | 255)
        let old = spans(word, first, last, level: level)
        let new = old.replacing(low, high, with: part, end: last)
        if new == old { return word }
        if isList(word), let changed = Self.onlyChange(old, new) {
            let at = offset(of: word)
            let size = load(at)
            let from = UInt32(changed)
            // A list's last range is repeated to the end, and readers land on the last copy.
            let to = changed == old.count - 1 ? size - 1 : from
            for index in from...to { update(at + 1 + size / 2 + index, new[changed].word) }
            return word
        }
        return try buildWindow(new, level: level)
    }

    /// The one range whose word differs, if all ranges are otherwise the same.
    private static func onlyChange(_ old: [Span], _ new: [Span]) -> Int? {
        guard old.count == new.count else { return nil }
        var changed: Int?
        for index in old.indices where old[index] != new[index] {
            guard old[index].first == new[index].first, changed == nil else { return nil }
            changed = index
        }
        return changed
    }

    /// The blocks of a window itself, without those of nodes to which it points.
    func windowBlocks(_ word: UInt32, level: Int = 0) -> [HeapBlock] {
        if isList(word) {
            let at = offset(of: word)
            return [HeapBlock(offset: at, order: Self.listOrder(size: Int(load(at))))]
        }
        guard isChunk(word) else { return [] }
        var blocks = [HeapBlock(offset: offset(of: word), order: Self.chunkOrder)]
        guard level == 0 else { return blocks }
        for index in 0..<UInt32(BH_CHUNK_WORDS) {
            let part = load(offset(of: word) + index)
            if isPointer(part) { blocks += windowBlocks(part, level: 1) }
        }
        return blocks
    }

    mutating func retireWindow(_ word: UInt32, level: Int = 0) {
        guard isPointer(word), !isNode(word) else { return }
        for block in windowBlocks(word, level: level) { retire(block) }
    }
}
