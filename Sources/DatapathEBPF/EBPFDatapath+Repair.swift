// SPDX-License-Identifier: Apache-2.0
import ConnectionTracking
import Datapath

extension EBPFDatapath {
    /// Looks at links, connection tracking, a part of the tables, and pins. Takes some 50 microseconds where all is
    /// well.
    public mutating func repair() -> RepairReport { repair(isWhole: false) }

    /// - Parameter isWhole: compares all of the tables.
    mutating func repair(isWhole: Bool) -> RepairReport {
        var report = RepairReport()
        guard let current else { return report }
        // What judges packets comes first; pins matter only once this process is gone.
        report.attempt { () throws(DatapathError) in
            try current.attach(current.wantedHooks, priority: options.hookPriority)
        }
        report.attempt { () throws(DatapathError) in try repairTracking() }
        report.repaired += current.repairTables(isWhole: isWhole)
        report.attempt { () throws(DatapathError) in try current.repairNodes(isWhole: isWhole) }
        report.attempt { () throws(DatapathError) in try repairPins(current) }
        return report
    }

    private func repairTracking() throws(DatapathError) -> [String] {
        guard try !TrackingTable.isWhole() else { return [] }
        try TrackingTable.create()
        return ["the \(TrackingTable.name)"]
    }

    private mutating func repairPins(_ generation: Generation) throws(DatapathError) -> [String] {
        let root = Pins.root(bpffs)
        if generation.isPinned, Pins.inode(root) == lockedRoot { return [] }
        try prepareDirectory()
        if Pins.inode(root) != lockedRoot { try lockRoot() }
        let pinned = try generation.pin()
        return pinned.isEmpty ? [] : ["\(pinned.count) pins in \(generation.directory)"]
    }

    /// Takes the directory of the pins for this process.
    mutating func lockRoot() throws(DatapathError) {
        let root = Pins.root(bpffs)
        lock = try Pins.lock(root)
        lockedRoot = Pins.inode(root)
    }
}
