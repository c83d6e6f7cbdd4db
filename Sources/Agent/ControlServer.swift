// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import Glibc
import HummingbirdCore
import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle

/// Serves the control socket until it is told to stop.
public struct ControlServer: Service {
    /// Seconds that a connection may take over sending a request, or sit without one.
    private static let idleSeconds: Int64 = 30

    private let file: SocketFile
    private let responder: ControlResponder
    private let logger: Logger
    private let onReady: @Sendable () async -> Void

    /// - Parameter onReady: runs once connections are taken.
    public init(
        file: SocketFile, backend: any ControlBackend, logger: Logger,
        bodyLimit: Int = ControlDefaults.bodyLimit, onReady: @escaping @Sendable () async -> Void = {}
    ) {
        self.file = file
        responder = ControlResponder(backend: backend, peers: PeerRule(), bodyLimit: bodyLimit, logger: logger)
        self.logger = logger
        self.onReady = onReady
    }

    public func run() async throws {
        try file.prepare()
        let server = try HTTPServerBuilder.http1(
            configuration: .init(idleTimeout: .seconds(Self.idleSeconds))
        )
        .buildServer(
            configuration: .init(address: .unixDomainSocket(path: file.path)),
            eventLoopGroup: .singletonMultiThreadedEventLoopGroup, logger: logger.quietForServer, responder: respond,
            onServerRunning: { [file, logger, onReady] _ in
                do {
                    try file.restrict()
                } catch {
                    logger.error("control socket", metadata: ["error": "\(error)"])
                }
                await onReady()
            })
        defer { unlink(file.path) }
        try await server.run()
    }

    private func respond(
        to request: Request, writer: consuming ResponseWriter, channel: any Channel
    ) async throws {
        let response = await responder.respond(to: request, channel: channel)
        try await writer.write(response: response.head, body: response.body)
    }
}

extension Logger {
    /// For an HTTP server, which tells of each start and stop at a level that is ours to use.
    var quietForServer: Logger {
        var logger = self
        if logger.logLevel > .debug { logger.logLevel = max(logger.logLevel, .warning) }
        return logger
    }
}
