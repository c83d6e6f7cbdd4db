// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOPosix
import RequestDecider

/// Counts what HAProxy's log says it refused on its own.
final class ReportHandler: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>

    private let decider: SharedDecider
    init(_ decider: SharedDecider) { self.decider = decider }

    static func bind(
        port: Int, _ decider: SharedDecider, _ group: any EventLoopGroup
    ) async throws -> any Channel {
        try await DatagramBootstrap(group: group).channelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(ReportHandler(decider))
            }
        }.bind(host: "127.0.0.1", port: port).get()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let line = String(buffer: unwrapInboundIn(data).data)
        if let reason = ProxyReport.reason(of: line) { decider.refuse(reason) }
    }
}
