// SPDX-License-Identifier: Apache-2.0
import BulkheadABI
import CLinuxShim
import Datapath
import Glibc
import GracePeriod

/// The words of the map `tables` (or, in tests, plain memory), with the allocator of their heap.
///
/// The kernel reads while we write: what a packet can reach is only changed by single aligned stores; all else is
/// written first and published by one of them. What was unpublished waits in `retired` for a grace period.
package struct TableMemory: ~Copyable {
    /// The memory for reads: a copy that only this process can write.
    package let base: UnsafeMutableRawPointer
    /// What packets see. Every store goes to both.
    private let live: UnsafeMutableRawPointer
    /// Both of them, where the words are a map's.
    private var mirror: Mirror?
    /// Usable words.
    package let words: UInt32
    package var heap: HeapAllocator
    package private(set) var retired: [HeapBlock] = []
    /// 32-bit words stored since the counter was last taken.
    package var wordsWritten = 0
    /// Grace periods that ``allocate(words:)`` had to wait for since the counter was last taken.
    package var gracePeriods = 0
    package static let heapBegin = UInt32(BH_FIXED_BYTES / 4)

    /// The words of a map.
    init(_ mirror: consuming Mirror, words: UInt32) {
        base = mirror.copy
        live = mirror.live
        self.mirror = consume mirror
        self.words = words
        heap = HeapAllocator(begin: Self.heapBegin, end: words)
    }

    /// Zeroed memory without a kernel.
    package init(plainWords words: UInt32) {
        let bytes = Int(words) * 4 + Int(BH_SLACK_BYTES)
        base = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 4096)
        base.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
        live = base
        mirror = nil
        self.words = words
        heap = HeapAllocator(begin: Self.heapBegin, end: words)
    }

    deinit {
        if mirror == nil { base.deallocate() }
    }

    /// Repairs what others have written into the next `limit` bytes of the map.
    mutating func repair(limit: Int = .max) -> RepairedWords { mirror?.repair(limit: limit) ?? RepairedWords() }

    package func load(_ word: UInt32) -> UInt32 {
        base.load(fromByteOffset: Int(word) * 4, as: UInt32.self)
    }

    /// A word as packets see it.
    func loadLive(_ word: UInt32) -> UInt32 { live.load(fromByteOffset: Int(word) * 4, as: UInt32.self) }

    package func load64(_ word: UInt32) -> UInt64 {
        base.load(fromByteOffset: Int(word) * 4, as: UInt64.self)
    }

    /// Publishes: a reader that sees `value` sees everything stored before.
    package mutating func store(_ word: UInt32, _ value: UInt32) {
        base.storeBytes(of: value, toByteOffset: Int(word) * 4, as: UInt32.self)
        bh_store32((live + Int(word) * 4).assumingMemoryBound(to: UInt32.self), value)
        wordsWritten += 1
    }

    /// Stores where the word differs.
    package mutating func update(_ word: UInt32, _ value: UInt32) {
        if load(word) != value { store(word, value) }
    }

    /// Stores `value` where a word of `first...last` differs.
    mutating func fill(_ first: UInt32, _ last: UInt32, _ value: UInt32) {
        let words = base.assumingMemoryBound(to: UInt32.self)
        var word = Int(first)
        while word <= Int(last) {
            if words[word] != value { store(UInt32(word), value) }
            word += 1
        }
    }

    /// Publishes two words at once.
    package mutating func store64(_ word: UInt32, _ value: UInt64) {
        base.storeBytes(of: value, toByteOffset: Int(word) * 4, as: UInt64.self)
        bh_store64(live + Int(word) * 4, value)
        wordsWritten += 2
    }

    /// Element `index` of the 16-bit array that starts at byte `bytes`.
    package func half(atByte bytes: Int, _ index: Int) -> UInt16 {
        base.load(fromByteOffset: bytes + index * 2, as: UInt16.self)
    }

    package mutating func updateHalf(atByte bytes: Int, _ index: Int, _ value: UInt16) {
        guard half(atByte: bytes, index) != value else { return }
        base.storeBytes(of: value, toByteOffset: bytes + index * 2, as: UInt16.self)
        live.storeBytes(of: value, toByteOffset: bytes + index * 2, as: UInt16.self)
        wordsWritten += 1
    }

    // MARK: Heap

    /// A block that nothing refers to. Where only retired space is left, and much of it, waits for its grace period.
    mutating func allocate(words: Int) throws(HeapFull) -> HeapBlock {
        if let block = heap.allocate(words: words) { return block }
        let waiting = retired.reduce(0) { $0 + $1.words }
        guard waiting > heap.totalWords / 8 else { throw HeapFull() }
        do { try PacketsUnderWay.tryWait() } catch { throw HeapFull() }
        gracePeriods += 1
        releaseRetired()
        guard let block = heap.allocate(words: words) else { throw HeapFull() }
        return block
    }

    /// Unpublished: its space is used again only after ``releaseRetired()``.
    package mutating func retire(_ block: HeapBlock) {
        retired.append(block)
    }

    /// A grace period has passed since the last ``retire(_:)``.
    package mutating func releaseRetired() {
        for block in retired { heap.release(block) }
        retired.removeAll(keepingCapacity: retired.count < 1024)
    }

    package mutating func takeWordsWritten() -> Int {
        defer { wordsWritten = 0 }
        return wordsWritten
    }

    package mutating func takeGracePeriods() -> Int {
        defer { gracePeriods = 0 }
        return gracePeriods
    }
}

// Noncopyable, and the only owner of its memory on this side: the holder of the value may use it, on any thread.
extension TableMemory: @unchecked Sendable {}
