// SPDX-License-Identifier: Apache-2.0
import FlowTelemetry
import Testing

struct BacklogTests {
    @Test(arguments: [0, 1, 3, 4, 7]) func piecesAreTheWholeInOrder(count: Int) {
        var backlog = Backlog<Int>(limit: 4)
        for number in 0..<count { backlog.append(number) }
        let batch = backlog.take()
        let pieces = batch.pieces(of: 2)
        #expect(pieces.flatMap(\.elements) == batch.elements)
        #expect(pieces.allSatisfy { $0.elements.count <= 2 })
        #expect(pieces.map(\.lost).reduce(0, +) == batch.lost && pieces.last?.lost == batch.lost)
    }
}
