// SPDX-License-Identifier: Apache-2.0
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
                try await follow(sessions)
                told = ""
            } catch is CancellationError {
                return
            } catch {
                // The same cause is logged once.
                if "\(error)" != told { Decide.say("\(path): \(error); the last policy stays in force") }
                told = "\(error)"
            }
            try? await Task.sleep(for: Self.pause)
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
