// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import Glibc
import HummingbirdCore
import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle

/// Serves the control socket until it must stop.
public struct ControlServer: Service {
    private let file: SocketFile
    private let backend: any ControlBackend
    private let scope: SocketScope
    private let bodyLimit: Int
    private let limits: ListenerLimits
    private let logger: Logger
    private let onReady: @Sendable () async -> Void

    /// - Parameters:
    ///   - scope: what it serves, and whom.
    ///   - onReady: runs once connections are accepted.
    public init(
        file: SocketFile, backend: any ControlBackend, scope: SocketScope = .control, logger: Logger,
        bodyLimit: Int = ControlDefaults.bodyLimit, limits: ListenerLimits = .control,
        onReady: @escaping @Sendable () async -> Void = {}
    ) {
        self.file = file
        self.backend = backend
        self.scope = scope
        self.bodyLimit = bodyLimit
        self.limits = limits
        self.logger = logger
        self.onReady = onReady
    }

    public func run() async throws {
        try file.prepare()
        let gate = ConnectionGate(limits, listener: file.path, logger: logger)
        let bodies = try BodyReader(limit: bodyLimit)
        defer { bodies.stop() }
        let responder = ControlResponder(
            backend: backend, scope: scope, bodies: bodies, gate: gate, logger: logger)
        let server = try gate.http().buildServer(
            configuration: .init(address: .unixDomainSocket(path: file.path)),
            eventLoopGroup: .singletonMultiThreadedEventLoopGroup, logger: logger.quietForServer,
            responder: { request, writer, channel in
                defer { gate.answered(channel) }
                let response = await responder.respond(to: request, channel: channel)
                try await writer.write(response: response.head, body: response.body)
            },
            onServerRunning: { [file, scope, logger, onReady] channel in
                await gate.watch(channel)
                do {
                    if scope.fileMode != 0o600 { try file.openDirectory() }
                    try file.restrict(to: scope.fileMode)
                } catch {
                    logger.error("control socket", metadata: ["error": "\(error)"])
                }
                await onReady()
            })
        defer { unlink(file.path) }
        try await server.run()
    }
}

extension ConnectionGate {
    /// An HTTP server behind this gate.
    func http() -> HTTPServerBuilder {
        .http1(
            configuration: .init(
                additionalChannelHandlers: [ConnectionGuard(self)], httpDecoderConfiguration: ListenerLimits.head))
    }

    /// - Parameter channel: the listener's, which accepts connections.
    func watch(_ channel: any Channel) async {
        let added = channel.eventLoop.submit { [listener, logger] in
            try channel.pipeline.syncOperations.addHandler(
                AcceptPause(listener: listener, logger: logger), position: .first)
        }
        // Without an event loop there is no listener.
        try? await added.get()
    }
}

extension Logger {
    /// For an HTTP server, which logs each start and stop at a level of its own.
    var quietForServer: Logger {
        var logger = self
        if logger.logLevel > .debug { logger.logLevel = max(logger.logLevel, .warning) }
        return logger
    }
}
