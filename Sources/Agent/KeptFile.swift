// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import Glibc
import WatchedFiles
import WholeFiles

/// A file with state that outlives the daemon. It is next to the control socket, on a file system in memory like the
/// pinned tables, so that both disappear with a reboot.
struct KeptFile {
    let path: String
    /// What it holds, for messages.
    let content: String

    /// Whether anything has this name.
    var exists: Bool {
        var facts = stat()
        return lstat(path, &facts) == 0
    }

    /// Many times the size for a node's pods and their policies.
    private static let byteLimit = 64 << 20

    /// Its content; nil if there is no file. Only a regular file of limited size is read.
    func read() throws(KeptFileError) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw errno == ELOOP ? failure("it is a symbolic link") : failure()
        }
        defer { close(descriptor) }
        var facts = stat()
        guard fstat(descriptor, &facts) == 0 else { throw failure() }
        guard facts.st_mode & S_IFMT == S_IFREG else { throw failure("it is not a regular file") }
        let size = Int(facts.st_size)
        guard size <= Self.byteLimit else {
            throw failure("it has \(size) bytes, above the limit of \(Self.byteLimit)")
        }
        var bytes = [UInt8](repeating: 0, count: size)
        var length = 0
        while length < size {
            let count = bytes.withUnsafeMutableBytes { rest in
                Glibc.read(descriptor, rest.baseAddress! + length, size - length)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw count < 0 ? failure() : failure("it was truncated while it was read") }
            length += count
        }
        return bytes
    }

    /// Renames a file that cannot be used, so that a person can inspect it and a new one takes its place.
    func setAside(because reason: String) -> BrokenFile {
        let aside = path + ".broken-" + RFC3339.now().filter { $0.isNumber || $0.isLetter }
        let isAside = rename(path, aside) == 0
        return BrokenFile(content: content, path: isAside ? aside : path, reason: reason)
    }

    /// Replaces the file as a whole, or leaves it as it is.
    func replace(with bytes: [UInt8]) throws(KeptFileError) {
        defer { DescriptorReserve.shared.refill() }
        do {
            try WholeFile.replace(path, with: bytes, mode: 0o600, open: DescriptorReserve.shared.open)
        } catch {
            throw failure(error.reason)
        }
    }

    /// Runs a read or a write of the file, and gives any other error the file's name.
    func attempt<Value>(_ body: () throws -> Value) throws(KeptFileError) -> Value {
        do {
            return try body()
        } catch let error as KeptFileError {
            throw error
        } catch let error as DecodingError {
            throw failure("\(Problem(error))")
        } catch {
            throw failure("\(error)")
        }
    }

    private func failure() -> KeptFileError { failure(String(cString: strerror(errno))) }

    func failure(_ reason: String) -> KeptFileError { KeptFileError(path: path, content: content, reason: reason) }
}

/// Why saved state cannot be read or written.
public struct KeptFileError: Error, CustomStringConvertible {
    public var path: String
    /// What the file holds.
    public var content: String
    public var reason: String
    public var description: String {
        "\(content), kept in \(path): \(reason)"
    }
}

/// A saved file that could not be used. The daemon starts without it.
struct BrokenFile: Hashable {
    /// What the file held.
    var content: String
    /// Where the file is now.
    var path: String
    var reason: String

    /// Whether it still exists: a person removes it after reading the message.
    var isThere: Bool { KeptFile(path: path, content: content).exists }

    /// For the status.
    var description: String {
        "\(content) is lost and not in force: the file was broken (\(reason)) and is now \(path); apply it again "
            + "and remove that file"
    }
}
