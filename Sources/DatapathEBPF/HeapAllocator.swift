// SPDX-License-Identifier: Apache-2.0

/// The heap of the tables has no room.
package struct HeapFull: Error {}

/// A block of the heap: `8 << order` words, aligned to its size from the start of the heap.
package struct HeapBlock: Sendable, Hashable {
    /// Words from the start of the tables.
    package var offset: UInt32
    package var order: Int

    package init(offset: UInt32, order: Int) {
        self.offset = offset
        self.order = order
    }

    package var words: Int { 8 << order }

    /// The smallest order whose blocks hold `words`.
    package static func order(forWords words: Int) -> Int {
        let units = max((words + 7) / 8, 1)
        return units == 1 ? 0 : Int.bitWidth - (units - 1).leadingZeroBitCount
    }
}

/// A buddy allocator over a range of words that it never accesses itself.
///
/// Sizes are powers of two, so a block's extent follows from its content, and a new daemon can find out what is in use
/// by walking the tables (``reserve(_:)``).
package struct HeapAllocator: Sendable {
    private let begin: UInt32
    /// Units of 8 words.
    private let units: Int
    private let orders: Int
    /// By order, one bit per block: the whole block is free.
    private var free: [[UInt64]]
    /// By order, candidates for a free block; stale ones are skipped, the bits decide.
    private var candidates: [[UInt32]]
    package private(set) var usedWords = 0

    /// A heap of the words `begin ..< end`, all free.
    package init(begin: UInt32, end: UInt32) {
        self.begin = begin
        units = Int(end - begin) / 8
        orders = max(Int.bitWidth - units.leadingZeroBitCount, 1)
        free = (0..<orders).map { [units] in Array(repeating: 0, count: (units >> $0) / 64 + 1) }
        candidates = Array(repeating: [], count: orders)
        var unit = 0
        while unit < units {
            var order = min(unit == 0 ? orders - 1 : unit.trailingZeroBitCount, orders - 1)
            while unit + (1 << order) > units { order -= 1 }
            add(unit, order)
            unit += 1 << order
        }
    }

    package var totalWords: Int { units * 8 }

    private func isFree(_ unit: Int, _ order: Int) -> Bool {
        let index = unit >> order
        return free[order][index / 64] >> UInt64(index % 64) & 1 == 1
    }

    private mutating func mark(_ unit: Int, _ order: Int, free isFree: Bool) {
        let index = unit >> order
        let bit: UInt64 = 1 << UInt64(index % 64)
        if isFree { free[order][index / 64] |= bit } else { free[order][index / 64] &= ~bit }
    }

    private mutating func add(_ unit: Int, _ order: Int) {
        mark(unit, order, free: true)
        candidates[order].append(UInt32(unit))
    }

    private mutating func takeCandidate(_ order: Int) -> Int? {
        while let unit = candidates[order].popLast() {
            if isFree(Int(unit), order) {
                mark(Int(unit), order, free: false)
                return Int(unit)
            }
        }
        return nil
    }

    /// A block for `words` words; nil if none is free.
    package mutating func allocate(words: Int) -> HeapBlock? {
        let order = HeapBlock.order(forWords: words)
        var from = order
        while from < orders {
            if let unit = takeCandidate(from) {
                while from > order {
                    from -= 1
                    add(unit + 1 << from, from)
                }
                usedWords += 8 << order
                return HeapBlock(offset: begin + UInt32(unit * 8), order: order)
            }
            from += 1
        }
        return nil
    }

    package mutating func release(_ block: HeapBlock) {
        usedWords -= block.words
        var unit = Int(block.offset - begin) / 8
        var order = block.order
        while order + 1 < orders {
            let buddy = unit ^ 1 << order
            guard buddy + 1 << order <= units, isFree(buddy, order) else { break }
            mark(buddy, order, free: false)
            unit = min(unit, buddy)
            order += 1
        }
        add(unit, order)
    }

    /// Reserves a given block that was found in use. False if it is out of range, misaligned or overlaps another block.
    package mutating func reserve(_ block: HeapBlock) -> Bool {
        guard block.offset >= begin, (block.offset - begin) % 8 == 0, block.order < orders else { return false }
        let unit = Int(block.offset - begin) / 8
        guard unit & ((1 << block.order) - 1) == 0, unit + 1 << block.order <= units else { return false }
        for order in block.order..<orders {
            let whole = unit & ~((1 << order) - 1)
            guard whole + 1 << order <= units, isFree(whole, order) else { continue }
            mark(whole, order, free: false)
            var (at, size) = (whole, order)
            while size > block.order {
                size -= 1
                let upper = at + 1 << size
                if unit >= upper {
                    add(at, size)
                    at = upper
                } else {
                    add(upper, size)
                }
            }
            usedWords += block.words
            return true
        }
        return false
    }
}
