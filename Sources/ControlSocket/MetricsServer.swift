// SPDX-License-Identifier: Apache-2.0
import HummingbirdCore
import Logging
import NIOCore
import NIOPosix
import PrometheusText
import ServiceLifecycle

/// The calls of the metrics address to the agent.
public protocol MetricsBackend: Sendable {
    func metrics() async -> [MetricFamily]
    func health() async -> Health
}

/// The address of metrics and probes.
public struct MetricsAddress: Sendable, Hashable, CustomStringConvertible {
    public var host: String
    public var port: UInt16

    public init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// Reads `HOST:PORT`, the host a name or an address, an IPv6 address in brackets; without a host: every address of
    /// the node. Nil for anything else.
    public init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            return nil
        }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            return nil
        }
        self.init(host: host.isEmpty ? "::" : String(host), port: port)
    }

    public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// Serves `/metrics`, `/healthz` and `/readyz` until it must stop.
public struct MetricsServer: Service {
    private let address: MetricsAddress
    private let metrics: SharedAnswer<String>
    private let health: SharedAnswer<Health>
    private let limits: ListenerLimits
    private let logger: Logger
    private let retryInterval: Duration
    private let onReady: @Sendable (Int) async -> Void

    /// - Parameters:
    ///   - retryInterval: between attempts to bind the address.
    ///   - onReady: runs, with the port, once connections are accepted.
    public init(
        address: MetricsAddress, backend: any MetricsBackend, logger: Logger, limits: ListenerLimits = .metrics,
        retryInterval: Duration = .seconds(5), onReady: @escaping @Sendable (Int) async -> Void = { _ in }
    ) {
        self.address = address
        metrics = SharedAnswer { PrometheusText.text(of: await backend.metrics()) }
        health = SharedAnswer { await backend.health() }
        self.limits = limits
        self.logger = logger
        self.retryInterval = retryInterval
        self.onReady = onReady
    }

    /// An address that is in use, or not there yet, is retried: enforcement matters more than metrics.
    public func run() async {
        var lastProblem = ""
        while !Task.isShuttingDownGracefully, !Task.isCancelled {
            do {
                return try await serve()
            } catch {
                if "\(error)" != lastProblem {
                    logger.error(
                        "metrics and probes are not served; retrying",
                        metadata: ["address": "\(address)", "error": "\(error)"])
                }
                lastProblem = "\(error)"
            }
            try? await cancelWhenGracefulShutdown { try await Task.sleep(for: retryInterval) }
        }
    }

    private func serve() async throws {
        let gate = ConnectionGate(limits, listener: "\(address)", logger: logger)
        let server = try gate.http().buildServer(
            configuration: .init(address: .hostname(address.host, port: Int(address.port))),
            eventLoopGroup: .singletonMultiThreadedEventLoopGroup, logger: logger.quietForServer,
            responder: { request, writer, channel in
                // A body is not read; its bytes count for the next wait.
                gate.received(channel)
                defer { gate.answered(channel) }
                let response = await respond(to: request)
                try await writer.write(response: response.head, body: response.body)
            },
            onServerRunning: { [logger, address, onReady] channel in
                await gate.watch(channel)
                logger.info("metrics and probes", metadata: ["address": "\(address)"])
                await onReady(channel.localAddress?.port ?? 0)
            })
        try await server.run()
    }

    private func respond(to request: Request) async -> Response {
        guard request.method == .get || request.method == .head else {
            var response = Self.text("only GET is supported\n")
            response.status = .methodNotAllowed
            response.headers[.allow] = "GET, HEAD"
            return response
        }
        switch request.uri.path {
        case "/metrics":
            var response = Self.text(await metrics.value())
            response.headers[.contentType] = PrometheusText.contentType
            return response
        case "/healthz": return Self.probe(await health.value().missing)
        case "/readyz":
            let found = await health.value()
            return Self.probe(found.missing + found.behind)
        default:
            var response = Self.text("the paths are /metrics, /healthz and /readyz\n")
            response.status = .notFound
            return response
        }
    }

    private static func probe(_ problems: [String]) -> Response {
        guard !problems.isEmpty else { return text("ok\n") }
        var response = text(problems.map { "\($0)\n" }.joined())
        response.status = .serviceUnavailable
        return response
    }

    private static func text(_ text: String) -> Response {
        Response(
            status: .ok, headers: [.contentType: "text/plain; charset=utf-8"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }
}
