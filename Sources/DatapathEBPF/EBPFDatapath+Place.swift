// SPDX-License-Identifier: Apache-2.0
import Datapath

extension EBPFDatapath {
    public func checkPlace() throws(DatapathError) {
        let generation = try opened()
        try generation.checkLinks()
        guard try Self.tracksConnections() else {
            throw .missing("the nftables table inet bulkhead-tracking, by which connections are tracked,")
        }
    }

    /// The words of the tables that programs and addresses share. They grow by themselves up to the limit.
    public func tableUse() -> [TableUse] {
        guard let current else { return [] }
        return [
            TableUse(
                table: "words", used: current.memory.heap.usedWords,
                limit: Int(Capacities.wordLimit - TableMemory.heapBegin))
        ]
    }
}
