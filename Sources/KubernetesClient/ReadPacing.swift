// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// Has a connection on which little comes again and again read every few milliseconds only: what has come meanwhile is
/// then read, decrypted, decoded and put in force together, and wakes each thread once. A thousand events a second of a
/// watch cost a fraction of what they would one by one.
///
/// Stands next to the socket. The first of what comes after a while is never held up, nor is what is large, as lists
/// are.
package final class ReadPacing: ChannelDuplexHandler {
    package typealias InboundIn = ByteBuffer
    package typealias InboundOut = ByteBuffer
    package typealias OutboundIn = ByteBuffer
    package typealias OutboundOut = ByteBuffer

    package static let interval = TimeAmount.milliseconds(20)
    /// Readings of an interval before the next is held up until its end: the beginning of a connection, or an event now
    /// and then, takes no more.
    package static let patience = 3
    /// Bytes of an interval from which on nothing is held up.
    package static let plenty = 320 << 10

    /// The end of its first reading.
    private var start: NIODeadline?
    private var readings = 0
    private var bytes = 0
    /// Bytes of the reading under way.
    private var coming = 0
    /// Readings that this interval may have.
    private var allowed = patience
    /// When the next reading was asked for.
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
