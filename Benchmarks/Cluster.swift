// SPDX-License-Identifier: Apache-2.0
import APIServerKit
import DocumentKit
import Documents
import Foundation
import KubernetesObjects
import KubernetesProtobuf
import NetworkKit

/// What the whole daemon needs for a large cluster that it follows: 150,000 pods of 5,000 applications in 250
/// namespaces, a policy for each application, some 110 of the pods on its own node.
@Sendable func benchCluster() throws {
    let cluster = try PreparedCluster()
    let parsed = try processorMilliseconds {
        for page in cluster.pods where try ProtobufList.decode(page, kind: .pod).objects.count != PreparedCluster.page {
            throw WrongCount()
        }
    }
    let empty = try FollowedNode(PreparedCluster(applications: 0))
    let start = try empty.usage
    let read = try empty.readerMilliseconds(cluster.pods)
    empty.close()

    let node = try FollowedNode(cluster)
    defer { node.close() }
    let whole = try node.usage
    let count = PreparedCluster.applications * PreparedCluster.replicas
    print("cluster: \(count) pods of \(cluster.bytes / count) bytes, \(PreparedCluster.applications) policies")
    print("cluster: from the daemon's start to all in force: \(shown(whole.milliseconds)) ms of CPU (target 1,000)")
    print("cluster: of an empty cluster: \(shown(start.milliseconds)) ms, \(shown(start.resident)) MB")
    print("cluster: reading the pods' pages alone, in process: \(shown(parsed)) ms")
    print(
        "cluster: curl fetching the same pages to /dev/null: \(shown(read)) ms;",
        "the daemon \(shown((whole.milliseconds - start.milliseconds) / read)) times that")
    print("cluster: resident \(shown(whole.resident)) MB (target 150), at most \(shown(whole.peak)) MB")

    var events = cluster.events[...]
    for batch in [1, 20] {
        let idle = try node.share(seconds: 5) { _ in }
        let busy = try node.share(seconds: 10) { tick in
            guard tick % batch == 0 else { return }
            node.send(events.prefix(batch).flatMap { $0 })
            events.removeFirst(batch)
        }
        print(
            "cluster: 1,000 pod events a second, \(batch) at a time: \(shown(busy)) % of a core (target 5),",
            "idle \(shown(idle)) %")
    }
    try node.check()
    let after = try node.usage
    print("cluster: resident after them \(shown(after.resident)) MB, at most \(shown(after.peak)) MB")
}

/// The answers of an API server, made beforehand.
private struct PreparedCluster {
    static let applications = 5000
    static let replicas = 30
    /// Objects of a page.
    static let page = 500
    static let nodeName = "ip-172-16-0-1.eu-west-1.compute.internal"

    private(set) var pods: [[UInt8]] = []
    private(set) var others: [ObjectKind: [[UInt8]]] = [:]
    /// Frames of a watch, 20,000.
    private(set) var events: [[UInt8]] = []
    var bytes: Int { pods.reduce(0) { $0 + $1.count } }

    init(applications: Int = PreparedCluster.applications) throws {
        let numbers = 0..<applications * Self.replicas
        pods = try Self.pages(.pod, numbers, ProtobufPod.json)
        others[.namespace] = try Self.pages(.namespace, 0..<(applications + 19) / 20) { number in
            """
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop-\(number)",
             "labels": {"kubernetes.io/metadata.name": "shop-\(number)", "team": "team-\(number % 40)"}}}
            """
        }
        others[.networkPolicy] = try Self.pages(.networkPolicy, 0..<applications, Self.policy)
        others[.node] = try Self.pages(.node, 0..<1) { _ in
            """
            {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "\(Self.nodeName)"},
             "status": {"addresses": [{"type": "InternalIP", "address": "172.16.0.1"}]}}
            """
        }
        if applications > 0 { events = try Self.churn() }
    }

    private static func pages(_ kind: ObjectKind, _ numbers: Range<Int>, _ json: (Int) -> String) throws -> [[UInt8]] {
        let starts = numbers.isEmpty ? [0] : Array(stride(from: 0, to: numbers.count, by: page))
        return try starts.enumerated().map { number, start in
            let nodes = try numbers.dropFirst(start).prefix(page).map { try JSONReader.read(Array(json($0).utf8)) }
            let isLast = start + page >= numbers.count
            let metadata = """
                {"resourceVersion": "1000", "continue": "\(isLast ? "" : "prepared.\(number + 1)")"}
                """
            return try ProtobufWriter.list(of: kind, nodes, metadata: JSONReader.read(Array(metadata.utf8)))
        }
    }

