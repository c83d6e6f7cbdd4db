// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOPosix
import RequestDecider
import Synchronization

/// Ends connections that HAProxy passes through unread and that a new policy wants to read or denies.
final class PassedSessions: Sendable {
    private let path: String
    private let decider: SharedDecider
    private let group: any EventLoopGroup
    private struct State {
        /// Looks to come. The second one finds what an answer from before the change has let through.
        var due = 0
        var isUnderWay = false
        /// Connections from before this program's start may be passed through, which ``RequestCounters/passedFlows``
        /// does not count.
        var mayHaveEarlier = true
    }
    private let state = Mutex(State())

    /// HAProxy's answers are read up to this size, for tens of thousands of sessions.
    private static let answerLimit = 64 << 20
    /// Between two looks, so that a quickly changing policy does not occupy HAProxy.
    private static let pause = Duration.milliseconds(100)
    /// In which HAProxy acts on an answer: SPOE's `timeout processing`.
    private static let answerTime = Duration.seconds(1)

    init(path: String, decider: SharedDecider, group: any EventLoopGroup) {
        (self.path, self.decider, self.group) = (path, decider, group)
    }

    /// Looks through the connections soon.
    func policyChanged() {
        let hasPassed = decider.facts.counters.passedFlows > 0
        let starts = state.withLock { state in
            guard hasPassed || state.mayHaveEarlier else { return false }
            state.due = 2
            defer { state.isUnderWay = true }
            return !state.isUnderWay
        }
        if starts { Task { await look() } }
    }

    private func look() async {
        while let left = nextLook() {
            do {
                let passed = PassedSession.read(try await ask("show sess all"))
                if passed.isEmpty, left == 0 { state.withLock { $0.mayHaveEarlier = false } }
                for session in passed where !decider.passes(session) {
                    _ = try await ask("shutdown session \(session.id)")
                }
            } catch {
                // Where HAProxy does not run, there are no connections.
                if decider.facts.counters.passedFlows > 0 {
                    Decide.say("\(path): \(error); connections that were passed may go on")
                }
            }
            try? await Task.sleep(for: left == 1 ? Self.answerTime : Self.pause)
        }
    }

    /// - Returns: How many looks come after this one; nil if this one is not due.
    private func nextLook() -> Int? {
        state.withLock { state in
            state.isUnderWay = state.due > 0
            guard state.due > 0 else { return nil }
            state.due -= 1
            return state.due
        }
    }

    private func ask(_ command: String) async throws -> String {
        let channel = try await ClientBootstrap(group: group).connect(unixDomainSocketPath: path) { channel in
            channel.eventLoop.makeCompletedFuture {
                try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
            }
        }
        return try await channel.executeThenClose { inbound, outbound in
            try await outbound.write(ByteBuffer(string: command + "\n"))
            var answer: [UInt8] = []
            for try await bytes in inbound {
                answer += bytes.readableBytesView
                if answer.count > Self.answerLimit { break }
            }
            return String(decoding: answer, as: UTF8.self)
        }
    }
}
