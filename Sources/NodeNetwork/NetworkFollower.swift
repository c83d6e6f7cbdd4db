// SPDX-License-Identifier: Apache-2.0
import CLinuxShim
import Glibc
import NetworkTypes
import PolledThread

/// Follows devices, addresses and routes of one network namespace on a dedicated thread.
///
/// The namespace is that of the thread that creates the follower.
public final class NetworkFollower: Sendable {
    /// Receives the whole state at the start and after each change, or the reason why it could not be read; after an
    /// error the follower retries every second. Called on the follower's thread, in order, never twice at once.
    public typealias Receiver = @Sendable (Result<NetworkState, NodeNetworkError>) -> Void

    private let thread: PolledThread

    /// Starts to follow.
    ///
    /// - Throws: ``NodeNetworkError/system(operation:code:)`` if no socket or thread is available.
    public init(_ receiver: @escaping Receiver) throws(NodeNetworkError) {
        let socket = try NetlinkSocket(groups: NetlinkSocket.changes)
        let loop = FollowLoop(socket: socket, receiver: receiver)
        do throws(PolledThreadError) {
            thread = try PolledThread { loop.run($0) }
        } catch {
            throw .system(operation: error.operation, code: error.code)
        }
    }

    /// Ends the thread and waits for it. Nothing is delivered afterward. Call this once, and not from the receiver.
    public func stop() { thread.stop() }

    /// The state of the calling thread's network namespace at this moment.
    ///
    /// - Throws: ``NodeNetworkError``.
    public static func snapshot() throws(NodeNetworkError) -> NetworkState { try NetlinkSocket.dump() }
}

/// The thread's own state: no other code uses it once the thread runs.
private final class FollowLoop {
    private let socket: NetlinkSocket
    private let receiver: NetworkFollower.Receiver
    private var state = NetworkState()
    private var delivered: NetworkState?
    private var isStale = true
    /// Whether the state may differ from what was delivered.
    private var hasNews = false
    private var inquiries = InquirySchedule()

    /// Changes are collected before they are delivered, up to this limit.
    private static let datagramsPerDelivery = 1024
    /// More than the socket's buffer holds.
    private static let datagramsPerDiscard = 1 << 17
    private static let retryMilliseconds: Int32 = 1000

    init(socket: consuming NetlinkSocket, receiver: @escaping NetworkFollower.Receiver) {
        self.socket = socket
        self.receiver = receiver
    }

    func run(_ waiter: PolledThread.Waiter) {
        var mustGoOn = true
        while mustGoOn {
            let failed = !step()
            // POLLERR means that notifications were lost; receiving then gives ENOBUFS.
            let pause = failed ? Self.retryMilliseconds : isStale ? 0 : inquiries.pause(at: .now)
            mustGoOn = waiter.wait(for: failed ? nil : socket.descriptor, milliseconds: pause)
        }
    }

    /// Reads what is waiting, dumps if that is not complete, and delivers changes. Returns false after a failure, to be
    /// retried later.
    private func step() -> Bool {
        do throws(NodeNetworkError) {
            if !isStale { try readChanges() }
            if isStale {
                try discardChanges()
                state = try NetlinkSocket.dump()
                isStale = false
                hasNews = true
                try readChanges()
            }
            if !isStale { try inquire() }
        } catch {
            isStale = true
            receiver(.failure(error))
            return false
        }
        // Still stale: this state may lack lost changes; the next step dumps again.
        guard !isStale, hasNews else { return true }
        hasNews = false
        guard state != delivered else { return true }
        delivered = state
        receiver(.success(state))
        return true
    }

    /// Queries what the kernel never reports, if it is due.
    private func inquire() throws(NodeNetworkError) {
        let due = inquiries.due(state, at: .now)
        if !due.links.isEmpty, try PeerInquiry.ask(&state, links: due.links) { hasNews = true }
        if due.bridges, try PeerInquiry.askBridges(&state) { hasNews = true }
        if due.ports {
            // If the ports cannot be queried, the known ones stay; everything else is still followed.
            let ports = (try? EncapsulationPorts.read()) ?? state.encapsulationPorts
            if ports != state.encapsulationPorts { hasNews = true }
            state.encapsulationPorts = ports
        }
    }

    private func readChanges() throws(NodeNetworkError) {
        for _ in 0..<Self.datagramsPerDelivery {
            guard !isStale, let messages = try receive() else { return }
            for message in messages {
                switch state.observe(message) {
                case .stale: isStale = true
                case .changed: hasNews = true
                case .unchanged: break
                }
            }
        }
    }

    /// After a loss, the waiting messages are older than the next dump. The end of a route may be among the lost ones;
    /// applying its beginning after the dump would keep the route forever.
    private func discardChanges() throws(NodeNetworkError) {
        for _ in 0..<Self.datagramsPerDiscard {
            guard try receive() != nil else { return }
        }
    }

    /// Nil if nothing waits. A loss makes the state stale and counts as no messages.
    private func receive() throws(NodeNetworkError) -> [NetworkMessage]? {
        do throws(NodeNetworkError) {
            return try socket.receive()
        } catch .system(_, code: ENOBUFS) {
            isStale = true
            return []
        }
    }
}
