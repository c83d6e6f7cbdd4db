// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import HummingbirdCore
import NIOCore

extension ControlResponder {
    func followEvents(_ request: Request) throws(ErrorAnswer) -> Response {
        let options = try Query(request).streamOptions(kinds: [.drop, .audit, .request], recorded: false)
        return try stream(request) { [backend] in
            await backend.followEvents(options)
        } unfollow: { [backend] in
            await backend.unfollow($0)
        }
    }

    func followFlows(_ request: Request) throws(ErrorAnswer) -> Response {
        let options = try Query(request).streamOptions(kinds: Set(FlowKind.allCases), recorded: true)
        return try stream(request) { [backend] in
            await backend.followFlows(options)
        } unfollow: { [backend] in
            await backend.unfollow($0)
        }
    }

    /// Streams records until there are no more or the client leaves.
    private func stream<Record: StreamRecord>(
        _ request: Request, follow: @escaping @Sendable () async -> RecordFollower<Record>,
        unfollow: @escaping @Sendable (RecordFollower<Record>) async -> Void
    ) throws(ErrorAnswer) -> Response {
        guard let share = followers.take(1) else {
            throw ErrorAnswer(
                .busy, "\(ControlDefaults.followers) clients already follow events; end one of them first")
        }
        return Response(
            status: .ok, headers: [.contentType: "application/x-ndjson"],
            body: ResponseBody { writer in
                defer { withExtendedLifetime(share) {} }
                let follower = await follow()
                do {
                    // Bytes at once, so that the client sees that the stream has begun.
                    try await writer.write(ByteBuffer())
                    try await request.body.consumeWithInboundCloseHandler { _ in
                        try await follower.batches { batch in
                            // A client that does not read holds one piece as text, not everything.
                            for piece in batch.pieces(of: 64) { try await writer.write(ControlJSON.lines(piece)) }
                        }
                    } onInboundClosed: {
                        follower.finish()
                    }
                    await unfollow(follower)
                    try await writer.finish(nil)
                } catch {
                    await unfollow(follower)
                    throw error
                }
            })
    }
}

extension Query {
    /// What a client of a stream wants; the parameter `kind` names one of the kinds.
    func streamOptions(kinds: Set<FlowKind>, recorded: Bool) throws(ErrorAnswer) -> StreamOptions {
        try allow(only: StreamOptions.parameters.union(["kind"]))
        do throws(FlowFilterError) {
            var options = try StreamOptions(parameters, recorded: recorded, now: RFC3339.nowNanoseconds)
            options.filter.kinds = kinds
            guard let text = optional("kind") else { return options }
            guard let kind = FlowKind(rawValue: text), kinds.contains(kind) else {
                let names = FlowKind.allCases.filter { kinds.contains($0) }.map(\.rawValue)
                throw FlowFilterError(
                    description: "'kind' must be \(names.dropLast().joined(separator: ", ")) or \(names.last ?? "")")
            }
            options.filter.kinds = [kind]
            return options
        } catch {
            throw ErrorAnswer(.badRequest, "\(error)")
        }
    }
}
