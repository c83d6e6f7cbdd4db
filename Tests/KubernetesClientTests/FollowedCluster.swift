// SPDX-License-Identifier: Apache-2.0
import KubernetesClient
import KubernetesObjects
import KubernetesWatch
import Logging
import Synchronization
import Testing

/// What a follower gives, kept as a cluster would be.
final class FollowedCluster: Sendable {
    struct State {
        var objects: [ObjectKey: KubernetesObject] = [:]
        var stages: [ClusterUpdate.Stage] = []
        /// What was known when all was complete.
        var atCompletion: Set<ObjectKey>?
        var removed: [ObjectKey] = []
    }

    /// By which a server's records tell the client under test.
    static let userAgent = "bulkhead-test"
    let follower: ClusterFollower
    private let state = Mutex(State())

    init(_ access: ClusterAccess, settings: WatchSettings = FollowedCluster.quick) {
        follower = ClusterFollower(
            APIServerConnection(access, userAgent: Self.userAgent), settings: settings,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    /// Waits as short as tests want.
    static var quick: WatchSettings {
        var settings = WatchSettings()
        settings.pageSize = 2
        settings.firstDelay = .milliseconds(20)
        settings.longestDelay = .milliseconds(200)
        settings.watchSilence = .milliseconds(600)
        settings.answerSilence = .milliseconds(600)
        settings.quietSeconds = 1...1
        settings.absentInterval = .milliseconds(100)
        settings.absentPause = .milliseconds(50)
        return settings
    }

    /// The same for servers that do nothing wrong: none is given up because it is slow.
    static var patient: WatchSettings {
        var settings = quick
        let usual = WatchSettings()
        (settings.watchSilence, settings.answerSilence) = (usual.watchSilence, usual.answerSilence)
        settings.quietSeconds = usual.quietSeconds
        return settings
    }

    /// Follows for the time of `body`.
    static func with(
        _ access: ClusterAccess, settings: WatchSettings = FollowedCluster.quick,
        _ body: (FollowedCluster) async throws -> Void
    ) async throws {
        let cluster = FollowedCluster(access, settings: settings)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await cluster.follower.run { cluster.take($0) } }
            do {
                try await body(cluster)
            } catch {
                await cluster.end()
                throw error
            }
            await cluster.end()
        }
    }

    private func end() async {
        follower.stop()
        await follower.connection.shutdown()
    }

    private func take(_ update: ClusterUpdate) {
        state.withLock { state in
            state.stages.append(update.stage)
            for event in update.events {
                switch event {
                case .set(let object): state.objects[object.key] = object
                case .removed(let key):
                    state.objects[key] = nil
                    state.removed.append(key)
                }
            }
            if update.stage == .complete { state.atCompletion = Set(state.objects.keys) }
        }
    }

    var current: State { state.withLock { $0 } }
    var isComplete: Bool { current.atCompletion != nil }
    func has(_ name: String) -> Bool { current.objects.keys.contains { $0.name == name } }
    subscript(key: ObjectKey) -> KubernetesObject? { current.objects[key] }

    func watch(_ resource: String) -> FollowedWatch? { follower.watches.first { $0.resource.name == resource } }

    /// Waits until all is known that the server had at first.
    func waitUntilComplete(sourceLocation: SourceLocation = #_sourceLocation) async throws {
        try await wait("the first list", sourceLocation: sourceLocation) { $0.isComplete }
    }

    /// Waits until `condition` holds.
    func wait(
        _ what: Comment, seconds: Double = 60, sourceLocation: SourceLocation = #_sourceLocation,
        _ condition: (FollowedCluster) -> Bool
    ) async throws {
        let deadline = ContinuousClock.now + .seconds(seconds)
        var tries = 0
        while !condition(self) {
            tries += 1
            // Where threads are held for seconds, whom this waits for is as late.
            guard ContinuousClock.now < deadline || tries < 200 else {
                let watches = follower.watches.map { "\($0.resource): \($0.status.map { "\($0)" } ?? "not begun")" }
                Issue.record(
                    "waited in vain for: \(what); \(watches.joined(separator: "\n"))", sourceLocation: sourceLocation)
                throw Late()
            }
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    struct Late: Error {}
}
