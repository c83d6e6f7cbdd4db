// SPDX-License-Identifier: Apache-2.0
import KubernetesClient
import NIOCore
import NIOEmbedded
import Testing

/// When a connection is read: time is the test's own.
@Suite struct ReadPacingTests {
    /// What reaches the socket.
    private final class Socket: ChannelOutboundHandler {
        typealias OutboundIn = ByteBuffer
        private(set) var readings = 0
        func read(context: ChannelHandlerContext) {
            readings += 1
            context.read()
        }
    }

    private let channel = EmbeddedChannel()
    private let socket = Socket()

    init() throws {
        try channel.pipeline.syncOperations.addHandlers([socket, ReadPacing()])
        channel.embeddedEventLoop.advanceTime(by: .seconds(1))
    }

    /// Data arrives; then the next read is requested.
    private func come(bytes: Int = 3500) throws {
        try channel.writeInbound(ByteBuffer(repeating: 1, count: bytes))
        channel.read()
    }

    private func pass(_ milliseconds: Int64) {
        channel.embeddedEventLoop.advanceTime(by: .milliseconds(milliseconds))
    }

    @Test func theFirstOfWhatComesIsNotHeldUp() throws {
        channel.read()
        for count in 1...ReadPacing.patience {
            #expect(socket.readings == count)
            try come()
        }
        #expect(socket.readings == ReadPacing.patience, "the next one waits")
        pass(19)
        #expect(socket.readings == ReadPacing.patience)
        pass(1)
        #expect(socket.readings == ReadPacing.patience + 1)
        #expect(try channel.readInbound(as: ByteBuffer.self)?.readableBytes == 3500, "what came was handed on at once")
        _ = try channel.finish()
    }

    @Test func aSteadyTrickleIsReadOnceAnInterval() throws {
        channel.read()
        var came = 0
        // Each millisecond there is something to read.
        for _ in 0..<1000 {
            if socket.readings > came {
                came = socket.readings
                try come()
            }
            pass(1)
        }
        // One each 20 ms, and the patience of the beginning.
        #expect((45...55).contains(socket.readings), "\(socket.readings)")
        _ = try channel.finish(acceptAlreadyClosed: true)
    }

    @Test func afterAWhileNothingIsHeldUp() throws {
        channel.read()
        for _ in 0..<ReadPacing.patience { try come() }
        pass(20)
        let before = socket.readings
        pass(100)
        try come()
        #expect(socket.readings == before + 1)
        try come()
        #expect(socket.readings == before + 2)
        _ = try channel.finish()
    }

    @Test func whatIsLargeIsNotHeldUp() throws {
        channel.read()
        for _ in 0..<ReadPacing.patience { try come(bytes: ReadPacing.plenty / ReadPacing.patience + 1) }
        for _ in 0..<100 { try come(bytes: 64 << 10) }
        #expect(socket.readings == 101 + ReadPacing.patience)
        _ = try channel.finish()
    }

    /// An event that comes to its handler now and then, as policies do.
    @Test(arguments: [Int64(25), 60, 1000]) func whatComesNowAndThenIsReadAtOnce(every milliseconds: Int64) throws {
        channel.read()
        for count in 1...50 {
            pass(milliseconds)
            #expect(socket.readings == count)
            try come()
        }
        _ = try channel.finish()
    }

    @Test func aConnectionThatClosesIsNotReadLater() throws {
        channel.read()
        for _ in 0..<ReadPacing.patience { try come() }
        _ = try channel.finish()
        pass(100)
        #expect(socket.readings == ReadPacing.patience)
    }
}
