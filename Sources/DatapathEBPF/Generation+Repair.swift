// SPDX-License-Identifier: Apache-2.0
import Datapath

extension Generation {
    /// How much of the tables one check compares: a millisecond's work, so that large tables take several checks.
    static let bytesPerLook = 8 << 20

    /// Repairs what others have written into the tables.
    ///
    /// - Parameter isWhole: compares everything, not only the next part.
    /// - Returns: what differed, in words.
    func repairTables(isWhole: Bool) -> [String] {
        let limit = isWhole ? .max : Self.bytesPerLook
        let (words, keyWords) = (memory.repair(limit: limit), keys.repair(limit: limit))
        return words.named("tables") { name(ofWord: $0) } + keyWords.named("keys") { keys.name(ofWord: $0) }
    }

    /// The same for the addresses of other nodes, each of which costs a system call: every few seconds.
    func repairNodes(isWhole: Bool) throws(DatapathError) -> [String] {
        looks += 1
        guard isWhole || looks % Self.looksBetweenNodes == 0 else { return [] }
        let count = try repairTunnelNodes()
        return count > 0 ? ["\(count) addresses of nodes"] : []
    }

    private static let looksBetweenNodes = 8

    /// Whether every pin exists and leads to the right object.
    var isPinned: Bool { held.unpinned(in: directory).isEmpty }

    /// Pins what is not pinned.
    ///
    /// - Returns: the paths.
    @discardableResult
    func pin() throws(DatapathError) -> [String] {
        try Pins.makeDirectory(directory)
        return try held.pin(in: directory)
    }
}
