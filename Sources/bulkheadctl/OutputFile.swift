// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Files that a command writes as a whole.
enum OutputFile {
    /// Replaces the file, or leaves it as it is: a reader never finds half of it. What is not a regular file, such as
    /// a pipe, takes the bytes as they come.
    static func replace(_ path: String, with bytes: [UInt8]) throws(CommandFailure) {
        var facts = stat()
        let exists = stat(path, &facts) == 0
        // /dev/stdout may be a file that the shell appends to.
        if exists, isStandardOutput(facts) { return try write(bytes, to: STDOUT_FILENO, path) }
        guard !exists || facts.st_mode & S_IFMT == S_IFREG else {
            let descriptor = open(path, O_WRONLY | O_CLOEXEC)
            guard descriptor >= 0 else { throw failure(path) }
            defer { close(descriptor) }
            return try write(bytes, to: descriptor, path)
        }
        // A symbolic link stays one.
        let target = exists ? resolved(path) : path
        let temporary = "\(target).\(getpid()).new"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw failure(path) }
        defer { close(descriptor) }
        do throws(CommandFailure) {
            guard !exists || fchmod(descriptor, facts.st_mode & 0o777) == 0 else { throw failure(path) }
            try write(bytes, to: descriptor, path)
            guard rename(temporary, target) == 0 else { throw failure(path) }
        } catch {
            unlink(temporary)
            throw error
        }
    }

    private static func isStandardOutput(_ facts: stat) -> Bool {
        var output = stat()
        return fstat(STDOUT_FILENO, &output) == 0 && output.st_dev == facts.st_dev && output.st_ino == facts.st_ino
    }

    private static func resolved(_ path: String) -> String {
        guard let found = realpath(path, nil) else { return path }
        defer { free(found) }
        return String(cString: found)
    }

    private static func write(_ bytes: [UInt8], to descriptor: Int32, _ path: String) throws(CommandFailure) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw failure(path) }
            rest = rest.dropFirst(count)
        }
    }

    /// At once after the call that failed.
    private static func failure(_ path: String) -> CommandFailure {
        let code = errno
        return CommandFailure("cannot write \(path): \(String(cString: strerror(code)))")
    }
}
