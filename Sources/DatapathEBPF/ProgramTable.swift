// SPDX-License-Identifier: Apache-2.0
import BulkheadABI
import CompiledPolicy
import PolicyModel

extension CellAction {
    fileprivate var word: UInt32 {
        switch self {
        case .allow: BH_CELL_ALLOW
        case .deny: BH_CELL_DENY
        case .audit: BH_CELL_AUDIT
        case .ask: BH_CELL_ASK
        case .handOver: BH_CELL_HAND_OVER
        }
    }
}

extension Cell {
    /// The word that the BPF program reads.
    var word: UInt32 {
        action.word | (neverDeniesItself ? BH_CELL_SPARES_ITSELF : 0) | rule.rawValue
    }
}

extension Program {
    /// `bh_program.flags`.
    var flags: UInt32 { isEnforced ? 0 : BH_PROGRAM_AUDIT_ONLY }
}

/// Which line (row or column) of a block stands for which line of the compiled program: the compiler of a new run may
/// number them in another order.
private struct Lines: Sendable {
    /// By the compiled program's line; nil if they are the same in the block.
    private var lines: [UInt16: UInt16]?
    /// Lines of the block in use: the next new line goes there.
    private var count: Int

    /// A block in the order of the compiled program, with this many lines.
    init(count: Int) { self.count = count }

    /// A block whose lines stand for these.
    init(_ lines: [UInt16: UInt16]) {
        count = Int(lines.values.max() ?? 0) + 1
        self.lines = lines.allSatisfy { $0.key == $0.value } && lines.count == count ? nil : lines
    }

    /// The block's line; nil if it has none yet.
    subscript(line: Int) -> Int? {
        guard let lines else { return line < count ? line : nil }
        return lines[UInt16(line)].map { Int($0) }
    }

    /// The block's line, which is added if missing.
    mutating func make(_ line: Int) -> Int {
        if let found = self[line] { return found }
        if lines == nil {
            count = line + 1
            return line
        }
        lines?[UInt16(line)] = UInt16(count)
        count += 1
        return count - 1
    }
}

/// Verdict matrices in the tables: one block per program, with room for more classes.
struct ProgramTable: Sendable {
    struct Block: Sendable {
        var block: HeapBlock
        var columnCapacity: Int
        var rowCapacity: Int
        /// Word offsets from the start of the tables.
        var columns: UInt32
        var rows: UInt32
        var cells: UInt32
        var stride: Int
        /// Rows for which the block has cells.
        var cellRows: Int
        fileprivate var rowLines: Lines
        fileprivate var columnLines: Lines

        func cell(_ row: Int, _ column: Int) -> UInt32 { cells + UInt32(row * stride + column) }
    }

    private static let headerWords = UInt32(MemoryLayout<bh_program>.size / 4)
    static let flagsWord = UInt32(MemoryLayout<bh_program>.offset(of: \.flags)! / 4)

    private(set) var blocks: [ProgramID: Block] = [:]

    /// Word offset of a program's block, for endpoint records; 0 for ``ProgramID/none``.
    func offset(of program: ProgramID) -> UInt32 { blocks[program]?.block.offset ?? 0 }

    private static func withRoom(_ count: Int) -> Int { (count + count / 4 + 16) & ~1 }

