// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Held while a process may change what is pinned in one bpffs: two daemons there would undo each other's work. The
/// kernel gives it back when the process ends, however it ends.
public struct DaemonLock: Sendable {
    private let descriptor: Int32

    /// - Throws: ``DaemonLockError`` where another process holds it or the directory cannot be opened.
    public init(bpffs: String) throws(DaemonLockError) {
        descriptor = open(bpffs, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .notOpened(bpffs, errno) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            close(descriptor)
            throw code == EWOULDBLOCK ? .held(bpffs) : .notOpened(bpffs, code)
        }
    }

    public func release() { close(descriptor) }
}

/// Why the lock is not had.
public enum DaemonLockError: Error, CustomStringConvertible {
    case held(String)
    case notOpened(String, Int32)

    public var description: String {
        switch self {
        case .held(let bpffs): "another bulkheadd works on \(bpffs): stop it first, or choose another --bpffs"
        case .notOpened(let bpffs, let code): "\(bpffs) cannot be opened: \(String(cString: strerror(code)))"
        }
    }
}
