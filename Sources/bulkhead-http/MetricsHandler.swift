// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOHTTP1
import NIOPosix
import PrometheusText
import RequestDecider
import Synchronization

/// Serves `GET /metrics` for Prometheus and `GET /healthz` for the kubelet.
final class MetricsHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let decider: SharedDecider
    private var path = ""
    private var isKeptAlive = true
    init(_ decider: SharedDecider) { self.decider = decider }

    static func bind(
        _ address: SocketAddress, _ decider: SharedDecider, _ group: any EventLoopGroup
    ) async throws -> any Channel {
        let clients = MetricsClients()
        return try await ServerBootstrap(group: group)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                clients.add(channel)
                return channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(IdleStateHandler(allTimeout: .seconds(60)))
                    try channel.pipeline.syncOperations.addHandler(CloseWhenIdle())
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(MetricsHandler(decider))
                }
            }.bind(to: address).get()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): (path, isKeptAlive) = (head.uri, head.isKeepAlive)
        case .body: break
        case .end: answer(context)
        }
    }

    private func answer(_ context: ChannelHandlerContext) {
        // A client that asks again before it reads would fill the memory.
        guard context.channel.isWritable else { return context.close(promise: nil) }
        let status: HTTPResponseStatus
        let text: String
        switch path {
        case "/metrics": (status, text) = (.ok, PrometheusText.text(of: decider.facts.families))
        case "/healthz": (status, text) = decider.problem.map { (.serviceUnavailable, "\($0)\n") } ?? (.ok, "ok\n")
        default: (status, text) = (.notFound, "not found\n")
        }
        let body = context.channel.allocator.buffer(string: text)
        var headers: HTTPHeaders = [
            "Content-Type": path == "/metrics" ? PrometheusText.contentType : "text/plain",
            "Content-Length": "\(body.readableBytes)",
        ]
        if !isKeptAlive { headers.add(name: "Connection", value: "close") }
        context.write(wrapOutboundOut(.head(.init(version: .http1_1, status: status, headers: headers))), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
        let written = context.eventLoop.makePromise(of: Void.self)
        if !isKeptAlive {
            let channel = context.channel
            written.futureResult.whenComplete { _ in channel.close(promise: nil) }
        }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: written)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

/// The open connections for metrics. Any pod may connect: were they not limited, it could take all descriptors, and
/// HAProxy could ask nothing any more.
private final class MetricsClients: Sendable {
    private let open = Mutex<[any Channel]>([])
    private static let limit = 32

    /// Beyond the limit the oldest is closed.
    func add(_ channel: any Channel) {
        let oldest = open.withLock { open in
            open.append(channel)
            return open.count > Self.limit ? open.removeFirst() : nil
        }
        oldest?.close(promise: nil)
        channel.closeFuture.whenComplete { _ in self.open.withLock { $0.removeAll { $0 === channel } } }
    }
}

extension SharedDecider.Facts {
    fileprivate var families: [MetricFamily] {
        counters.families + [
            .gauge("bulkhead_http_proxy_connections", "Connections on which HAProxy asks.", connections),
            .gauge("bulkhead_http_endpoints", "Pods whose requests are decided.", endpoints),
            .gauge("bulkhead_http_has_policy", "Whether a policy is known.", generation != nil),
            .gauge(
                "bulkhead_http_policy_silence_seconds",
                "Seconds since the daemon's last word, which it sends every five seconds; -1 before the first.",
                silence ?? -1),
            .counter(
                "bulkhead_http_unprinted_lines_total", "Denied requests without a line in the log.", unprinted),
        ]
    }
}
