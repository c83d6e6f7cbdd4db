// SPDX-License-Identifier: Apache-2.0
import Glibc
import WatchedFiles

/// Waits until something changes in files, or in directories and what is below them.
final class ChangedFiles {
    /// Milliseconds without a change until the files are read: an editor makes several changes.
    private static let quiet: Int32 = 50
    private static let folderLimit = 4096

    private let inotify: Inotify

    /// Watches from now on.
    ///
    /// - Throws: if nothing can be watched.
    init(_ paths: [String]) throws {
        inotify = try Inotify(for: "the files")
        var folders: Set<String> = []
        for path in paths {
            if Self.isFolder(path) {
                Self.add(path, to: &folders)
            } else {
                // A file that is replaced has another inode: its directory says so.
                folders.insert(path.lastIndex(of: "/").map { String(path[...$0]) } ?? ".")
            }
        }
        let mask = [IN_CLOSE_WRITE, IN_MOVED_FROM, IN_MOVED_TO, IN_CREATE, IN_DELETE].map { Int32($0) }
        let watched = folders.count { inotify.watch($0, mask) != nil }
        guard watched == folders.count else {
            let missing = folders.count - watched
            throw CommandFailure(
                "\(missing) of \(Words.count(folders.count, "directory", "directories")) cannot be watched")
        }
    }

    deinit { inotify.close() }

    /// Returns after a change, once it is quiet.
    func wait() throws {
        var timeout: Int32 = -1
        while true {
            var waiting = pollfd(fd: inotify.descriptor, events: Int16(POLLIN), revents: 0)
            let ready = poll(&waiting, 1, timeout)
            if ready < 0, errno == EINTR { continue }
            guard ready >= 0 else {
                throw CommandFailure("cannot wait for changes: \(String(cString: strerror(errno)))")
            }
            if ready == 0 { return }
            _ = inotify.drain()
            timeout = Self.quiet
        }
    }

    private static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// The directory and those below it, as manifests are searched: without links and hidden ones.
    private static func add(_ path: String, to folders: inout Set<String>) {
        guard folders.count < folderLimit, folders.insert(path).inserted, let directory = opendir(path) else { return }
        defer { closedir(directory) }
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            var status = stat()
            let below = "\(path)/\(name)"
            guard !name.hasPrefix("."), lstat(below, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else { continue }
            add(below, to: &folders)
        }
    }
}