    /// Writes a program into a new block.
    ///
    /// - Returns: its previous block, if any; the caller retires it once no endpoint refers to it.
    mutating func write(
        _ id: ProgramID, _ program: Program, to memory: inout TableMemory
    ) throws(HeapFull) -> Block? {
        let rowCount = program.cells.count / max(program.columnCount, 1)
        let columnCapacity = Self.withRoom(program.columns.count)
        let rowCapacity = Self.withRoom(program.rows.count)
        let stride = program.columnCount + program.columnCount / 4 + 2
        let front = Int(Self.headerWords) + (columnCapacity + rowCapacity) / 2
        let block = try memory.allocate(words: front + stride * (rowCount + rowCount / 4 + 2))
        let columns = block.offset + Self.headerWords
        let rows = columns + UInt32(columnCapacity / 2)
        let cells = block.offset + UInt32(front)
        let new = Block(
            block: block, columnCapacity: columnCapacity, rowCapacity: rowCapacity, columns: columns, rows: rows,
            cells: cells, stride: stride, cellRows: (block.words - front) / stride, rowLines: Lines(count: rowCount),
            columnLines: Lines(count: program.columnCount))
        let header = [
            id.rawValue, UInt32(block.words), UInt32(columnCapacity), UInt32(rowCapacity), columns - block.offset,
            rows - block.offset, cells - block.offset, UInt32(stride), program.flags, 0,
        ]
        for (index, word) in header.enumerated() { memory.update(block.offset + UInt32(index), word) }
        fill(new, program, rowCount, &memory)
        let old = blocks[id]
        blocks[id] = new
        return old
    }

    private func fill(_ block: Block, _ program: Program, _ rowCount: Int, _ memory: inout TableMemory) {
        for row in 0..<rowCount {
            for column in 0..<program.columnCount {
                memory.update(block.cell(row, column), program.cells[row * program.columnCount + column].word)
            }
        }
        for index in 0..<block.rowCapacity {
            let row = index < program.rows.count ? program.rows[index] : 0
            memory.updateHalf(atByte: Int(block.rows) * 4, index, row)
        }
        for index in 0..<block.columnCapacity {
            let column = index < program.columns.count ? program.columns[index] : 0
            memory.updateHalf(atByte: Int(block.columns) * 4, index, column)
        }
    }

    /// Adds rows of new address classes and columns of new port classes in place; each is reachable only through
    /// classes that no address or port carries yet.
    ///
    /// - Returns: false if the block has no room: the program must be rewritten.
    mutating func extend(
        _ id: ProgramID, _ program: Program, addressClasses: [AddressClassID], portClasses: [PortClassID],
        in memory: inout TableMemory
    ) -> Bool {
        guard var block = blocks[id] else { return true }
        defer { blocks[id] = block }
        let rowCount = program.cells.count / max(program.columnCount, 1)
        func write(_ row: Int, _ column: Int) {
            guard let line = block.rowLines[row], let at = block.columnLines[column] else { return }
            memory.update(block.cell(line, at), program.cells[row * program.columnCount + column].word)
        }
        for number in portClasses {
            let index = Int(number.rawValue)
            guard index < block.columnCapacity else { return false }
            let column = Int(program.columns[index])
            let line = block.columnLines.make(column)
            guard line < block.stride else { return false }
            for row in 0..<rowCount { write(row, column) }
            memory.updateHalf(atByte: Int(block.columns) * 4, index, UInt16(line))
        }
        for number in addressClasses {
            let index = Int(number.rawValue)
            guard index < block.rowCapacity else { return false }
            let row = Int(program.rows[index])
            let line = block.rowLines.make(row)
            guard line < block.cellRows else { return false }
            for column in 0..<program.columnCount { write(row, column) }
            memory.updateHalf(atByte: Int(block.rows) * 4, index, UInt16(line))
        }
        return true
    }

    /// Whether the tables give the verdicts of `program` for these address classes and for ports that change from one
    /// class to another; if so, records which line stands for which.
    mutating func matches(
        _ id: ProgramID, _ program: Program, _ classes: [Int], _ ports: [(old: Int, new: Int)],
        in memory: borrowing TableMemory
    ) -> Bool {
        guard let (rows, columns) = correspondence(id, program, classes, ports, in: memory) else { return false }
        blocks[id]?.rowLines = Lines(rows)
        blocks[id]?.columnLines = Lines(columns)
        return true
    }

