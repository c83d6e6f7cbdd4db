// SPDX-License-Identifier: Apache-2.0
import Glibc
import NetworkKit
import NetworkTypes
import Synchronization

/// One kept-alive connection that asks for `/` again and again; it waits in the kernel and allocates nothing.
final class RequestClient {
    private let connection: NetConnection
    private let address: String
    private var buffer = [UInt8](repeating: 0, count: 4096)

    /// Connects from the calling thread's namespace.
    init(to address: IPAddress, port: UInt16) throws {
        connection = try NetConnection(to: address, port: port)
        self.address = "\(address):\(port)"
        let descriptor = connection.socket.descriptor
        // A call waits for the answer, not longer than this.
        guard fcntl(descriptor, F_SETFL, 0) == 0 else { throw NetError.system("fcntl", errno) }
        var limit = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    /// Asks once. The server's bodies, and the proxy's, are one line.
    ///
    /// - Returns: When it was sent, the nanoseconds until all of the answer was there, and its status.
    func ask(_ method: String) throws -> (sent: UInt64, nanoseconds: UInt64, status: Int) {
        let request = Array("\(method) / HTTP/1.1\r\nhost: \(address)\r\n\r\n".utf8)
        let sent = NetClock.now
        let code = connection.socket.send(request)
        guard code == 0 else { throw NetError.system("send a request", code) }
        var length = 0
        while !isWhole(length) {
            let count = buffer.withUnsafeMutableBytes { bytes in
                recv(connection.socket.descriptor, bytes.baseAddress! + length, bytes.count - length, 0)
            }
            guard count > 0 else { throw NetError.system("receive an answer", count < 0 ? errno : ECONNRESET) }
            length += count
        }
        let time = NetClock.now - sent
        let status = buffer[9..<12].reduce(0) { $0 * 10 + Int($1) - 0x30 }
        return (sent, time, status)
    }

    /// Whether this many bytes end with a line of a body, not with the empty one after the header.
    private func isWhole(_ length: Int) -> Bool {
        length > 12 && buffer[length - 1] == UInt8(ascii: "\n") && buffer[length - 2] != UInt8(ascii: "\r")
    }
}

/// Asks on one connection all the time, on a thread of its own, and notes each answer.
final class RequestHammer: Sendable {
    private struct State {
        var answers: [(sent: UInt64, status: Int)] = []
        var problem: String?
        var isStopped = false
    }
    private final class Record: Sendable {
        let state = Mutex(State())
    }
    private let record = Record()
    private let thread: pthread_t

    /// Takes the client for itself.
    init(_ client: RequestClient) throws {
        let record = record
        thread = try NetThread.start {
            while !record.state.withLock({ $0.isStopped }) {
                do {
                    let answer = try client.ask("GET")
                    record.state.withLock { $0.answers.append((answer.sent, answer.status)) }
                } catch {
                    record.state.withLock { $0.problem = "\(error)" }
                    return
                }
                usleep(200)
            }
        }
    }

    func stop() {
        let isFirst = record.state.withLock { state in
            defer { state.isStopped = true }
            return !state.isStopped
        }
        if isFirst { pthread_join(thread, nil) }
    }

    /// When the first request was sent from which on all have this status; waits for some of them.
    func firstAnswer(_ status: Int, since time: UInt64) throws -> UInt64 {
        var first: UInt64?
        try NetClock.wait("answers with status \(status)", seconds: 5) {
            try record.state.withLock { state in
                if let problem = state.problem { throw NetError.missing("an answer: \(problem)") }
                let answers = state.answers.drop { $0.sent < time }
                let others = answers.lastIndex { $0.status != status }
                let settled = others.map { answers[($0 + 1)...] } ?? answers
                guard settled.count >= 20 else { return }
                first = settled.first?.sent
            }
            return first != nil
        }
        guard let first else { throw NetError.missing("an answer with status \(status)") }
        record.state.withLock { $0.answers.removeAll() }
        return first
    }
}
