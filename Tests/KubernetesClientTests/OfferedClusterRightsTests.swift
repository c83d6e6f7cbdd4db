// SPDX-License-Identifier: Apache-2.0
import DocumentKit
import Documents
import Foundation
import KubernetesClient
import KubernetesObjects
import KubernetesWatch
import Logging
import Testing

/// Who asks, and what they may do.
extension OfferedClusterTests {
    /// Of the ClusterRole in `deploy/base`.
    private static func deployed() throws -> Set<Right> {
        let root = URL(filePath: #filePath).resolvingSymlinksInPath().deletingLastPathComponent()
        let file = root.appending(path: "../../deploy/base/rbac.yaml").standardizedFileURL
        let nodes = try DocumentNode.documents(of: String(contentsOf: file, encoding: .utf8))
        let role = try #require(nodes.first { $0["kind"]?.string == "ClusterRole" })
        var rights: Set<Right> = []
        for rule in items(role["rules"]) {
            for group in items(rule["apiGroups"]) {
                for resource in items(rule["resources"]) {
                    for verb in items(rule["verbs"]) {
                        rights.insert(
                            Right(verb: verb.string ?? "", group: group.string ?? "", resource: resource.string ?? ""))
                    }
                }
            }
        }
        return rights
    }

    private static func items(_ node: DocumentNode?) -> [DocumentNode] {
        if case .sequence(let items) = node?.value { items } else { [] }
    }

    @Test(arguments: OfferedCluster.offered) func theRightsOfDeployAreEnough(offered: OfferedCluster) async throws {
        let rights = try Self.deployed()
        try await offered.with { cluster in
            try await cluster.apply(cluster.pod("p1"))
            let token = try await cluster.token(granting: rights)
            try await cluster.follow(as: cluster.access(token: .bytes(Array(token.utf8)))) { followed in
                try await followed.waitUntilComplete()
                try await followed.wait("all to be well") {
                    $0.follower.watches.allSatisfy { $0.status?.failures == 0 }
                }
                try await cluster.apply(cluster.pod("p2"))
                try await followed.wait("a pod") { $0[cluster.key(.pod, "p2")] != nil }
            }
        }
    }

    @Test(arguments: OfferedCluster.offered) func nothingIsCompleteWithoutTheRight(
        offered: OfferedCluster
    ) async throws {
        let rights = try Self.deployed()
        let missing = Right(verb: "list", group: "networking.k8s.io", resource: "networkpolicies")
        #expect(rights.contains(missing))
        try await offered.with { cluster in
            try await cluster.apply(cluster.pod("p1"))
            let token = try await cluster.token(granting: rights.subtracting([missing]))
            try await cluster.follow(as: cluster.access(token: .bytes(Array(token.utf8)))) { followed in
                try await followed.wait("the refusal") {
                    let failure = $0.watch("networkpolicies")?.status?.lastFailure?.description ?? ""
                    return failure.contains("403 Forbidden: networkpolicies")
                }
                try await followed.wait("the rest") { followed in
                    let watches = followed.follower.watches
                    return watches.count { $0.status?.isComplete == true } == watches.count - 1
                }
                // Who takes the changes may be some behind the watch that has them.
                try await followed.wait("the pod") { $0[cluster.key(.pod, "p1")] != nil }
                #expect(!followed.isComplete && followed.watch("networkpolicies")?.status?.isComplete == false)
                try await cluster.grant(rights, toToken: token)
                try await followed.waitUntilComplete()
            }
        }
    }

    @Test(arguments: OfferedCluster.offered) func anUnknownTokenIsReadAgain(offered: OfferedCluster) async throws {
        let rights = try Self.deployed()
        try await offered.with { cluster in
            let files = try TemporaryFiles(["token": "nobody\n"])
            try await cluster.follow(as: cluster.access(token: .file("\(files.path)/token"))) { followed in
                try await followed.wait("the refusal") {
                    $0.watch("pods")?.status?.lastFailure?.description.contains("401 Unauthorized") ?? false
                }
                #expect(followed.current.objects.isEmpty)
                try files.write(try await cluster.token(granting: rights), "token")
                try await followed.waitUntilComplete()
            }
        }
    }

    private func events(_ cluster: any TestCluster, _ token: String, _ body: (EventRecorder) async throws -> Void)
        async throws
    {
        let connection = APIServerConnection(
            cluster.access(token: .bytes(Array(token.utf8))), userAgent: FollowedCluster.userAgent)
        let recorder = EventRecorder(
            connection, node: "one", logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        do {
            try await body(recorder)
        } catch {
            await connection.shutdown()
            throw error
        }
        await connection.shutdown()
    }

    private func reports(_ cluster: any TestCluster) -> [ObjectReport] {
        let policy = cluster.key(.networkPolicy, "rules")
        let long = cluster.key(.pod, String(repeating: "p", count: 253))
        return [
            ObjectReport(object: policy, uid: "u-1", reason: "Refused", message: "is not enforced: \"x\""),
            ObjectReport(object: policy, uid: "u-1", reason: "PartlyUnderstood", message: "is, in part, not enforced"),
            ObjectReport(
                object: long, uid: "", reason: "NotEnforceable", message: String(repeating: "long ", count: 400)),
        ]
    }

    /// Events of the recorder are Events that can be read; without the right to them there are none, until it is given.
    @Test(arguments: OfferedCluster.offered) func eventsArrive(offered: OfferedCluster) async throws {
        let rights = try Self.deployed()
        try await offered.with { cluster in
            let reports = reports(cluster)
            let token = try await cluster.token(granting: [])
            try await events(cluster, token) { recorder in
                await recorder.record(reports)
                let none = try await cluster.events(in: cluster.namespace)
                #expect(none.isEmpty)
                try await cluster.grant(rights, toToken: token)
                let deadline = ContinuousClock.now + .seconds(60)
                while try await cluster.events(in: cluster.namespace).count < reports.count,
                    ContinuousClock.now < deadline
                {
                    await recorder.record(reports)
                    try await Task.sleep(for: .milliseconds(20))
                }
            }
            // The same report from another node is not news.
            try await events(cluster, token) { await $0.record(reports) }
            try Self.check(try await cluster.events(in: cluster.namespace), reports, cluster)
        }
    }

    private static func check(
        _ events: [DocumentNode], _ reports: [ObjectReport], _ cluster: any TestCluster
    ) throws {
        #expect(events.count == reports.count)
        for report in reports {
            let event = try #require(events.first { $0["reason"]?.string == report.reason })
            #expect(event["message"]?.string == String(report.message.prefix(1000)))
            #expect(event["type"]?.string == "Warning" && event["count"]?.value == .integer(1))
            let object = event["involvedObject"]
            #expect(object?["kind"]?.string == report.object.kind.rawValue)
            #expect(object?["apiVersion"]?.string == report.object.kind.apiVersion)
            #expect(object?["name"]?.string == report.object.name)
            #expect(object?["namespace"]?.string == cluster.namespace)
            #expect(object?["uid"]?.string == (report.uid.isEmpty ? nil : report.uid))
            #expect(event["source"]?["component"]?.string == "bulkhead")
            #expect(event["reportingComponent"]?.string == "bulkhead" && event["reportingInstance"]?.string == "one")
            #expect(event["lastTimestamp"]?.string?.hasSuffix("Z") == true)
        }
    }

    /// Events about cluster-wide objects are in `default`.
    @Test(arguments: OfferedCluster.own) func eventsOfClusterWideObjectsArrive(offered: OfferedCluster) async throws {
        let rights = try Self.deployed()
        try await offered.with { cluster in
            let token = try await cluster.token(granting: rights)
            let report = ObjectReport(
                object: ObjectKey(kind: .clusterNetworkPolicy, namespace: "", name: cluster.namespace), uid: "u-2",
                reason: "GuardrailBefore", message: "has no effect on a node")
            try await events(cluster, token) { recorder in
                let deadline = ContinuousClock.now + .seconds(60)
                var event: DocumentNode?
                while event == nil, ContinuousClock.now < deadline {
                    await recorder.record([report])
                    event = try await cluster.events(in: "default").first {
                        $0["involvedObject"]?["name"]?.string == cluster.namespace
                    }
                }
                #expect(event?["reason"]?.string == "GuardrailBefore" && event?["involvedObject"]?["namespace"] == nil)
            }
        }
    }
}
