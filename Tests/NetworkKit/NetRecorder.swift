// SPDX-License-Identifier: Apache-2.0
import Glibc
import NetworkTypes
import Synchronization

/// What a ``NetRecorder`` answers on one connection. It sees the bytes in the pieces in which they arrive.
public protocol NetAnswerer: Sendable {
    /// - Returns: What to send; nil: close the connection.
    mutating func answer(_ bytes: [UInt8]) -> [UInt8]?
    /// The client sends no more.
    ///
    /// - Returns: What to send while the other direction stays open; nil: close the connection.
    mutating func answerEnd() -> [UInt8]?
}

extension NetAnswerer {
    public mutating func answerEnd() -> [UInt8]? { nil }
}

/// A TCP server that keeps every byte that it receives, on a thread of its own, in the namespace that its maker was in.
public final class NetRecorder: Sendable {
    /// One client's connection.
    public struct Connection: Sendable {
        /// Counts from 0, in order of arrival.
        public let number: Int
        public let peer: IPAddress
        public internal(set) var bytes: [UInt8] = []
        /// The client sends no more: it has closed its direction, or the connection is reset.
        public internal(set) var isEnded = false

        /// ``bytes`` as text.
        public var text: String { String(decoding: bytes, as: UTF8.self) }
    }

    private let record = Record()
    private let thread: pthread_t

    /// Listens at each of `addresses` at once.
    ///
    /// - Parameter answerer: makes what answers a new connection.
    public init(
        at addresses: [IPAddress], port: UInt16,
        answerer: @escaping @Sendable () -> any NetAnswerer = { NetWebAnswerer() }
    ) throws {
        let listeners = try addresses.map { address in
            let socket = try NetSocket(address.family, SOCK_STREAM)
            try socket.bind(address, port)
            try socket.listen()
            return socket
        }
        let loop = Loop(listeners, record, answerer)
        thread = try NetThread.start { loop.run() }
    }

    /// The connections so far, with what each has received.
    public var connections: [Connection] { record.connections.withLock { $0 } }

    /// All bytes so far, of all connections.
    public var byteCount: Int { record.connections.withLock { $0.reduce(0) { $0 + $1.bytes.count } } }

    /// Forgets the bytes so far, but neither connections nor their numbers.
    public func forget() {
        record.connections.withLock { connections in
            for index in connections.indices { connections[index].bytes = [] }
        }
    }

    /// Sends something that no answerer sends, such as a piece of a long stream.
    public func send(_ bytes: [UInt8], on connection: Int) throws {
        try record.sockets.withLock({ $0[connection] })?.sendAll(bytes)
    }

    /// Ends what the server sends on a connection, which goes on receiving.
    public func shutDown(_ connection: Int) {
        if let socket = record.sockets.withLock({ $0[connection] }) { shutdown(socket.descriptor, Int32(SHUT_WR)) }
    }

    /// Ends the thread and closes the sockets. Call once.
    public func stop() {
        record.isStopping.store(true, ordering: .relaxed)
        pthread_join(thread, nil)
        record.sockets.withLock { $0 = [:] }
    }

    fileprivate final class Record: Sendable {
        let connections = Mutex<[Connection]>([])
        /// The open ones, by number.
        let sockets = Mutex<[Int: NetSocket]>([:])
        let isStopping = Atomic<Bool>(false)
    }

    /// The thread's own.
    private final class Loop {
        private let listeners: [NetSocket]
        private let record: Record
        private let makeAnswerer: @Sendable () -> any NetAnswerer
        private var open: [(number: Int, socket: NetSocket, answerer: any NetAnswerer)] = []

        init(_ listeners: [NetSocket], _ record: Record, _ answerer: @escaping @Sendable () -> any NetAnswerer) {
            (self.listeners, self.record, makeAnswerer) = (listeners, record, answerer)
        }

        func run() {
            while !record.isStopping.load(ordering: .relaxed) {
                let sockets = listeners + open.map(\.socket)
                var waiting = sockets.map { pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0) }
                guard poll(&waiting, nfds_t(waiting.count), 20) > 0 else { continue }
                let ready = waiting.indices.filter { waiting[$0].revents != 0 }
                for index in ready.reversed() where index >= listeners.count { serve(index - listeners.count) }
                for index in ready where index < listeners.count { accept(listeners[index]) }
            }
        }

        private func accept(_ listener: NetSocket) {
            while let (socket, peer) = listener.accept() {
                socket.setOption(Int32(IPPROTO_TCP), TCP_NODELAY, 1)
                let number = record.connections.withLock { connections in
                    connections.append(Connection(number: connections.count, peer: peer))
                    return connections.count - 1
                }
                record.sockets.withLock { $0[number] = socket }
                open.append((number, socket, makeAnswerer()))
            }
        }

        /// Takes what is there on a connection.
        private func serve(_ index: Int) {
            let (number, socket, _) = open[index]
            while true {
                var answer: [UInt8]?
                var isEnd = true
                switch socket.receive() {
                case .nothing: return
                case .failed: break
                case .bytes(let bytes, _, _):
                    isEnd = bytes.isEmpty
                    record.connections.withLock { $0[number].bytes += bytes }
                    answer = isEnd ? open[index].answerer.answerEnd() : open[index].answerer.answer(bytes)
                }
                if isEnd { record.connections.withLock { $0[number].isEnded = true } }
                let isSent = answer.map { (try? socket.sendAll($0)) != nil } ?? false
                if !isSent { record.sockets.withLock { _ = $0.removeValue(forKey: number) } }
                if isEnd || !isSent {
                    // One that only sends from now on stays among the record's sockets.
                    open.remove(at: index)
                    return
                }
            }
        }
    }
}

extension NetSocket {
    /// Sends all of the bytes, however slowly the other side takes them.
    public func sendAll(_ bytes: [UInt8], seconds: Double = 20) throws {
        let end = NetClock.now + UInt64(seconds * 1e9)
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            if count < 0, errno != EAGAIN, errno != EINTR { throw NetError.system("send", errno) }
            rest = rest.dropFirst(max(count, 0))
            guard NetClock.now < end else { throw NetError.timeout("to send \(bytes.count) bytes") }
            if !rest.isEmpty { _ = wait(POLLOUT, milliseconds: 100) }
        }
    }
}
