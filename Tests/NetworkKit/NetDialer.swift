// SPDX-License-Identifier: Apache-2.0
import Glibc
import NetworkTypes
import Synchronization

/// Begins one UDP flow after the other, each with a source port of its own, and waits for the echo of its datagram:
/// every one is judged as the first packet of a flow.
public final class NetDialer: Sendable {
    public struct Result: Sendable, Hashable {
        public var asked = 0
        public var answered = 0
        /// What became of the first flows without an answer in time.
        public var failures: [String] = []
    }

    private static let failuresKept = 8

    private let result = Mutex(Result())
    private let isStopping = Atomic<Bool>(false)
    private let thread = Mutex<pthread_t?>(nil)

    /// Starts to send from the calling thread's namespace.
    ///
    /// - Parameter patience: milliseconds until a flow without an answer is given up and the next begins.
    public init(to destination: IPAddress, port: UInt16, patience: Int) throws {
        let started = try NetThread.start { [self] in
            while !isStopping.load(ordering: .relaxed) {
                let begun = NetClock.now
                let failure = Self.ask(destination, port, patience)
                result.withLock { result in
                    result.asked += 1
                    result.answered += failure == nil ? 1 : 0
                    if let failure, result.failures.count < Self.failuresKept {
                        result.failures.append("flow \(result.asked), begun at \(begun / 1000) µs: \(failure)")
                    }
                }
            }
        }
        thread.withLock { $0 = started }
    }

    /// Begins no more flows, and returns what became of all. Call once.
    public func stop() -> Result {
        isStopping.store(true, ordering: .relaxed)
        thread.withLock { thread in
            if let thread { pthread_join(thread, nil) }
        }
        return result.withLock { $0 }
    }

    /// Nil: answered in time.
    private static func ask(_ destination: IPAddress, _ port: UInt16, _ patience: Int) -> String? {
        guard let socket = try? NetSocket(destination.family, SOCK_DGRAM) else { return "no socket" }
        let connected = socket.connect(destination, port)
        guard connected == 0 else { return "connect: errno \(connected)" }
        let sent = socket.send(NetBytes.big(UInt64(1)))
        guard sent == 0 else { return "send: errno \(sent)" }
        guard socket.wait(POLLIN, milliseconds: patience) != 0 else { return "no answer in \(patience) ms" }
        guard case .bytes = socket.receive() else { return "refused" }
        // Not faster than the machine has processors for.
        NetClock.sleep(milliseconds: 0.5)
        return nil
    }
}
