// SPDX-License-Identifier: Apache-2.0
import KubernetesClient
import KubernetesObjects
import KubernetesWatch
import Manifests
import Testing

/// A whole cluster followed over TLS, whose server is the stand-in and, where one is offered, a real one.
/// One test at a time: each waits for answers and timers, which a busy machine delays.
@Suite(.serialized) struct OfferedClusterTests {
    /// A cluster with five pods, followed until all is known.
    private func with(
        _ offered: OfferedCluster, watchSeconds: ClosedRange<UInt64>? = nil, absentPause: Duration? = nil,
        _ body: (any TestCluster, FollowedCluster) async throws -> Void
    ) async throws {
        try await offered.with { cluster in
            try await cluster.apply((1...5).map { cluster.pod("p\($0)") }.joined())
            var settings = cluster.settings
            settings.watchSeconds = watchSeconds ?? settings.watchSeconds
            settings.absentPause = absentPause ?? settings.absentPause
            try await cluster.follow(settings: settings) { followed in
                try await followed.waitUntilComplete()
                try await body(cluster, followed)
            }
        }
    }

    @Test(arguments: OfferedCluster.offered) func listsInPagesAndFollows(offered: OfferedCluster) async throws {
        try await with(offered) { cluster, followed in
            let known = try #require(followed.current.atCompletion)
            let pods = (1...5).map { cluster.key(.pod, "p\($0)") }
            #expect(known.isSuperset(of: pods))
            #expect(known.contains(ObjectKey(kind: .namespace, namespace: "", name: cluster.namespace)))
            #expect(followed.current.stages.filter { $0 == .complete }.count == 1)
            if let requests = try cluster.requests() {
                #expect(requests.contains { $0.contains("/pods?limit=2&continue=") })
            }
            if cluster.isOwn { #expect(followed.watch("clusternetworkpolicies")?.status?.phase == .absent) }
            try await cluster.apply(cluster.pod("p6") + cluster.pod("p1", "{app: new}"))
            try await followed.wait("a pod") { $0[cluster.key(.pod, "p6")] != nil }
            try await cluster.delete(cluster.pod("p2"))
            try await followed.wait("a pod to go") { $0[pods[1]] == nil }
            try await followed.wait("a label") { $0[pods[0]]?.metadata.labels == ["app": "new"] }
            #expect(followed[pods[0]]?.metadata.uid.isEmpty == false)
            #expect(followed[pods[0]].map { $0.metadata.createdAt > 0 } == true)
            #expect(followed.current.removed.filter { $0.namespace == cluster.namespace } == [pods[1]])
        }
    }

    /// Watches that the server ends when their time is over go on where they were.
    @Test(arguments: OfferedCluster.offered) func endedWatchesGoOn(offered: OfferedCluster) async throws {
        try await with(offered, watchSeconds: 1...2) { cluster, followed in
            let pod = cluster.key(.pod, "p1")
            for round in 1...4 {
                try await cluster.apply(cluster.pod("p1", "{round: 'r\(round)'}"))
                try await followed.wait("round \(round)") { $0[pod]?.metadata.labels == ["round": "r\(round)"] }
                try await Task.sleep(for: .milliseconds(900))
            }
            #expect(followed.current.removed.allSatisfy { $0.namespace != cluster.namespace })
            if let requests = try cluster.requests() {
                #expect(requests.filter { $0.contains("/pods?watch=1") }.count > 1)
                #expect(requests.filter { $0.hasSuffix("/pods?limit=2") }.count == 1, "\(requests)")
            }
        }
    }

    static func tier(_ kind: ObjectKind, _ name: String) -> String {
        let spec = kind == .clusterNetworkPolicy ? "tier: Admin, " : ""
        return """
            ---
            apiVersion: \(kind.apiVersion)
            kind: \(kind.rawValue)
            metadata: {name: \(name)}
            spec: {\(spec)priority: 1, subject: {namespaces: {}}}

            """
    }

    @Test(arguments: OfferedCluster.own, [ObjectKind.clusterNetworkPolicy, .adminNetworkPolicy])
    func definitionsAppearAndVanish(offered: OfferedCluster, kind: ObjectKind) async throws {
        try await with(offered) { cluster, followed in
            let resource = APIResource(kind).name
            let key = ObjectKey(kind: kind, namespace: "", name: cluster.namespace)
            let before = Set(followed.current.objects.keys)
            for round in 1...2 {
                try await cluster.define(kind, true)
                try await cluster.apply(Self.tier(kind, key.name))
                try await followed.wait("the policy, round \(round)") { $0[key] != nil }
                try await cluster.define(kind, false)
                try await followed.wait("the policy to go") { $0[key] == nil }
                try await followed.wait("its absence") { $0.watch(resource)?.status?.phase == .absent }
            }
            #expect(before.isSubset(of: followed.current.objects.keys))
            #expect(followed.current.removed == [key, key])
        }
    }

    /// The server goes and comes again: nothing is let go meanwhile, custom resources no more than others.
    @Test(arguments: OfferedCluster.own) func aServerThatRestartsIsFollowedOn(offered: OfferedCluster) async throws {
        // A server that starts may not know its definitions at first.
        try await with(offered, absentPause: WatchSettings().absentPause) { cluster, followed in
            let policy = ObjectKey(kind: .clusterNetworkPolicy, namespace: "", name: cluster.namespace)
            try await cluster.define(.clusterNetworkPolicy, true)
            try await cluster.apply(Self.tier(.clusterNetworkPolicy, policy.name))
            try await followed.wait("the policy") { $0[policy] != nil }
            for round in 1...2 {
                try await cluster.stop()
                try await followed.wait("it to be noticed") { ($0.watch("pods")?.status?.failures ?? 0) > 2 }
                #expect(followed.watch("pods")?.status?.lastFailure?.description.contains("127.0.0.1") == true)
                try await cluster.start()
                let (new, old) = (cluster.key(.pod, "new\(round)"), cluster.key(.pod, "p\(round)"))
                try await cluster.apply(cluster.pod(new.name))
                try await cluster.delete(cluster.pod(old.name))
                try await followed.wait("what has changed") { $0[new] != nil && $0[old] == nil }
                try await followed.wait("all to be well") {
                    $0.follower.watches.allSatisfy { $0.status?.failures == 0 }
                }
            }
            #expect(followed.current.removed == [cluster.key(.pod, "p1"), cluster.key(.pod, "p2")])
            #expect(followed[policy] != nil)
        }
    }
}
