// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// A handler in the pipeline of one connection: asks the ``ConnectionGate`` to admit it, and closes it when its time is
/// over.
final class ConnectionGuard: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = Any
    typealias InboundOut = Any

    /// Between two checks of a connection whose answer is prepared.
    private static let lookInterval = TimeAmount.seconds(5)

    private let gate: ConnectionGate
    private var isAdmitted = false
    private var timer: Scheduled<Void>?

    init(_ gate: ConnectionGate) { self.gate = gate }

    func handlerAdded(context: ChannelHandlerContext) {
        isAdmitted = gate.open(context.channel)
        if context.channel.isActive { begin(context) }
    }

    func channelActive(context: ChannelHandlerContext) {
        context.fireChannelActive()
        begin(context)
    }

    private func begin(_ context: ChannelHandlerContext) {
        guard isAdmitted else { return context.close(promise: nil) }
        look(context)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        gate.noteStall(!context.channel.isWritable, of: context.channel)
        if isAdmitted { look(context) }
        context.fireChannelWritabilityChanged()
    }

    /// Closes the connection if it is overdue, otherwise checks again when it may be.
    private func look(_ context: ChannelHandlerContext) {
        timer?.cancel()
        timer = nil
        let now = context.eventLoop.now
        let deadline = gate.deadline(of: context.channel)
        if let deadline, deadline <= now { return context.close(promise: nil) }
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        timer = context.eventLoop.scheduleTask(deadline: min(deadline ?? .distantFuture, now + Self.lookInterval)) {
            let (guarding, context) = bound.value
            guarding.look(context)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        end(context)
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { end(context) }

    private func end(_ context: ChannelHandlerContext) {
        timer?.cancel()
        timer = nil
        gate.closed(context.channel)
    }
}
