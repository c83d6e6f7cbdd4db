// SPDX-License-Identifier: Apache-2.0

/// Cuts a stream of `application/vnd.kubernetes.protobuf;stream=watch` into frames: four bytes of length, big-endian,
/// then one watch event.
public struct WatchFrames: Sendable {
    /// Bytes that a frame may have.
    public let limit: Int
    private var buffer: [UInt8] = []
    /// Where the next frame begins in `buffer`.
    private var start = 0
    /// Bytes of the stream that are no more in `buffer`.
    private var dropped = 0

    /// - Parameter limit: bytes that a frame may have. An API server takes objects of 3 MiB at most.
    public init(limit: Int = 16 << 20) { self.limit = limit }

    /// Bytes received and not yet given as a frame.
    public var pendingCount: Int { buffer.count - start }

    public mutating func push(_ bytes: some Collection<UInt8>) {
        if start > 0, start >= buffer.count / 2 {
            buffer.removeFirst(start)
            dropped += start
            start = 0
        }
        buffer.append(contentsOf: bytes)
    }

    /// The next frame that is complete; nil where more bytes are needed.
    ///
    /// - Throws: where a frame is longer than the limit. The stream is of no use from there on, and the error is given
    ///   again.
    public mutating func next() throws(ProtobufError) -> [UInt8]? {
        guard pendingCount >= 4 else { return nil }
        let length = buffer[start..<start + 4].reduce(0) { $0 << 8 | Int($1) }
        guard length <= limit else {
            throw ProtobufError(offset: dropped + start, reason: .frameTooLong(bytes: length, limit: limit))
        }
        guard pendingCount - 4 >= length else { return nil }
        start += 4 + length
        return Array(buffer[start - length..<start])
    }

    /// To be asked where the stream ends.
    ///
    /// - Throws: where it ends inside a frame.
    public func finish() throws(ProtobufError) {
        guard pendingCount > 0 else { return }
        let wanted = pendingCount < 4 ? 4 : 4 + buffer[start..<start + 4].reduce(0) { $0 << 8 | Int($1) }
        guard wanted > pendingCount else { return }
        throw ProtobufError(offset: dropped + buffer.count, reason: .truncated(missing: wanted - pendingCount))
    }
}
