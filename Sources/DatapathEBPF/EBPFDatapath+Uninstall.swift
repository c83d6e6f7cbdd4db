// SPDX-License-Identifier: Apache-2.0
import CLinuxShim
import Datapath

extension EBPFDatapath {
    /// Removes every pin (and with it program, map and link) under a BPF file system, and the nftables table of the
    /// calling thread's network namespace.
    ///
    /// - Returns: what was removed, one path or name each; empty where nothing was there.
    /// - Throws: ``DatapathError``, also where a running daemon holds the directory or something is left.
    public static func uninstall(bpffs: String) throws(DatapathError) -> [String] {
        var removed: [String] = []
        let root = Pins.root(bpffs)
        if Pins.exists(root) {
            let lock = try Pins.lock(root)
            removed += try Pins.removeTree(root)
            _ = consume lock
        }
        if try conntrackTableExists() {
            let code = bh_conntrack_table_delete()
            guard code == 0 else {
                throw .system(operation: "deleting the nftables table inet bulkhead-tracking", code: -code, detail: "")
            }
            removed.append("nftables table inet bulkhead-tracking")
        }
        let left = try installed(bpffs: bpffs)
        guard left.isEmpty else { throw .corrupt("left behind: " + left.joined(separator: ", ")) }
        return removed
    }

    /// What of Bulkhead is in the kernel: pins and the nftables table.
    public static func installed(bpffs: String) throws(DatapathError) -> [String] {
        var found: [String] = []
        func walk(_ path: String) {
            guard Pins.exists(path) else { return }
            found.append(path)
            for name in Pins.names(in: path) { walk(path + "/" + name) }
        }
        walk(Pins.root(bpffs))
        if try conntrackTableExists() { found.append("nftables table inet bulkhead-tracking") }
        return found
    }

    static func conntrackTableExists() throws(DatapathError) -> Bool {
        let code = bh_conntrack_table_exists()
        guard code >= 0 else {
            throw .system(operation: "looking for the nftables table inet bulkhead-tracking", code: -code, detail: "")
        }
        return code == 1
    }
}
