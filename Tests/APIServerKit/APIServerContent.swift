// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Synchronization

/// What an ``APIServer`` holds, shared by its connections.
final class APIServerContent: Sendable {
    private let state: Mutex<APIServerState>
    /// Between two bookmarks of a watch.
    let bookmarkInterval: TimeAmount

    init(_ state: APIServerState, bookmarkInterval: TimeAmount) {
        self.state = Mutex(state)
        self.bookmarkInterval = bookmarkInterval
    }

    func read<T: Sendable>(_ body: (APIServerState) -> T) -> T { state.withLock { body($0) } }

    /// Changes what it holds, and has the watches look.
    @discardableResult func change<T: Sendable>(_ body: (inout APIServerState) -> T) -> T {
        let (result, watchers) = state.withLock { state in
            let result = body(&state)
            return (result, Array(state.watchers.values))
        }
        for watcher in watchers { watcher.pipeline.fireUserInboundEventTriggered(APIServerHandler.Look()) }
        return result
    }
}