    private static func policy(_ application: Int) -> String {
        func pods(_ name: String) -> String { #"{"matchLabels": {"app.kubernetes.io/name": "\#(name)"}}"# }
        let first = application / 20 * 20
        func peer(_ distance: Int) -> String {
            #"{"podSelector": \#(pods("checkout-\(first + (application + distance) % 20)"))}"#
        }
        return """
            {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
             "metadata": {"name": "checkout-\(application)", "namespace": "shop-\(application / 20)"},
             "spec": {
              "podSelector": \(pods("checkout-\(application)")), "policyTypes": ["Ingress", "Egress"],
              "ingress": [
               {"from": [\(peer(1)), \(peer(2))], "ports": [{"port": \(8000 + application % 20)}]},
               {"from": [{"namespaceSelector": {"matchLabels": {"team": "team-\(application / 20 % 40)"}},
                          "podSelector": {"matchLabels": {"app.kubernetes.io/component": "web"}}}],
                "ports": [{"port": "metrics"}]}],
              "egress": [
               {"to": [\(peer(3))], "ports": [{"port": 5432}, {"port": 6379}]},
               {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53}]},
               {"to": [{"ipBlock": {"cidr": "203.0.\(application % 256).0/24"}}], "ports": [{"port": 443}]}]}}
            """
    }

    // MARK: Changes

    /// A deployment that rolls through the cluster: one pod goes, another is made, gets a node, gets an address.
    private static func churn() throws -> [[UInt8]] {
        try (0..<5000).flatMap { round in
            let number = round * 29 % (applications * replicas)
            let old = try JSONReader.read(Array(ProtobufPod.json(number).utf8))
            let text = ProtobufPod.json(number).replacing("8a5d3f1e-77a0", with: "9b\(100_000 + round)-77a0")
            let new = try JSONReader.read(Array(text.utf8))
            let pending = DocumentNode.object([("phase", .text("Pending"))])
            let placed = new.setting("status", to: pending)
            let unplaced = placed.setting("spec", to: new["spec"]?.removing(["nodeName"]) ?? .object([]))
            let steps = [("DELETED", old), ("ADDED", unplaced), ("MODIFIED", placed), ("MODIFIED", new)]
            return try steps.enumerated().map { step, event in
                let version = DocumentNode.text("\(2_000_000_000 + round * 4 + step)")
                let metadata = event.1["metadata"]?.setting("resourceVersion", to: version) ?? .object([])
                return try ProtobufWriter.watchFrame(type: event.0, object: event.1.setting("metadata", to: metadata))
            }
        }
    }
}

/// A node with the daemon, which follows a stand-in.
private final class FollowedNode {
    struct Usage {
        var milliseconds: Double
        /// Megabytes.
        var resident: Double
        var peak: Double
    }

    private let world: NetWorld
    private let api: APIServer
    private let daemon: NetDaemon

    /// Returns when all is in force.
    init(_ cluster: PreparedCluster) throws {
        world = try NetWorld(pods: [])
        api = try APIServer(bookmarkMilliseconds: 60_000, in: world.node)
        api.serve(.pod, pages: cluster.pods)
        for (kind, pages) in cluster.others { api.serve(kind, pages: pages) }
        // Answers are processor time of the daemon's, too.
        daemon = try NetDaemon(in: world, following: api, name: PreparedCluster.nodeName, askingEvery: 200)
    }

    func close() {
        _ = try? daemon.stop()
        api.stop()
        world.close()
    }

    func send(_ frames: [UInt8]) { api.send(frames, to: .pod) }

    /// The daemon's, since its start.
    var usage: Usage {
        get throws {
            func megabytes(_ name: String) throws -> Double {
                guard let megabytes = memoryMegabytes(name, of: "\(daemon.pid)") else { throw NetError.missing(name) }
                return megabytes
            }
            return Usage(
                milliseconds: try milliseconds, resident: try megabytes("VmRSS"), peak: try megabytes("VmHWM"))
        }
    }

    private var milliseconds: Double {
        get throws {
            guard let milliseconds = processorMilliseconds(of: daemon.pid) else {
                throw NetError.missing("the daemon's processor time")
            }
            return milliseconds
        }
    }

    /// Percent of a core that the daemon uses while `tick` is called once a millisecond.
    func share(seconds: Int, _ tick: (Int) -> Void) throws -> Double {
        NetClock.sleep(milliseconds: 500)
        let (before, start) = (try milliseconds, NetClock.now)
        for number in 0..<seconds * 1000 {
            tick(number)
            let next = start + UInt64(number + 1) * 1_000_000
            let now = NetClock.now
            if next > now { NetClock.sleep(milliseconds: Double(next - now) / 1e6) }
        }
        return (try milliseconds - before) / (Double(NetClock.now - start) / 1e6) * 100
    }

    /// What came last is known, and all of it came by one watch.
    func check() throws {
        try NetClock.wait("the changes to be known; \(daemon.log)", seconds: 10) {
            try daemon.get("/v1/status").contains(#""resourceVersion":"2000019999""#)
        }
        let lists = api.requests.count { $0.hasSuffix("/pods?limit=500") }
        guard lists == 1 else { throw NetError.missing("a watch that goes on; \(daemon.log)") }
    }

    /// Processor time of curl, which fetches the pages one after another.
    func readerMilliseconds(_ pages: [[UInt8]]) throws -> Double {
        api.serve(.pod, pages: pages)
        let authority = "\(world.directory)/authority"
        try APIServerCertificates.authority.write(toFile: authority, atomically: true, encoding: .utf8)
        let before = childrensMilliseconds()
        try world.node.command(
            "curl", "--silent", "--show-error", "--fail", "--cacert", authority, "--header",
            "Accept: application/vnd.kubernetes.protobuf", "--output", "/dev/null",
            "https://127.0.0.1:\(api.port)/api/v1/pods?limit=500&continue=prepared.[0-\(pages.count - 1)]")
        return childrensMilliseconds() - before
    }
}
