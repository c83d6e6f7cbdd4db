// SPDX-License-Identifier: Apache-2.0
import BulkheadABI
import CompiledPolicy
import Datapath

extension Generation {
    /// Finds out which blocks of the heap and which programs are in use, by walking everything that a packet can reach.
    /// What a killed daemon had written but not published is free again.
    func recover() throws(DatapathError) {
        for span in memory.rootSpans(AddressTable4.root) where isPointer(span.word) {
            try reserveWindow(span.word, nodesAllowed: false)
        }
        for span in AddressTree6.rootSpans(in: memory) { try reserveTree(span.word, depth: 1) }
        for number in 1..<EndpointID.limit {
            let id = EndpointID(rawValue: number)
            guard keys[.endpoint, UInt32(number)] != nil else {
                // Retired, or not yet published, when the daemon ended.
                EndpointTable.setPrograms(id, ingress: 0, egress: 0, in: &memory)
                continue
            }
            let (ingress, egress) = EndpointTable.programs(id, in: memory)
            for offset in [ingress, egress] where offset != 0 { try reserveProgram(offset) }
        }
        endpoints.adopt(known: { keys[.endpoint, UInt32($0.rawValue)] != nil }, in: &memory)
    }

    private func reserve(_ block: HeapBlock) throws(DatapathError) {
        guard memory.heap.reserve(block) else { throw .corrupt("blocks of the heap overlap at word \(block.offset)") }
    }

    private func reserveWindow(_ word: UInt32, nodesAllowed: Bool, level: Int = 0) throws(DatapathError) {
        let at = offset(of: word)
        guard at >= TableMemory.heapBegin, at < memory.words, !isNode(word), !isChunk(word) || level < 2,
            !isList(word) || [4, 8, 16, 32, 64].contains(memory.load(at))
        else { throw .corrupt("address word \(word) points nowhere") }
        if isList(word) {
            let size = Int(memory.load(at))
            try reserve(HeapBlock(offset: at, order: HeapBlock.order(forWords: 1 + size / 2 + size)))
            for index in 0..<size { try check(memory.load(at + 1 + UInt32(size / 2 + index)), nodesAllowed) }
            return
        }
        try reserve(HeapBlock(offset: at, order: TableMemory.chunkOrder))
        for index in 0..<UInt32(BH_CHUNK_WORDS) {
            let part = memory.load(at + index)
            if isList(part) || isChunk(part) {
                guard level == 0 else { throw .corrupt("a window is too deep at word \(at)") }
                try reserveWindow(part, nodesAllowed: nodesAllowed, level: 1)
            } else {
                try check(part, nodesAllowed)
            }
        }
    }

    private func check(_ word: UInt32, _ nodesAllowed: Bool) throws(DatapathError) {
        guard !isPointer(word) || (nodesAllowed && isNode(word)) else {
            throw .corrupt("address word \(word) is misplaced")
        }
    }

    private func reserveTree(_ word: UInt32, depth: Int) throws(DatapathError) {
        guard isPointer(word) else { return }
        let at = offset(of: word)
        guard isNode(word), depth < 8, at >= TableMemory.heapBegin, at + 12 <= memory.words else {
            throw .corrupt("IPv6 node \(word) points nowhere")
        }
        try reserve(HeapBlock(offset: at, order: AddressTree6.nodeOrder))
        let window = memory.load(at + AddressTree6.windowWord)
        guard memory.load(at + AddressTree6.groupWord) >= UInt32(depth) else {
            throw .corrupt("IPv6 node \(word) is misplaced")
        }
        if isPointer(window), !isNode(window) { try reserveWindow(window, nodesAllowed: true) }
        for span in memory.spans(window, 0, .max) { try reserveTree(span.word, depth: depth + 1) }
    }

    private func reserveProgram(_ offset: UInt32) throws(DatapathError) {
        if programs.blocks.values.contains(where: { $0.block.offset == offset }) { return }
        if strayPrograms.contains(where: { $0.offset == offset }) { return }
        // A program that was being rewritten: some endpoints refer to the new block, some to the old one.
        let number = ProgramID(rawValue: offset < memory.words ? memory.load(offset) : 0)
        if let other = programs.blocks[number]?.block { strayPrograms.append(other) }
        guard let block = programs.adopt(at: offset, in: memory) else {
            throw .corrupt("the program at word \(offset) is inconsistent")
        }
        try reserve(block)
    }
}
