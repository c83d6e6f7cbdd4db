// SPDX-License-Identifier: Apache-2.0
import KubernetesWatch
import Logging

/// Follows everything in a cluster that policy needs.
public final class ClusterFollower: Sendable {
    public let connection: APIServerConnection
    private let queue: UpdateQueue
    private let runners: [WatchRunner]

    /// - Parameter settings: for each watch.
    public init(
        _ connection: APIServerConnection, resources: [APIResource] = APIResource.all,
        settings: WatchSettings = WatchSettings(), logger: Logger
    ) {
        self.connection = connection
        let queue = UpdateQueue(resources)
        self.queue = queue
        runners = resources.map { resource in
            WatchRunner(
                ResourceWatch(resource, settings: settings, seed: .random(in: 0...UInt64.max)), over: connection,
                into: queue, logger: logger)
        }
    }

    /// Passes on update after update until ``stop()``; the next one follows when `take` has returned.
    public func run(_ take: (ClusterUpdate) async -> Void) async {
        for runner in runners { await runner.begin() }
        while let update = await queue.next() { await take(update) }
        for runner in runners { await runner.stop() }
    }

    /// Ends ``run(_:)``.
    public func stop() { queue.close() }

    /// The state of each resource's watch, ordered by name.
    public var watches: [FollowedWatch] { queue.watches }
}
