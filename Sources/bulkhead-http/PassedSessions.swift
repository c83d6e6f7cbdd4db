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
        var isDue = false
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

    init(path: String, decider: SharedDecider, group: any EventLoopGroup) {
        (self.path, self.decider, self.group) = (path, decider, group)
    }

    /// Looks through the connections soon.
    func policyChanged() {
        let hasPassed = decider.facts.counters.passedFlows > 0
        let starts = state.withLock { state in
            guard hasPassed || state.mayHaveEarlier else { return false }
            state.isDue = true
            defer { state.isUnderWay = true }
            return !state.isUnderWay
        }
        if starts { Task { await look() } }
    }

    private func look() async {
        while state.withLock({ state in
            defer { (state.isDue, state.isUnderWay) = (false, state.isDue) }
            return state.isDue
        }) {
            do {
                let passed = PassedSession.read(try await ask("show sess all"))
                if passed.isEmpty { state.withLock { $0.mayHaveEarlier = false } }
                for session in passed where !decider.passes(session) {
                    _ = try await ask("shutdown session \(session.id)")
                }
            } catch {
                // Where HAProxy does not run, there are no connections.
                if decider.facts.counters.passedFlows > 0 {
                    Decide.say("\(path): \(error); connections that were passed may go on")
                }
            }
            try? await Task.sleep(for: Self.pause)
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
