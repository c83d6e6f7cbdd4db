// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import HummingbirdCore
import KubernetesObjects
import Manifests
import NIOCore
import PolledThread

/// Receives the bodies of requests and reads them in bounded memory. Large ones are read one after the other on a
/// dedicated thread, so that they delay neither small ones nor the rest of the daemon.
actor BodyReader {
    /// Limit of bytes of a small body.
    static let smallSize = 64 << 10

    private nonisolated let thread: KernelThread
    nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }
    private nonisolated let limit: Int
    /// Limit of bytes of all large bodies together.
    private nonisolated let budget: Budget

    /// - Parameter limit: bytes of one body.
    init(limit: Int) throws(KernelThreadError) {
        thread = try KernelThread(name: "bulkhead-bodies")
        self.limit = limit
        budget = Budget(2 * limit)
    }

    /// Call this once, when no body can arrive any more.
    nonisolated func stop() { thread.stop() }

    /// Runs `answer` with the whole body.
    nonisolated func withBody<Answer>(
        of request: Request, _ answer: ([UInt8]) async throws(ErrorAnswer) -> Answer
    ) async throws(ErrorAnswer) -> Answer {
        let tooLarge = ErrorAnswer(.bodyTooLarge, "the body has more than \(limit) bytes")
        let length = request.headers[.contentLength].flatMap { Int($0) }
        let isChunked = length == nil && request.headers[.transferEncoding] != nil
        if let length, length > limit { throw tooLarge }
        let reserved = isChunked ? limit : length ?? 0
        let isLarge = reserved > Self.smallSize
        let share = isLarge ? budget.take(reserved) : nil
        if isLarge, share == nil {
            throw ErrorAnswer(.busy, "other large bodies are being read: try again in a moment")
        }
        defer { withExtendedLifetime(share) {} }
        let bytes: [UInt8]
        do {
            bytes = Array(buffer: try await request.body.collect(upTo: limit))
        } catch is NIOTooManyBytesError {
            throw tooLarge
        } catch {
            throw ErrorAnswer(.badRequest, "the body could not be read completely")
        }
        return try await answer(bytes)
    }

    nonisolated func batch(_ bytes: [UInt8]) async throws(ErrorAnswer) -> ObjectBatch {
        try await read(bytes) { (bytes) throws(ErrorAnswer) in try ObjectBatch(body: bytes) }
    }

    nonisolated func keys(_ bytes: [UInt8]) async throws(ErrorAnswer) -> [ObjectKey] {
        try await read(bytes) { (bytes) throws(ErrorAnswer) in try ObjectBatch.keys(body: bytes) }
    }

    /// - Parameter what: the body's name in errors.
    nonisolated func decode<Body: Decodable & Sendable>(
        _ bytes: [UInt8], _ what: String
    ) async throws(ErrorAnswer) -> Body {
        try await read(bytes) { (bytes) throws(ErrorAnswer) in try ControlJSON.decode(bytes, what) }
    }

    private nonisolated func read<Content: Sendable>(
        _ bytes: [UInt8], _ body: @Sendable ([UInt8]) throws(ErrorAnswer) -> Content
    ) async throws(ErrorAnswer) -> Content {
        bytes.count <= Self.smallSize ? try body(bytes) : try await readHere(bytes, body)
    }

    private func readHere<Content: Sendable>(
        _ bytes: [UInt8], _ body: @Sendable ([UInt8]) throws(ErrorAnswer) -> Content
    ) throws(ErrorAnswer) -> Content { try body(bytes) }
}
