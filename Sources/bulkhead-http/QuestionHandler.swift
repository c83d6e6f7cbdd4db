// SPDX-License-Identifier: Apache-2.0
import NIOCore
import SPOP

/// One connection on which HAProxy asks. What one read brings is answered by one write.
final class QuestionHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let decider: SharedDecider
    private var agent = SPOPAgent()
    private var output: [UInt8] = []

    init(_ decider: SharedDecider) { self.decider = decider }

    func channelActive(context: ChannelHandlerContext) { decider.countConnection(1) }
    func channelInactive(context: ChannelHandlerContext) { decider.countConnection(-1) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = unwrapInboundIn(data)
        for question in agent.read(buffer.readableBytesView, output: &output) {
            decider.answer(question, to: &output)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        if !output.isEmpty {
            context.writeAndFlush(wrapOutboundOut(context.channel.allocator.buffer(bytes: output)), promise: nil)
            output.removeAll(keepingCapacity: output.count < 1 << 16)
        }
        if agent.isClosed { context.close(promise: nil) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