    private func correspondence(
        _ id: ProgramID, _ program: Program, _ classes: [Int], _ ports: [(old: Int, new: Int)],
        in memory: borrowing TableMemory
    ) -> (rows: [UInt16: UInt16], columns: [UInt16: UInt16])? {
        guard let block = blocks[id], memory.load(block.block.offset + Self.flagsWord) == program.flags,
            block.rowCapacity > classes.max() ?? 0, block.columnCapacity > ports.map(\.old).max() ?? 0,
            let rows = Self.lines(
                classes.map { ($0, $0) }, program.rows, at: block.rows, below: block.cellRows, memory),
            let columns = Self.lines(ports, program.columns, at: block.columns, below: block.stride, memory)
        else { return nil }
        let agree = rows.allSatisfy { row, line in
            columns.allSatisfy { column, at in
                memory.load(block.cell(Int(line), Int(at)))
                    == program.cells[Int(row) * program.columnCount + Int(column)].word
            }
        }
        return agree ? (rows, columns) : nil
    }

    /// What a word of the heap says, if it is a program's.
    func name(ofWord word: UInt32) -> String? {
        let found = blocks.first { _, block in
            (block.block.offset..<block.block.offset + UInt32(block.block.words)).contains(word)
        }
        guard let (id, block) = found else { return nil }
        let program = "program \(id.rawValue)"
        switch word {
        case block.cells...:
            let cell = Int(word - block.cells)
            return "the cell in row \(cell / block.stride), column \(cell % block.stride) of \(program)"
        case block.rows...:
            let first = (word - block.rows) * 2
            return "the rows of address classes \(first) and \(first + 1) of \(program)"
        case block.columns...:
            let first = (word - block.columns) * 2
            return "the columns of port classes \(first) and \(first + 1) of \(program)"
        default: return "the header of \(program)"
        }
    }

    /// The line in a block of each line of the compiled program that a live class has; nil if they do not correspond
    /// one to one.
    private static func lines(
        _ classes: [(old: Int, new: Int)], _ compiled: [UInt16], at words: UInt32, below limit: Int,
        _ memory: borrowing TableMemory
    ) -> [UInt16: UInt16]? {
        var lines: [UInt16: UInt16] = [:]
        for (old, new) in classes {
            let line = memory.half(atByte: Int(words) * 4, old)
            guard Int(line) < limit, lines.updateValue(line, forKey: compiled[new]) ?? line == line else {
                return nil
            }
        }
        return Set(lines.values).count == lines.count ? lines : nil
    }

    mutating func remove(_ id: ProgramID, from memory: inout TableMemory) {
        guard let block = blocks.removeValue(forKey: id) else { return }
        memory.retire(block.block)
    }

    /// Finds a program to which an endpoint refers. Nil if its block is inconsistent.
    mutating func adopt(at offset: UInt32, in memory: borrowing TableMemory) -> HeapBlock? {
        guard offset + Self.headerWords < memory.words else { return nil }
        let header = (0..<Self.headerWords).map { memory.load(offset + $0) }
        let (words, columnCapacity, rowCapacity) = (Int(header[1]), Int(header[2]), Int(header[3]))
        let order = HeapBlock.order(forWords: words)
        let end = Int(header[4]) + columnCapacity / 2
        guard words == 8 << order, Int(offset) + words <= Int(memory.words), header[7] > 0,
            columnCapacity <= 1 << 16, rowCapacity <= 1 << 21, Int(header[5]) == end,
            Int(header[6]) == end + rowCapacity / 2, Int(header[6]) <= words
        else { return nil }
        let block = HeapBlock(offset: offset, order: order)
        blocks[ProgramID(rawValue: header[0])] = Block(
            block: block, columnCapacity: columnCapacity, rowCapacity: rowCapacity, columns: offset + header[4],
            rows: offset + header[5], cells: offset + header[6], stride: Int(header[7]),
            cellRows: (words - Int(header[6])) / Int(header[7]), rowLines: Lines([:]), columnLines: Lines([:]))
        return block
    }
}
