// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import Glibc

/// The file of one of the daemon's sockets.
public struct SocketFile: Sendable {
    public let path: String

    /// - Throws: ``SocketFileError/pathTooLong`` if the system could not bind it.
    public init(path: String) throws(SocketFileError) {
        guard !path.isEmpty, path.utf8.count <= ControlDefaults.socketPathLimit else { throw .pathTooLong(path) }
        self.path = path
    }

    /// Prepares the path: creates the directory, removes a socket without a listener.
    ///
    /// - Throws: ``SocketFileError`` if the socket has a listener, or the file is not a socket.
    public func prepare() throws(SocketFileError) {
        try makeDirectory()
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFSOCK else { throw .notASocket(path) }
        if isAnswered() { throw .inUse(path) }
        guard unlink(path) == 0 || errno == ENOENT else { throw .system("remove \(path)", errno) }
    }

    /// Lets in whom the mode allows.
    public func restrict(to mode: mode_t = 0o600) throws(SocketFileError) {
        guard chmod(path, mode) == 0 else { throw .system("chmod \(path)", errno) }
    }

    /// Whether the socket has a listener.
    public func isAnswered() -> Bool {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
    }

    private func makeDirectory() throws(SocketFileError) {
        guard let directory else { return }
        guard mkdir(directory, 0o755) == 0 || errno == EEXIST else { throw .system("make \(directory)", errno) }
    }

    /// Lets every user pass through the directory, whatever the process's mask: for a socket that has one of its own.
    public func openDirectory() throws(SocketFileError) {
        guard let directory else { return }
        guard chmod(directory, 0o755) == 0 else { throw .system("chmod \(directory)", errno) }
    }

    private var directory: String? {
        guard let slash = path.lastIndex(of: "/"), slash > path.startIndex else { return nil }
        return String(path[..<slash])
    }
}

/// Why the control socket is not available.
public enum SocketFileError: Error, CustomStringConvertible {
    case pathTooLong(String)
    case notASocket(String)
    case inUse(String)
    case system(String, Int32)

    public var description: String {
        switch self {
        case .pathTooLong(let path):
            "socket path '\(path)' must have 1 to \(ControlDefaults.socketPathLimit) bytes"
        case .notASocket(let path): "\(path) exists and is not a socket: choose another --socket or remove it"
        case .inUse(let path): "another daemon listens on \(path): stop it first, or choose another --socket"
        case .system(let what, let code): "cannot \(what): \(String(cString: strerror(code)))"
        }
    }
}
