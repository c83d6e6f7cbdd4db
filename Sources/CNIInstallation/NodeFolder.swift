// SPDX-License-Identifier: Apache-2.0
import Glibc
import WholeFiles

/// Why a file of the node cannot be read or written.
public struct InstallationError: Error, Sendable, Hashable, CustomStringConvertible {
    public var path: String
    public var reason: String
    public var description: String { "\(path): \(reason)" }

    init(_ path: String, _ reason: String) {
        self.path = path
        self.reason = reason
    }

    init(_ path: String, code: Int32) { self.init(path, String(cString: strerror(code))) }
}

/// A directory that others also use: files are read as a whole and changed only by rename, so that no process ever sees
/// half of a file.
struct NodeFolder: Sendable {
    let path: String

    func path(of name: String) -> String { "\(path)/\(name)" }

    /// Names of all entries, in the order in which runtimes read them; none if there is no directory.
    func names() throws(InstallationError) -> [String] {
        guard let stream = opendir(path) else {
            if errno == ENOENT { return [] }
            throw InstallationError(path, code: errno)
        }
        defer { closedir(stream) }
        var names: [[UInt8]] = []
        while let entry = readdir(stream) {
            names.append(
                withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                    pointer.withMemoryRebound(to: UInt8.self, capacity: 256) { bytes in
                        Array(UnsafeBufferPointer(start: bytes, count: 256).prefix { $0 != 0 })
                    }
                })
        }
        return names.sorted { $0.lexicographicallyPrecedes($1) }.compactMap { String(validating: $0, as: UTF8.self) }
    }

    func exists(_ name: String) -> Bool {
        var status = stat()
        return lstat(path(of: name), &status) == 0
    }

    /// A file's bytes; nil if there is none.
    func read(_ name: String, limit: Int) throws(InstallationError) -> [UInt8]? {
        let descriptor = open(path(of: name), O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw failure(name)
        }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        while true {
            var got = 0
            let chunk = [UInt8](unsafeUninitializedCapacity: 256 << 10) { buffer, count in
                got = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
                count = max(got, 0)
            }
            if got < 0, errno == EINTR { continue }
            if got < 0, errno == EISDIR { return nil }
            // The part that was read must not be taken for the whole.
            guard got >= 0 else { throw failure(name) }
            if got == 0 { return bytes }
            bytes += chunk
            guard bytes.count <= limit else { throw InstallationError(path(of: name), "has more than \(limit) bytes") }
        }
    }

    /// Replaces the file's content in one step.
    ///
    /// - Parameter mode: nil for the present mode, or for a file that every user may read.
    func write(_ name: String, _ bytes: [UInt8], mode: mode_t? = nil) throws(InstallationError) {
        var status = stat()
        let mode = mode ?? (stat(path(of: name), &status) == 0 ? status.st_mode & 0o777 : 0o644)
        // Runtimes read only files with certain extensions, and this is not one of them.
        let temporary = path(of: ".\(name).bulkhead-new")
        do {
            try WholeFile.replace(path(of: name), with: bytes, mode: mode, temporary: temporary)
        } catch {
            throw InstallationError(error.path, error.reason)
        }
    }

    func rename(_ name: String, to new: String) throws(InstallationError) {
        guard Glibc.rename(path(of: name), path(of: new)) == 0 else { throw failure(name) }
        synchronize()
    }

    func remove(_ name: String) throws(InstallationError) {
        guard unlink(path(of: name)) == 0 || errno == ENOENT else { throw failure(name) }
        synchronize()
    }

    private func synchronize() { WholeFile.synchronizeDirectory(of: path(of: "")) }

    private func failure(_ name: String) -> InstallationError { InstallationError(path(of: name), code: errno) }
}
