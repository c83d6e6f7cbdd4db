// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import HummingbirdCore
import NIOCore

extension ControlResponder {
    /// The longest time between two lines.
    private static let silence: Duration = .seconds(5)
    /// The shortest time between two batches: what changes meanwhile is one batch.
    private static let pause: Duration = .milliseconds(10)

    /// Streams the requests' policy until the client leaves.
    func followRequests(_ request: Request) throws(ErrorAnswer) -> Response {
        try Query(request).allow(only: [])
        guard let share = requestFollowers.take(1) else {
            throw ErrorAnswer(
                .busy, "\(ControlDefaults.requestFollowers) clients already follow requests; end one of them first")
        }
        return Response(
            status: .ok, headers: [.contentType: "application/x-ndjson"],
            body: ResponseBody { [backend, scope] writer in
                defer { withExtendedLifetime(share) {} }
                let follower = await backend.followRequests(decides: scope.isProxys)
                let ticker = Task {
                    while !Task.isCancelled {
                        try await Task.sleep(for: Self.silence)
                        follower.tick()
                    }
                }
                defer { ticker.cancel() }
                do {
                    try await request.body.consumeWithInboundCloseHandler { _ in
                        try await follower.batches { lines in
                            try await writer.write(ByteBuffer(bytes: lines))
                            try await Task.sleep(for: Self.pause)
                        }
                    } onInboundClosed: {
                        follower.finish()
                    }
                    await backend.unfollow(follower)
                    try await writer.finish(nil)
                } catch {
                    await backend.unfollow(follower)
                    throw error
                }
            })
    }
}
