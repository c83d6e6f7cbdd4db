// SPDX-License-Identifier: Apache-2.0
import CLibBPF
import CLinuxShim
import Datapath
import Glibc

/// The directories of pinned objects: `<bpffs>/bulkhead/v<layout>/<generation>/<name>`.
enum Pins {
    static let owner = "bulkhead"

    static func root(_ bpffs: String) -> String { bpffs + "/" + owner }

    /// Names in a directory, without `.` and `..`; empty where it does not exist.
    static func names(in directory: String) -> [String] {
        guard let stream = opendir(directory) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    static func makeDirectory(_ path: String) throws(DatapathError) {
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else {
            throw .system(operation: "creating \(path)", code: errno, detail: "")
        }
    }

    static func get(_ path: String) throws(DatapathError) -> Descriptor {
        let raw = bpf_obj_get(path)
        guard raw >= 0 else { throw .system(operation: "opening \(path)", code: errno, detail: "") }
        return Descriptor(raw)
    }

    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// The inode of the object under a name; nil for none.
    static func inode(_ path: String) -> UInt64? {
        var facts = stat()
        return lstat(path, &facts) == 0 ? UInt64(facts.st_ino) : nil
    }

    /// Removes a directory with its content; links first, so that a half-removed set never judges packets.
    ///
    /// - Returns: every path removed.
    @discardableResult
    static func removeTree(_ directory: String) throws(DatapathError) -> [String] {
        var removed: [String] = []
        let names = names(in: directory)
        for name in names.filter({ $0.hasPrefix("link") }) + names.filter({ !$0.hasPrefix("link") }) {
            let path = directory + "/" + name
            if unlink(path) == 0 {
                removed.append(path)
            } else if errno == EISDIR || errno == EPERM {
                removed += try removeTree(path)
            } else {
                throw .system(operation: "removing \(path)", code: errno, detail: "")
            }
        }
        guard rmdir(directory) == 0 || errno == ENOENT else {
            throw .system(operation: "removing \(directory)", code: errno, detail: "")
        }
        return removed + [directory]
    }

    /// Locks the directory for this process, until the descriptor is closed.
    ///
    /// Waits a second for a predecessor that has just ended: a process that it was starting holds a copy of the
    /// descriptor until it executes its program.
    static func lock(_ directory: String) throws(DatapathError) -> Descriptor {
        let raw = bh_open_directory(directory)
        guard raw >= 0 else { throw .system(operation: "opening \(directory)", code: errno, detail: "") }
        let descriptor = Descriptor(raw)
        var tries = 1
        while flock(raw, LOCK_EX | LOCK_NB) != 0 {
            if errno == EWOULDBLOCK, tries < 100 {
                tries += 1
                usleep(10_000)
                continue
            }
            guard errno == EWOULDBLOCK else {
                throw .system(operation: "locking \(directory)", code: errno, detail: "")
            }
            throw .inUse("another bulkheadd uses \(directory)")
        }
        return descriptor
    }
}
