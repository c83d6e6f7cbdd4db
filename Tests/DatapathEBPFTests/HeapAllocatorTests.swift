// SPDX-License-Identifier: Apache-2.0
import DatapathEBPF
import Testing

@Suite struct HeapAllocatorTests {
    @Test func blocksNeverOverlapAndAllComesBack() {
        for seed in UInt64(1)...50 {
            var random = SeededRandom(seed)
            var heap = HeapAllocator(begin: 1000, end: 1000 + UInt32(random.number(64...40_000)))
            var owner = [Int](repeating: 0, count: heap.totalWords + 8)
            var blocks: [HeapBlock] = []
            for step in 1...400 {
                if random.chance(60), let block = heap.allocate(words: random.number(1...600)) {
                    for word in Int(block.offset) - 1000..<Int(block.offset) - 1000 + block.words {
                        #expect(owner[word] == 0, "seed \(seed)")
                        owner[word] = step
                    }
                    blocks.append(block)
                } else if let index = blocks.indices.randomElement(using: &random) {
                    let block = blocks.remove(at: index)
                    for word in Int(block.offset) - 1000..<Int(block.offset) - 1000 + block.words { owner[word] = 0 }
                    heap.release(block)
                }
                #expect(heap.usedWords == blocks.reduce(0) { $0 + $1.words })
            }
            // A new allocator that knows what is in use continues like the old one.
            var recovered = HeapAllocator(begin: 1000, end: 1000 + UInt32(heap.totalWords))
            for block in blocks {
                let (first, second) = (recovered.reserve(block), recovered.reserve(block))
                #expect(first && !second, "seed \(seed)")
            }
            #expect(recovered.usedWords == heap.usedWords)
            for block in blocks {
                heap.release(block)
                recovered.release(block)
            }
            let whole = 8 << (Int.bitWidth - 1 - (heap.totalWords / 8).leadingZeroBitCount)
            let (largest, recoveredLargest) = (heap.allocate(words: whole), recovered.allocate(words: whole))
            #expect(largest != nil && recoveredLargest != nil, "free space did not join again, seed \(seed)")
        }
    }

    @Test(arguments: [(1, 0), (8, 0), (9, 1), (16, 1), (97, 4), (256, 5), (257, 6)])
    func orderHoldsTheWords(words: Int, order: Int) { #expect(HeapBlock.order(forWords: words) == order) }

    @Test func refusesBlocksOutsideOrMisaligned() {
        var heap = HeapAllocator(begin: 64, end: 64 + 1024)
        let wrong = [(8, 0), (68, 0), (72, 1), (64 + 1024, 0), (64, 40)]
        for (offset, order) in wrong {
            let taken = heap.reserve(HeapBlock(offset: UInt32(offset), order: order))
            #expect(!taken, "\(offset) \(order)")
        }
        let taken = heap.reserve(HeapBlock(offset: 64, order: 1))
        #expect(taken)
    }
}
