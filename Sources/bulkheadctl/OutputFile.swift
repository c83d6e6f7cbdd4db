// SPDX-License-Identifier: Apache-2.0
import Glibc
import WholeFiles

/// Files that a command writes as a whole.
enum OutputFile {
    /// Replaces the file, or leaves it as it is: a reader never finds half of it. It keeps its mode, and, if root writes,
    /// its owner. What is not a regular file, such as a pipe, takes the bytes as they come.
    static func replace(_ path: String, with bytes: [UInt8]) throws(CommandFailure) {
        var facts = stat()
        let exists = stat(path, &facts) == 0
        // /dev/stdout may be a file that the shell appends to.
        if exists, isStandardOutput(facts) { return try write(bytes, to: STDOUT_FILENO, path) }
        guard !exists || facts.st_mode & S_IFMT == S_IFREG else {
            let descriptor = open(path, O_WRONLY | O_CLOEXEC)
            guard descriptor >= 0 else { throw failure(path, errno) }
            defer { close(descriptor) }
            return try write(bytes, to: descriptor, path)
        }
        // A symbolic link stays one.
        let target = exists ? resolved(path) : path
        do {
            try WholeFile.replace(
                target, with: bytes, mode: exists ? facts.st_mode & 0o777 : nil,
                owner: exists ? (facts.st_uid, facts.st_gid) : nil, temporary: "\(target).\(getpid()).new")
        } catch {
            throw failure(path, error.errorNumber)
        }
    }

    /// Writes a file that must not exist yet, and that only this user may read.
    static func create(_ path: String, with bytes: [UInt8]) throws(CommandFailure) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failure(path, errno) }
        defer { close(descriptor) }
        do throws(CommandFailure) {
            try write(bytes, to: descriptor, path)
        } catch {
            unlink(path)
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
        let number = WholeFile.write(bytes, to: descriptor)
        guard number == 0 else { throw failure(path, number) }
    }

    private static func failure(_ path: String, _ number: Int32) -> CommandFailure {
        CommandFailure("cannot write \(path): \(String(cString: strerror(number)))")
    }
}
