// SPDX-License-Identifier: Apache-2.0

/// Cuts a stream of `application/vnd.kubernetes.protobuf;stream=watch` into frames: four bytes of length, big-endian,
/// then one watch event.
public struct WatchFrames: Sendable {
    /// Limit of bytes in a frame.
    public let limit: Int
    private var buffer: [UInt8] = []
    /// Where the next frame begins in `buffer`.
    private var start = 0
    /// Bytes of the stream that are no longer in `buffer`.
    private var dropped = 0

    /// - Parameter limit: the limit of bytes in a frame. An API server accepts objects of at most 3 MiB.
    public init(limit: Int = 16 << 20) { self.limit = limit }

    /// Bytes received but not yet returned as a frame.
    public var pendingCount: Int { buffer.count - start }

    public mutating func push(_ bytes: some Collection<UInt8>) {
        if start > 0, start >= buffer.count / 2 {
            buffer.removeFirst(start)
            dropped += start
            start = 0
        }
        buffer.append(contentsOf: bytes)
    }

    /// The next complete frame; nil if more bytes are needed.
    ///
    /// - Throws: if a frame is longer than the limit. The stream is then unusable, and every further call throws the
    ///   same error.
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

    /// Call this at the end of the stream.
    ///
    /// - Throws: if the stream ends inside a frame.
    public func finish() throws(ProtobufError) {
        guard pendingCount > 0 else { return }
        let wanted = pendingCount < 4 ? 4 : 4 + buffer[start..<start + 4].reduce(0) { $0 << 8 | Int($1) }
        guard wanted > pendingCount else { return }
        throw ProtobufError(offset: dropped + buffer.count, reason: .truncated(missing: wanted - pendingCount))
    }
}
