// SPDX-License-Identifier: Apache-2.0
import Glibc
import NetworkTypes

/// A socket of the network namespace that its opener was in. It never blocks; ``wait(_:milliseconds:)`` does.
public final class NetSocket: Sendable {
    public let descriptor: Int32

    /// Opens a socket; `ipProtocol` matters for `SOCK_RAW`.
    public init(_ family: AddressFamily, _ type: __socket_type, ipProtocol: Int32 = 0) throws {
        let domain = family == .ipv4 ? AF_INET : AF_INET6
        let flags = Int32(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        descriptor = socket(domain, Int32(type.rawValue) | flags, ipProtocol)
        guard descriptor >= 0 else { throw NetError.system("socket", errno) }
        // Bursts are to be judged by policy, not to be lost for want of room.
        setOption(SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
        if family == .ipv6 { setOption(Int32(IPPROTO_IPV6), IPV6_V6ONLY, 1) }
    }

    private init(accepted: Int32) { descriptor = accepted }

    /// Whether a server listens at the path.
    static func isServed(_ path: String) -> Bool {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        guard path.utf8.count < MemoryLayout.size(ofValue: address.sun_path) else { return false }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        return withUnsafePointer(to: address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
    }

    deinit { close(descriptor) }

    public func setOption(_ level: Int32, _ name: Int32, _ value: Int32) {
        var value = value
        setsockopt(descriptor, level, name, &value, socklen_t(MemoryLayout<Int32>.size))
    }

    public func bind(_ address: IPAddress, _ port: UInt16) throws {
        setOption(SOL_SOCKET, SO_REUSEADDR, 1)
        guard withSocketAddress(address, port, { Glibc.bind(descriptor, $0, $1) }) == 0 else {
            throw NetError.system("bind \(address) \(port)", errno)
        }
    }

    public func listen() throws {
        guard Glibc.listen(descriptor, 1024) == 0 else { throw NetError.system("listen", errno) }
    }

    public func accept() -> (connection: NetSocket, peer: IPAddress)? {
        var storage = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let accepted = withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.accept(descriptor, $0, &size) }
        }
        guard accepted >= 0 else { return nil }
        _ = fcntl(accepted, F_SETFL, O_NONBLOCK)
        _ = fcntl(accepted, F_SETFD, FD_CLOEXEC)
        return (NetSocket(accepted: accepted), Self.address(of: storage).0)
    }

    /// Returns 0 or errno; EINPROGRESS while a TCP connection is being made.
    public func connect(_ address: IPAddress, _ port: UInt16) -> Int32 {
        withSocketAddress(address, port) { Glibc.connect(descriptor, $0, $1) } == 0 ? 0 : errno
    }

    /// Returns 0 or errno. Without an address: to whom it is connected.
    @discardableResult
    public func send(_ bytes: [UInt8], to address: IPAddress? = nil, _ port: UInt16 = 0) -> Int32 {
        let flags = Int32(MSG_NOSIGNAL)
        guard let address else { return Glibc.send(descriptor, bytes, bytes.count, flags) < 0 ? errno : 0 }
        let sent = withSocketAddress(address, port) { sendto(descriptor, bytes, bytes.count, flags, $0, $1) }
        return sent < 0 ? errno : 0
    }

    public enum Received {
        case bytes([UInt8], from: IPAddress, port: UInt16)
        case nothing
        case failed(Int32)
    }

    /// What is there now. An empty datagram and a connection's end are both no bytes.
    public func receive() -> Received {
        var storage = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        var failure: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: 65536) { buffer, count in
            let length = withUnsafeMutablePointer(to: &storage) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    recvfrom(descriptor, buffer.baseAddress, buffer.count, 0, $0, &size)
                }
            }
            failure = length < 0 ? errno : 0
            count = max(length, 0)
        }
        if failure == EAGAIN { return .nothing }
        if failure != 0 { return .failed(failure) }
        let (address, port) = Self.address(of: storage)
        return .bytes(bytes, from: address, port: port)
    }

    /// Takes one datagram, or a little of a connection's data, and forgets it; false when nothing is there.
    public func discard() -> Bool {
        withUnsafeTemporaryAllocation(byteCount: 64, alignment: 1) { buffer in
            recv(descriptor, buffer.baseAddress, buffer.count, 0) > 0
        }
    }

    /// Waits until it is ready for `events` (POLLIN, POLLOUT) or the time is over; returns what it is ready for.
    public func wait(_ events: Int32, milliseconds: Int) -> Int32 {
        var waiting = pollfd(fd: descriptor, events: Int16(events), revents: 0)
        return poll(&waiting, 1, Int32(max(milliseconds, 0))) > 0 ? Int32(waiting.revents) : 0
    }

    /// The error that is pending on the socket, which this clears; 0: none.
    public var pendingError: Int32 {
        var code: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &size)
        return code
    }

    /// The socket's own port.
    public var localPort: UInt16 {
        var storage = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        _ = withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &size) }
        }
        return Self.address(of: storage).1
    }

    private static func address(of storage: sockaddr_storage) -> (IPAddress, UInt16) {
        withUnsafeBytes(of: storage) { bytes in
            if storage.ss_family == sa_family_t(AF_INET6) {
                let address = bytes.load(as: sockaddr_in6.self)
                return (NetBytes.address(bytes[8..<24]), UInt16(bigEndian: address.sin6_port))
            }
            let address = bytes.load(as: sockaddr_in.self)
            return (IPAddress(v4: UInt32(bigEndian: address.sin_addr.s_addr)), UInt16(bigEndian: address.sin_port))
        }
    }

    private func withSocketAddress<Value>(
        _ address: IPAddress, _ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Value
    ) -> Value {
        // family (host order), port (network order), then for IPv6 flow information before the address.
        let family = UInt16(address.family == .ipv4 ? AF_INET : AF_INET6)
        var bytes = withUnsafeBytes(of: family) { Array($0) } + NetBytes.big(port)
        bytes += address.family == .ipv4 ? [] : [0, 0, 0, 0]
        bytes += NetBytes.of(address)
        bytes += [UInt8](repeating: 0, count: address.family == .ipv4 ? 8 : 4)
        return bytes.withUnsafeBytes { raw in
            raw.withMemoryRebound(to: sockaddr.self) { body($0.baseAddress!, socklen_t(raw.count)) }
        }
    }
}
