// SPDX-License-Identifier: Apache-2.0
import Glibc
import NetworkTypes

/// A TCP connection as a client has it, which sends any bytes. For one thread at a time.
public final class NetConnection {
    public let socket: NetSocket
    /// What has arrived and was not taken yet.
    public private(set) var received: [UInt8] = []
    /// The server sends no more.
    public private(set) var isEnded = false
    /// The connection was refused or reset.
    public private(set) var isReset = false

    /// Connects from the calling thread's namespace.
    ///
    /// - Throws: When the connection is not there in time. One that is refused is ``isReset``.
    public init(
        to destination: IPAddress, port: UInt16, from source: (IPAddress, UInt16)? = nil, seconds: Double = 10
    ) throws {
        socket = try NetSocket(destination.family, SOCK_STREAM)
        if let source { try socket.bind(source.0, source.1) }
        let code = socket.connect(destination, port)
        if code == EINPROGRESS {
            guard socket.wait(POLLOUT, milliseconds: Int(seconds * 1000)) != 0 else {
                throw NetError.timeout("a connection to \(destination) \(port)")
            }
        }
        let failure = code == EINPROGRESS ? socket.pendingError : code
        if failure != 0 {
            guard [ECONNREFUSED, ECONNRESET].contains(failure) else {
                throw NetError.system("connect to \(destination) \(port)", failure)
            }
            (isEnded, isReset) = (true, true)
        }
        socket.setOption(Int32(IPPROTO_TCP), TCP_NODELAY, 1)
    }

    /// Sends bytes. What a connection that has ended does not take is lost, as it is with an honest client.
    public func send(_ bytes: [UInt8]) throws {
        do {
            try socket.sendAll(bytes)
        } catch NetError.system(_, let code) where [EPIPE, ECONNRESET, ECONNREFUSED].contains(code) {
            // What came before the end can still be read.
        }
    }

    /// Sends text whose characters are bytes.
    public func send(_ text: String) throws { try send(text.latin1) }

    /// Sends no more.
    public func shutDown() { shutdown(socket.descriptor, Int32(SHUT_WR)) }

    /// Takes in what is there, and waits for at most this long until something is.
    ///
    /// - Returns: Whether something came: bytes or the end.
    @discardableResult public func read(milliseconds: Int) -> Bool {
        guard !isEnded, socket.wait(POLLIN, milliseconds: milliseconds) != 0 else { return false }
        switch socket.receive() {
        case .nothing: return false
        case .failed: (isEnded, isReset) = (true, true)
        case .bytes(let bytes, _, _):
            received += bytes
            isEnded = bytes.isEmpty
        }
        return true
    }

    /// Reads until the condition is true, or the connection ends.
    ///
    /// - Throws: When the time is over before that.
    public func read(_ what: String, seconds: Double = 20, until condition: (NetConnection) throws -> Bool) throws {
        let end = NetClock.now + UInt64(seconds * 1e9)
        while try !condition(self), !isEnded {
            guard NetClock.now < end else {
                throw NetError.timeout("\(what); there is: \(String(latin1: received.prefix(500)))")
            }
            read(milliseconds: 100)
        }
    }

    /// Reads to the end of the connection.
    public func readToEnd(seconds: Double = 20) throws {
        try read("the connection's end", seconds: seconds) { _ in false }
    }

    /// Takes the next response; nil: the connection ends before.
    ///
    /// - Parameter isBodyless: Whether it answers `HEAD`.
    public func response(isBodyless: Bool = false, seconds: Double = 20) throws -> NetHTTPMessage? {
        var message: NetHTTPMessage?
        try read("a response", seconds: seconds) { _ in
            message = take(isBodyless)
            return message != nil
        }
        return message ?? take(isBodyless)
    }

    private func take(_ isBodyless: Bool) -> NetHTTPMessage? {
        NetHTTPMessage(of: &received, isRequest: false, isBodyless: isBodyless, isEnd: isEnded)
    }

    /// Takes so many bytes from what has arrived.
    public func take(_ count: Int) -> [UInt8] {
        defer { received.removeFirst(min(count, received.count)) }
        return Array(received.prefix(count))
    }
}
