// SPDX-License-Identifier: Apache-2.0
import Glibc
import NIOCore
import NIOPosix
import Synchronization

/// Whether HAProxy is there: it accepts connections on its own socket.
///
/// The daemon takes a decider that follows it for a proxy that serves. So the decider does not follow while HAProxy is
/// away; the daemon then refuses the flows that need it, and says so.
final class ProxyPresence: Sendable {
    private struct State {
        /// Looks without an answer since the last one with an answer.
        var failures = 0
        /// Whether a failure counts: HAProxy has made its socket, or has had the time to start.
        var isExpected = false
    }

    private let path: String
    private let decider: SharedDecider
    private let group: any EventLoopGroup
    private let state = Mutex(State())
    private let start = ContinuousClock.now

    /// In which HAProxy starts.
    private static let startTime = Duration.seconds(60)
    private static let interval = Duration.seconds(1)
    /// Looks in a row that must fail.
    private static let failureLimit = 2

    init(path: String, decider: SharedDecider, group: any EventLoopGroup) {
        (self.path, self.decider, self.group) = (path, decider, group)
    }

    var isLost: Bool { state.withLock { $0.isExpected && $0.failures >= Self.failureLimit } }

    /// Looks once a second until HAProxy is away.
    ///
    /// - Throws: ``Lost``, or `CancellationError`.
    func watch() async throws {
        while true {
            await look()
            if isLost { throw Lost(path: path) }
            try await Task.sleep(for: Self.interval)
        }
    }

    func look() async {
        let answers = await isAnswered()
        let isDue = access(path, F_OK) == 0 || ContinuousClock.now - start > Self.startTime
        state.withLock { state in
            state.failures = answers ? 0 : state.failures + 1
            state.isExpected = state.isExpected || isDue
        }
        decider.proxy(isLost: isLost)
    }

    private func isAnswered() async -> Bool {
        guard let channel = try? await ClientBootstrap(group: group).connect(unixDomainSocketPath: path).get() else {
            return false
        }
        try? await channel.close()
        return true
    }

    struct Lost: Error, CustomStringConvertible {
        let path: String
        var description: String { "HAProxy does not answer on \(path)" }
    }
}
