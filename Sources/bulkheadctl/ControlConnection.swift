// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// Connects to the daemon's socket, and says what to do if that fails.
enum ControlConnection {
    static func connect(_ path: String) async throws -> ControlClient.Connection {
        do {
            return try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connect(unixDomainSocketPath: path) { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHTTPClientHandlers()
                        return try ControlClient.Connection(wrappingChannelSynchronously: channel)
                    }
                }
        } catch let error as IOError {
            throw CommandFailure("no daemon answers on \(path): \(advice(error.errnoCode))")
        } catch is SocketAddressError {
            let limit = ControlDefaults.socketPathLimit
            throw CommandFailure("no daemon answers on \(path): the path of a socket has at most \(limit) bytes")
        }
    }

    /// The cause in words, and the next step.
    private static func advice(_ code: Int32) -> String {
        switch code {
        case ENOENT:
            "there is no such socket. Start bulkheadd, or name its socket with --socket or BULKHEAD_SOCKET"
        case EACCES, EPERM:
            "this user may not open the socket. Run bulkheadctl as root (sudo), or as the user that runs bulkheadd"
        case ECONNREFUSED:
            "the socket has no listener: bulkheadd has stopped. What it enforced stays in the kernel unless it was removed "
                + "there. Its log says why it stopped; start it again"
        case EAGAIN, ETIMEDOUT:
            "bulkheadd runs, but accepts no connection: it is busy or hangs. Try again, and look at its log"
        default: String(cString: strerror(code))
        }
    }
}

/// Closes a connection on which no answer begins in time.
final class AnswerDeadline: Sendable {
    private let expired = Mutex(false)
    private let timer = Mutex<Scheduled<Void>?>(nil)
    private let path: String
    private let seconds: Int

    init(_ channel: any Channel, _ path: String, seconds: Int) {
        self.path = path
        self.seconds = seconds
        let scheduled = channel.eventLoop.scheduleTask(in: .seconds(Int64(seconds))) { [weak self] in
            self?.expired.withLock { $0 = true }
            channel.close(promise: nil)
        }
        timer.withLock { $0 = scheduled }
    }

    /// The answer has begun, or is no longer needed.
    func cancel() { timer.withLock { $0?.cancel() } }

    /// The message if it did not begin in time.
    var failure: CommandFailure? {
        guard expired.withLock({ $0 }) else { return nil }
        return CommandFailure(
            "bulkheadd did not answer on \(path) within \(Words.count(seconds, "second")): it is busy or hangs. What it "
                + "enforces stays in the kernel. Look at its log, or wait longer with --timeout")
    }
}
