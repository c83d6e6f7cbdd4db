// SPDX-License-Identifier: Apache-2.0
import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix
import RequestPolicy

/// A connection to the daemon as a client.
typealias DaemonConnection = NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart>

extension ClientBootstrap {
    /// Connects to the daemon's socket. A connection without a byte for this time is closed.
    static func daemon(
        _ path: String, silence: TimeAmount, _ group: any EventLoopGroup
    ) async throws -> DaemonConnection {
        try await ClientBootstrap(group: group).connect(unixDomainSocketPath: path) { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(IdleStateHandler(readTimeout: silence))
                try channel.pipeline.syncOperations.addHandler(CloseWhenIdle())
                try channel.pipeline.syncOperations.addHTTPClientHandlers()
                return try DaemonConnection(wrappingChannelSynchronously: channel)
            }
        }
    }
}

final class CloseWhenIdle: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is IdleStateHandler.IdleStateEvent {
            context.close(promise: nil)
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }
}

/// Follows the daemon's policy, and connects again whenever the connection ends.
struct Follower: Sendable {
    let path: String
    let decider: SharedDecider
    let file: PolicyFile
    let presence: ProxyPresence
    let group: any EventLoopGroup

    /// The daemon sends an empty line every five seconds.
    private static let silence = TimeAmount.seconds(15)
    private static let pause = Duration.milliseconds(200)

    private struct Refused: Error, CustomStringConvertible {
        let status: HTTPResponseStatus
        var description: String { "the daemon answers \(status.code)" }
    }

    func run(_ sessions: PassedSessions) async {
        var told = ""
        while !Task.isCancelled {
            do {
                try await followWhileProxyIsThere(sessions)
                told = ""
            } catch is CancellationError {
                return
            } catch {
                // The same cause is logged once.
                if "\(error)" != told { Decide.say(text(of: error)) }
                told = "\(error)"
            }
            try? await Task.sleep(for: Self.pause)
        }
    }

    private func text(of error: any Error) -> String {
        if error is ProxyPresence.Lost { return "\(error); until it does, bulkheadd refuses the flows that need it" }
        let rest = decider.policy == nil ? "no policy is known: everything is denied" : "the last policy stays in force"
        return "\(path), where bulkheadd serves: \(Self.reason(error)); \(rest)"
    }

    /// NIO's errors describe its own functions; people need the system's words.
    private static func reason(_ error: any Error) -> String {
        guard let code = (error as? IOError)?.errnoCode else { return "\(error)" }
        return String(cString: strerror(code))
    }

    private func followWhileProxyIsThere(_ sessions: PassedSessions) async throws {
        if presence.isLost {
            await presence.look()
            guard !presence.isLost else { return }
            Decide.say("HAProxy answers")
        }
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await follow(sessions) }
            tasks.addTask { try await presence.watch() }
            defer { tasks.cancelAll() }
            _ = try await tasks.next()
        }
    }

    private func follow(_ sessions: PassedSessions) async throws {
        let connection = try await ClientBootstrap.daemon(path, silence: Self.silence, group)
        try await connection.executeThenClose { inbound, outbound in
            let head = HTTPRequestHead(
                version: .http1_1, method: .GET, uri: "/v1/requests/follow", headers: ["Host": "localhost"])
            try await outbound.write(.head(head))
            try await outbound.write(.end(nil))
            var lines = RequestPolicyLines()
            for try await part in inbound {
                switch part {
                case .head(let head):
                    guard head.status == .ok else { throw Refused(status: head.status) }
                case .body(let bytes):
                    decider.heard()
                    guard try lines.read(bytes.readableBytesView), let policy = lines.reader.policy else { continue }
                    decider.take(policy)
                    sessions.policyChanged()
                    file.write(policy)
                case .end: return
                }
            }
        }
    }
}
