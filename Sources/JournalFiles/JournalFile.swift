// SPDX-License-Identifier: Apache-2.0
import Glibc
import Journal
import WholeFiles

/// Why the journal cannot be read or written.
public struct JournalFileError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The file or directory.
    public var path: String
    public var reason: String
    /// Whether the disk or a quota is full.
    var isFull = false
    public var description: String { "\(path): \(reason)" }

    init(_ path: String, _ reason: String) {
        self.path = path
        self.reason = reason
    }

    init(_ path: String, errorNumber: Int32) {
        self.init(path, String(cString: strerror(errorNumber)))
        isFull = errorNumber == ENOSPC || errorNumber == EDQUOT
    }

    /// With the reason of the last system call.
    static func last(_ path: String) -> JournalFileError { JournalFileError(path, errorNumber: errno) }
}

/// The system call for which a disk makes its writer wait. A test brings its own.
package struct JournalDisk: Sendable {
    package typealias Write = @Sendable (Int32, UnsafeRawPointer?, Int) -> Int
    package var write: Write

    package init(write: @escaping Write) { self.write = write }

    static let system = JournalDisk { Glibc.write($0, $1, $2) }
}

/// System calls on the files of the journal.
enum JournalFile {
    /// A small file's text without its line end.
    static func read(_ path: String, limit: Int) -> String? {
        guard let bytes = try? bytes(of: path, limit: limit) else { return nil }
        return String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    }

    /// A regular file's content, at most `limit` bytes of it.
    static func bytes(of path: String, limit: Int) throws(JournalFileError) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else { throw .last(path) }
        defer { close(descriptor) }
        var facts = stat()
        guard fstat(descriptor, &facts) == 0 else { throw .last(path) }
        guard facts.st_mode & S_IFMT == S_IFREG else { throw JournalFileError(path, "it is not a regular file") }
        // Files in /proc have no size.
        let size = facts.st_size > 0 ? min(Int(facts.st_size), limit) : limit
        var bytes = [UInt8](repeating: 0, count: size)
        var length = 0
        while length < size {
            let count = bytes.withUnsafeMutableBytes { buffer in
                Glibc.read(descriptor, buffer.baseAddress.map { $0 + length }, size - length)
            }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw .last(path) }
            guard count > 0 else { break }
            length += count
        }
        return Array(bytes[..<length])
    }

    /// Writes everything, or as much as there is room for.
    static func write(
        _ bytes: [UInt8], to descriptor: Int32, _ path: String, _ disk: JournalDisk = .system
    ) throws(JournalFileError) {
        let number = WholeFile.write(bytes, to: descriptor, by: disk.write)
        guard number == 0 else { throw JournalFileError(path, errorNumber: number) }
    }

    /// Replaces a file as a whole, or leaves it as it is.
    static func replace(_ path: String, with bytes: [UInt8]) throws(JournalFileError) {
        do {
            try WholeFile.replace(path, with: bytes, mode: 0o600)
        } catch {
            throw JournalFileError(error.path, errorNumber: error.errorNumber)
        }
    }

    /// The names in a directory.
    static func names(in directory: String) throws(JournalFileError) -> [String] {
        guard let entries = opendir(directory) else { throw .last(directory) }
        defer { closedir(entries) }
        var names: [String] = []
        while let entry = readdir(entries) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            names.append(name)
        }
        return names
    }
}
