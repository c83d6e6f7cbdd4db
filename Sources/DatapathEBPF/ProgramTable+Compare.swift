// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import PolicyModel

extension ProgramTable {
    /// Whether the tables give the verdicts of `program` for these address classes and all of these port classes. What
    /// this says needs nothing that was found about other classes: the block may be another one then.
    func decides(
        _ id: ProgramID, as program: Program, _ classes: some Sequence<Int>, _ ports: [Int],
        in memory: borrowing TableMemory
    ) -> Bool {
        guard let block = blocks[id], memory.load(block.block.offset + Self.flagsWord) == program.flags,
            let columns = Self.lines(ports, program.columns, at: block.columns, of: block.columnCapacity, memory),
            let rows = Self.lines(classes, program.rows, at: block.rows, of: block.rowCapacity, memory)
        else { return false }
        guard columns.allSatisfy({ Int($0.line) < block.stride }), rows.allSatisfy({ Int($0.line) < block.cellRows })
        else { return false }
        for row in rows {
            let compiled = Int(row.compiled) * program.columnCount
            for column in columns {
                let wanted = program.cells[compiled + Int(column.compiled)].word
                if memory.load(block.cell(Int(row.line), Int(column.line))) != wanted { return false }
            }
        }
        return true
    }

    private struct LinePair: Hashable {
        var compiled: UInt16
        var line: UInt16
    }

    /// The lines that these classes have in the compiled program and in the block, each pair once; nil if the block has
    /// no room for one of the classes.
    private static func lines(
        _ classes: some Sequence<Int>, _ compiled: [UInt16], at words: UInt32, of capacity: Int,
        _ memory: borrowing TableMemory
    ) -> Set<LinePair>? {
        var pairs: Set<LinePair> = []
        for number in classes {
            guard number < capacity, number < compiled.count else { return nil }
            pairs.insert(
                LinePair(compiled: compiled[number], line: memory.half(atByte: Int(words) * 4, number)))
        }
        return pairs
    }
}
