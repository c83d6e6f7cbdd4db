// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// Reads a connection with a steady stream of small data only every few milliseconds. Everything that has arrived is
/// then read, decrypted, decoded and programmed together, and wakes each thread once: a thousand watch events a second
/// cost a fraction of what they would cost one by one.
///
/// This handler is next to the socket. It never delays the first data after a pause, nor large data such as lists.
package final class ReadPacing: ChannelDuplexHandler {
    package typealias InboundIn = ByteBuffer
    package typealias InboundOut = ByteBuffer
    package typealias OutboundIn = ByteBuffer
    package typealias OutboundOut = ByteBuffer

    package static let interval = TimeAmount.milliseconds(20)
    /// Reads within an interval before the next read is delayed until its end: the beginning of a connection, or an
    /// occasional event, needs no more.
    package static let patience = 3
    /// Bytes within an interval above which nothing is delayed.
    package static let plenty = 320 << 10

    /// The end of its first read.
    private var start: NIODeadline?
    private var readings = 0
    private var bytes = 0
    /// Bytes of the read under way.
    private var coming = 0
    /// Reads that this interval may have.
    private var allowed = patience
    /// When the next read was requested.
    private var asked: NIODeadline?
    private var held: Scheduled<Void>?

    package init() {}

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        coming += unwrapInboundIn(data).readableBytes
        context.fireChannelRead(data)
    }

    package func channelReadComplete(context: ChannelHandlerContext) {
        let now = context.eventLoop.now
        if start.map({ now - $0 >= Self.interval }) ?? true {
            let wasQuiet = asked.map { now - $0 >= Self.interval } ?? true
            let wasHeld = readings >= allowed && bytes < Self.plenty
            allowed = wasHeld && !wasQuiet ? 1 : Self.patience
            (start, readings, bytes) = (now, 0, 0)
        }
        readings += 1
        bytes += coming
        coming = 0
        context.fireChannelReadComplete()
    }

    package func read(context: ChannelHandlerContext) {
        guard held == nil else { return }
        let now = context.eventLoop.now
        guard readings >= allowed, bytes < Self.plenty, let end = start.map({ $0 + Self.interval }), end > now else {
            asked = now
            return context.read()
        }
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        held = context.eventLoop.scheduleTask(deadline: end) {
            let (pacing, context) = bound.value
            pacing.held = nil
            pacing.asked = context.eventLoop.now
            context.read()
        }
    }

    package func handlerRemoved(context: ChannelHandlerContext) {
        held?.cancel()
        held = nil
    }
}
