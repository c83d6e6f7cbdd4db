// SPDX-License-Identifier: Apache-2.0
import DocumentKit
import KubernetesProtobuf
import Testing
import WorldKit

@Suite struct WatchFramesTests {
    @Test func framesComeOutHoweverTheyCameIn() throws {
        var random = WorldRandom(seed: 3)
        for _ in 0..<200 {
            let events = (0..<random.below(30)).map { _ in random.bytes(random.below(300)) }
            var stream = events.flatMap(ProtobufWriter.framed)
            var frames = WatchFrames()
            var received: [[UInt8]] = []
            while !stream.isEmpty {
                let count = min(stream.count, 1 + random.below(random.pick([1, 5, 700])))
                frames.push(stream.prefix(count))
                stream.removeFirst(count)
                while let frame = try frames.next() { received.append(frame) }
            }
            #expect(received == events)
            #expect(frames.pendingCount == 0)
            try frames.finish()
        }
    }

    @Test func streamThatEndsInsideAFrame() throws {
        let whole = ProtobufWriter.framed([1, 2, 3]) + ProtobufWriter.framed([4, 5])
        for end in whole.indices {
            var frames = WatchFrames()
            frames.push(whole[..<end])
            var count = 0
            while try frames.next() != nil { count += 1 }
            #expect(count == (end < 7 ? 0 : 1))
            guard end != 0, end != 7 else {
                try frames.finish()
                continue
            }
            let error = try #require(throws: ProtobufError.self) { try frames.finish() }
            #expect(error.offset == end)
            guard case .truncated(let missing) = error.reason else { throw error }
            // Before the length is known, what is missing is the rest of the length.
            let known = end < 4 ? 4 : end < 7 ? 7 : end < 11 ? 11 : 13
            #expect(missing == known - end)
        }
    }

    @Test func framesOverTheLimit() throws {
        var frames = WatchFrames(limit: 10)
        frames.push(ProtobufWriter.framed(Array(repeating: 7, count: 10)))
        #expect(try frames.next()?.count == 10)
        frames.push([0, 0, 0, 11])
        for _ in 0..<2 {
            let error = try #require(throws: ProtobufError.self) { try frames.next() }
            #expect(error == ProtobufError(offset: 14, reason: .frameTooLong(bytes: 11, limit: 10)))
            frames.push([1, 2, 3])
        }
        var large = WatchFrames()
        large.push([0xff, 0xff, 0xff, 0xff])
        let error = try #require(throws: ProtobufError.self) { try large.next() }
        #expect(error.reason == .frameTooLong(bytes: 4_294_967_295, limit: 16 << 20))
    }

    /// A stream of days holds no more than what is not yet a frame.
    @Test func memoryIsGivenBack() throws {
        var frames = WatchFrames()
        let frame = ProtobufWriter.framed(Array(repeating: 1, count: 996))
        for _ in 0..<2000 {
            frames.push(frame + frame.prefix(1))
            while try frames.next() != nil {}
            #expect(frames.pendingCount < 2 * 1000 + 2)
            frames.push(frame.dropFirst(1))
            while try frames.next() != nil {}
            #expect(frames.pendingCount == 0)
        }
    }
}
