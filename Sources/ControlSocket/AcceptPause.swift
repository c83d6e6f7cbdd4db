// SPDX-License-Identifier: Apache-2.0
import Logging
import NIOCore

/// The first handler in a listener's pipeline. If a connection cannot be accepted for lack of descriptors or memory,
/// the listener waits for a moment: the connection stays in the kernel's queue, and its readiness would wake the event
/// loop endlessly.
final class AcceptPause: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = any Channel
    typealias InboundOut = any Channel

    private static let pause = TimeAmount.milliseconds(500)
    private static let tellInterval = TimeAmount.seconds(60)

    private let listener: String
    private let logger: Logger
    private var isPaused = false
    private var toldAt: NIODeadline?

    init(listener: String, logger: Logger) {
        self.listener = listener
        self.logger = logger
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if error is IOError { wait(context, because: error) }
        context.fireErrorCaught(error)
    }

    private func wait(_ context: ChannelHandlerContext, because error: any Error) {
        let now = context.eventLoop.now
        if toldAt.map({ now - $0 >= Self.tellInterval }) ?? true {
            toldAt = now
            logger.warning(
                "cannot accept connections now", metadata: ["listener": "\(listener)", "error": "\(error)"])
        }
        guard !isPaused else { return }
        isPaused = true
        let channel = context.channel
        channel.setOption(.autoRead, value: false).whenFailure { _ in }
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        context.eventLoop.scheduleTask(in: Self.pause) {
            bound.value.isPaused = false
            channel.setOption(.autoRead, value: true).whenFailure { _ in }
        }
    }
}
