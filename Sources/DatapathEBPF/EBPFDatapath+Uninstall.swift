// SPDX-License-Identifier: Apache-2.0
import CLibBPF
import CLinuxShim
import ConnectionTracking
import Datapath
import Glibc

extension EBPFDatapath {
    /// Removes every pin (and with it program, map and link) under a BPF file system, the nftables table of the calling
    /// thread's network namespace, and links that are attached there without such a pin.
    ///
    /// - Parameter withUnpinned: also looks for links that are pinned elsewhere or nowhere, which takes CAP_SYS_ADMIN.
    /// - Returns: what was removed, one path or name each; empty where nothing was there.
    /// - Throws: ``DatapathError``, also where a running daemon holds the directory or something is left.
    public static func uninstall(bpffs: String, withUnpinned: Bool = true) throws(DatapathError) -> [String] {
        var removed = try removePins(bpffs)
        if withUnpinned { removed += try removeOtherLinks(than: bpffs) }
        if try TrackingTable.exists() {
            try TrackingTable.remove()
            removed.append(TrackingTable.name)
        }
        let left = try installed(bpffs: bpffs, withUnpinned: withUnpinned)
        guard left.isEmpty else { throw .corrupt("left behind: " + left.joined(separator: ", ")) }
        return removed
    }

    /// Whether this process may look for links that are pinned elsewhere or nowhere.
    public static var canListLinks: Bool {
        var first: UInt32 = 0
        return bpf_link_get_next_id(0, &first) == 0 || errno == ENOENT
    }

    private static func removePins(_ bpffs: String) throws(DatapathError) -> [String] {
        let root = Pins.root(bpffs)
        guard Pins.exists(root) else { return [] }
        let lock = try Pins.lock(root)
        let removed = try Pins.removeTree(root)
        _ = consume lock
        return removed
    }

    /// Pins in other BPF file systems whose links are attached here, and links without a pin.
    private static func removeOtherLinks(than bpffs: String) throws(DatapathError) -> [String] {
        guard try KernelLink.all().contains(where: { $0.place == .here }) else { return [] }
        var removed: [String] = []
        for other in Pins.otherFileSystems(than: bpffs) where try isAttachedHere(other) {
            removed += try removePins(other)
        }
        for link in try KernelLink.all() where link.place == .here {
            try link.detach()
            removed.append(link.description)
        }
        return removed
    }

    /// Whether one of the links that are pinned under a BPF file system is attached in this network namespace.
    private static func isAttachedHere(_ bpffs: String) throws(DatapathError) -> Bool {
        let here = Set(try KernelLink.all().filter { $0.place == .here }.map(\.number))
        return Pins.links(below: Pins.root(bpffs)).contains { here.contains($0) }
    }

    /// What of Bulkhead is in the kernel: pins, links and the nftables table.
    public static func installed(bpffs: String, withUnpinned: Bool = true) throws(DatapathError) -> [String] {
        var found: [String] = []
        func walk(_ path: String) {
            guard Pins.exists(path) else { return }
            found.append(path)
            for name in Pins.names(in: path) { walk(path + "/" + name) }
        }
        walk(Pins.root(bpffs))
        if withUnpinned {
            let pinned = Set(Pins.links(below: Pins.root(bpffs)))
            found += try KernelLink.all().filter { !pinned.contains($0.number) }.map(\.description)
        }
        if try TrackingTable.exists() { found.append(TrackingTable.name) }
        return found
    }

    /// Whether programs of a run before are attached and pinned. Directories alone may be left of a start that failed.
    public static func isInForce(bpffs: String) -> Bool { !Pins.links(below: Pins.root(bpffs)).isEmpty }
}

extension Pins {
    /// The kernel's numbers of the links that are pinned below a directory.
    static func links(below directory: String) -> [UInt32] {
        names(in: directory).flatMap { name -> [UInt32] in
            let path = directory + "/" + name
            guard name.hasPrefix("link") else { return links(below: path) }
            guard let link = try? get(path) else { return [] }
            let number = bh_link_number(link.raw)
            return number > 0 ? [number] : []
        }
    }

    /// Directories of mounted BPF file systems in which a daemon may have pinned something, but this one.
    static func otherFileSystems(than bpffs: String) -> [String] {
        var found: [String] = []
        func search(_ directory: String, _ depth: Int) {
            if directory != bpffs, exists(root(directory)) { found.append(directory) }
            guard depth < searchDepth else { return }
            for name in names(in: directory) where name != owner { search(directory + "/" + name, depth + 1) }
        }
        for mount in mounts { search(mount, 0) }
        return found
    }

    private static let searchDepth = 4

    /// Where BPF file systems are mounted (proc(5): the fifth field is the place, the type follows a dash).
    private static var mounts: [String] {
        guard let file = fopen("/proc/thread-self/mountinfo", "re") else { return [] }
        defer { fclose(file) }
        var line: UnsafeMutablePointer<CChar>?
        var capacity = 0
        defer { free(line) }
        var mounts: [String] = []
        while getline(&line, &capacity, file) > 0, let text = line.map({ String(cString: $0) }) {
            let fields = text.split(separator: " ")
            guard let dash = fields.firstIndex(of: "-"), dash + 1 < fields.count, fields[dash + 1] == "bpf" else {
                continue
            }
            mounts.append(unescaped(fields[4]))
        }
        return mounts
    }

    /// The kernel writes blanks and backslashes as three octal digits.
    private static func unescaped(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            let digits = rest.prefix(3)
            if byte == UInt8(ascii: "\\"), digits.count == 3,
                let code = UInt8(String(decoding: digits, as: UTF8.self), radix: 8)
            {
                bytes.append(code)
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
