// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Files that are written as a whole: a reader, or a start after a crash, finds what was there before or all that is new,
/// and never half of it.
public enum WholeFile {
    /// Why a file was not written.
    public struct Failure: Error, Sendable, Hashable, CustomStringConvertible {
        /// The file, or the temporary one that was to take its place.
        public var path: String
        public var errorNumber: Int32

        package init(path: String, errorNumber: Int32) {
            self.path = path
            self.errorNumber = errorNumber
        }

        /// In words, such as `No space left on device`.
        public var reason: String { String(cString: strerror(errorNumber)) }
        public var description: String { "\(path): \(reason)" }
    }

    /// write(2). A test brings its own.
    public typealias Write = (Int32, UnsafeRawPointer?, Int) -> Int

    /// Replaces a file, or leaves it as it is. What else has its name, such as a link, is replaced too; a directory is not.
    ///
    /// - Parameters:
    ///   - mode: nil: what a new file of this process gets.
    ///   - owner: who else is to own the file; without the right to give it away, it stays this process's.
    ///   - temporary: the name, in the same directory, under which it is written; nil: its own name and `.new`. What has
    ///     this name is removed first: a link must not be written through.
    ///   - open: opens the descriptor, by calling what it is given.
    public static func replace(
        _ path: String, with bytes: [UInt8], mode: mode_t?, owner: (user: uid_t, group: gid_t)? = nil,
        temporary: String? = nil,
        open: (() -> Int32) -> Int32 = { $0() }, write: Write = { Glibc.write($0, $1, $2) }
    ) throws(Failure) {
        let temporary = temporary ?? path + ".new"
        guard unlink(temporary) == 0 || errno == ENOENT else { throw last(temporary) }
        let descriptor = open {
            Glibc.open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode == nil ? 0o666 : 0o600)
        }
        guard descriptor >= 0 else { throw last(temporary) }
        var failure = Failure(path: temporary, errorNumber: Self.write(bytes, to: descriptor, by: write))
        if let owner { _ = fchown(descriptor, owner.user, owner.group) }
        if failure.errorNumber == 0, let mode, fchmod(descriptor, mode) != 0 { failure = last(temporary) }
        // Else a crash soon after could leave the new name with an empty file.
        if failure.errorNumber == 0, fsync(descriptor) != 0 { failure = last(temporary) }
        close(descriptor)
        if failure.errorNumber == 0, rename(temporary, path) != 0 { failure = last(path) }
        guard failure.errorNumber == 0 else {
            unlink(temporary)
            throw failure
        }
        synchronizeDirectory(of: path)
    }

    /// Writes all bytes, in as many steps as it takes.
    ///
    /// - Returns: 0, or the number of the error that ended it.
    public static func write(
        _ bytes: [UInt8], to descriptor: Int32, by write: Write = { Glibc.write($0, $1, $2) }
    ) -> Int32 {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return count < 0 ? errno : EIO }
            rest = rest.dropFirst(count)
        }
        return 0
    }

    /// What was renamed or removed in a directory outlives a crash once the directory is on the disk.
    public static func synchronizeDirectory(of path: String) {
        let directory = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        let descriptor = Glibc.open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        fsync(descriptor)
        close(descriptor)
    }

    /// At once after the call that failed.
    private static func last(_ path: String) -> Failure { Failure(path: path, errorNumber: errno) }
}
