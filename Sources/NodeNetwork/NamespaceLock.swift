// SPDX-License-Identifier: Apache-2.0
import CLinuxShim
import Glibc

/// The lock of the one process that programs the kernel of a network namespace, whatever its datapath: a second process
/// would remove what the first enforces.
///
/// The lock is a unix socket with an abstract name, which belongs to the network namespace and disappears with its
/// process.
public final class NamespaceLock: Sendable {
    /// Why the lock is not held although no other bulkheadd has it; nil if it is held.
    public let problem: String?
    private let descriptor: Int32

    private static let name = Array("bulkhead".utf8)
    /// A predecessor that has just ended may hold the lock for a moment: a process that it was starting has a copy of
    /// the descriptor until it executes its program.
    private static let attempts = 100
    private static let pause: UInt32 = 10_000

    /// Acquires the lock of the calling thread's network namespace.
    ///
    /// - Throws: ``NamespaceLockError/held(by:)`` if another process has it.
    public init() throws(NamespaceLockError) {
        var attempt = 1
        while true {
            let socket = try Self.open()
            if Self.call(bind, socket) == 0 {
                guard listen(socket, SOMAXCONN) == 0 else { throw Self.failure("listen on", socket) }
                (descriptor, problem) = (socket, nil)
                return
            }
            guard errno == EADDRINUSE else { throw Self.failure("bind", socket) }
            close(socket)
            guard let holder = try Self.holder() else {
                (descriptor, problem) = (-1, "its name, @bulkhead, is taken by a process that is not ours")
                return
            }
            guard attempt < Self.attempts else { throw .held(by: holder) }
            attempt += 1
            usleep(Self.pause)
        }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// The process that listens, if its user is root or this process's user. Any other user could take the name to lock
    /// bulkheadd out.
    private static func holder() throws(NamespaceLockError) -> Int32? {
        let socket = try open()
        defer { close(socket) }
        guard call(connect, socket) == 0 else { return nil }
        var peer = bh_peer()
        var size = socklen_t(MemoryLayout<bh_peer>.size)
        guard getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 else { return nil }
        return peer.user == 0 || peer.user == geteuid() ? peer.process : nil
    }

    private static func open() throws(NamespaceLockError) -> Int32 {
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let opened = socket(AF_UNIX, type, 0)
        guard opened >= 0 else { throw .system(operation: "open a unix socket", code: errno) }
        return opened
    }

    private static func call(
        _ function: (Int32, UnsafePointer<sockaddr>, socklen_t) -> Int32, _ socket: Int32
    ) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        // A name that begins with a zero byte is not in any file system.
        withUnsafeMutableBytes(of: &address.sun_path) { $0[1...].copyBytes(from: name) }
        let size = MemoryLayout<sockaddr_un>.offset(of: \.sun_path)! + 1 + name.count
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { function(socket, $0, socklen_t(size)) }
        }
    }

    private static func failure(_ operation: String, _ socket: Int32) -> NamespaceLockError {
        let code = errno
        close(socket)
        return .system(operation: "\(operation) the lock of the network namespace", code: code)
    }
}

/// Why the kernel of this network namespace may not be programmed.
public enum NamespaceLockError: Error, Sendable, Hashable, CustomStringConvertible {
    /// A process holds it; 0 for a process that is not visible to this one.
    case held(by: Int32)
    case system(operation: String, code: Int32)

    public var description: String {
        switch self {
        case .held(let process):
            "another bulkheadd (\(process == 0 ? "in another PID namespace" : "pid \(process)")) enforces in this network "
                + "namespace; stop it first"
        case .system(let operation, let code): "\(operation): \(String(cString: strerror(code)))"
        }
    }
}
