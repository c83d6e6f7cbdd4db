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
    }

    private let result = Mutex(Result())
    private let isStopping = Atomic<Bool>(false)
    private let thread = Mutex<pthread_t?>(nil)

    /// Starts to send from the calling thread's namespace.
    ///
    /// - Parameter patience: milliseconds until a flow without an answer is given up and the next begins.
    public init(to destination: IPAddress, port: UInt16, patience: Int) throws {
        let started = try NetThread.start { [self] in
            while !isStopping.load(ordering: .relaxed) {
                let isAnswered = Self.ask(destination, port, patience)
                result.withLock { result in
                    result.asked += 1
                    result.answered += isAnswered ? 1 : 0
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

    private static func ask(_ destination: IPAddress, _ port: UInt16, _ patience: Int) -> Bool {
        guard let socket = try? NetSocket(destination.family, SOCK_DGRAM), socket.connect(destination, port) == 0,
            socket.send(NetBytes.big(UInt64(1))) == 0, socket.wait(POLLIN, milliseconds: patience) != 0,
            case .bytes = socket.receive()
        else { return false }
        // Not faster than the machine has processors for.
        NetClock.sleep(milliseconds: 0.5)
        return true
    }
}
