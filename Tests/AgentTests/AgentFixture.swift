// SPDX-License-Identifier: Apache-2.0
import Agent
import ControlProtocol
import ControlSocket
import Datapath
import Glibc
import JournalFiles
import KubernetesClient
import KubernetesObjects
import Logging
import Manifests
import NetworkTypes
import NodeNetwork
import PolicyModel
import PolledThread
import Testing

/// An agent over a fake kernel, with a directory of its own.
struct AgentFixture {
    let kernel = FakeKernel()
    let agent: Agent<FakeDatapath>
    let directory: TemporaryDirectory

    init(
        in directory: TemporaryDirectory? = nil, watchInterval: Duration = .seconds(3600),
        interfaceGrace: Duration = .seconds(15), thread: KernelThread? = nil,
        removeOther: (@Sendable () throws -> [String])? = nil, cluster: ClusterFollower? = nil,
        readNetwork: (@Sendable () throws(NodeNetworkError) -> NetworkState)? = nil, logger: Logger? = nil,
        withDirectories: Bool = true, services: (any ServiceSource)? = nil, journal: JournalWriter? = nil,
        selfProof: Double = 0, comparisonInterval: Duration = .seconds(600), flows: FlowSettings = FlowSettings(),
        connections: (@Sendable (_ isWanted: (Flow) -> Bool) throws -> [LiveConnection])? = nil,
        isOtherInForce: Bool = false
    ) throws {
        let directory = try directory ?? TemporaryDirectory()
        self.directory = directory
        var settings = AgentSettings(
            nodeName: "node", manifestDirectory: withDirectories ? "/manifests" : nil,
            guardrailDirectory: withDirectories ? "/guardrails" : nil,
            datapathKind: "fake", datapathReason: "for tests", watchInterval: watchInterval,
            interfaceGrace: interfaceGrace, removeOther: removeOther,
            pushedFile: PushedFile(path: directory.path + "/pushed.json"),
            cluster: cluster, attachmentFile: AttachmentFile(path: directory.path + "/attachments.json"),
            readNetwork: readNetwork, journal: journal, selfProof: selfProof, flows: flows)
        if let services { settings.services = services }
        settings.comparisonInterval = comparisonInterval
        settings.connections = connections
        settings.connectionLosses = { ConnectionLosses(dropped: 4, clashed: 5, evicted: 6) }
        settings.isOtherInForce = { isOtherInForce }
        agent = Agent(
            settings: settings, thread: try thread ?? KernelThread(), datapath: FakeDatapath(kernel),
            logger: logger ?? Self.silent)
    }

    static var silent: Logger { Logger(label: "test") { _ in SwiftLogNoOpLogHandler() } }

    /// Starts it with what these manifests hold.
    func start(_ manifests: String = AgentFixture.shop) async throws {
        try await agent.start(try Self.change(manifests))
    }

    static func change(_ manifests: String) throws -> ManifestChange {
        ManifestChange(events: try objects(manifests).map { .set($0) })
    }

    static func objects(_ manifests: String) throws -> [KubernetesObject] {
        try ObjectBatch.decode(Array(manifests.utf8)).objects
    }

    /// `shop`, with the policy of redis in audit.
    static let auditedShop = shop.replacing(
        "metadata: {name: redis, namespace: shop}\nspec:\n  podSelector",
        with:
            "metadata: {name: redis, namespace: shop, annotations: {bulkhead.dev/enforcement: audit}}\n"
            + "spec:\n  podSelector")

    /// Two pods of this node; redis takes only web, and only on its port.
    static let shop = """
        apiVersion: v1
        kind: Namespace
        metadata: {name: shop}
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: web, namespace: shop, labels: {app: web}}
        spec: {nodeName: node, containers: [{name: c, image: i}]}
        status: {phase: Running, podIPs: [{ip: 10.1.0.1}]}
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: redis, namespace: shop, labels: {app: redis}}
        spec: {nodeName: node, containers: [{name: c, image: i}]}
        status: {phase: Running, podIPs: [{ip: 10.1.0.2}]}
        ---
        \(policy)
        """

    static let policy = """
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata: {name: redis, namespace: shop}
        spec:
          podSelector: {matchLabels: {app: redis}}
          ingress:
          - from: [{podSelector: {matchLabels: {app: web}}}]
            ports: [{port: 6379}]
        """

    static func question(_ from: String, _ to: String, _ port: UInt16) throws -> FlowQuestion {
        FlowQuestion(
            from: try #require(FlowEnd(from)), to: try #require(FlowEnd(to)),
            ipProtocol: .tcp, port: port)
    }

    /// What the agent says of each TCP flow, in order.
    func verdicts(of flows: [(from: String, port: UInt16)], to: String) async throws -> [String] {
        var verdicts: [String] = []
        for flow in flows {
            let answer: VerdictAnswer = try await agent.verdict(try Self.question(flow.from, to, flow.port))
            verdicts.append(answer.verdict)
        }
        return verdicts
    }
}

extension Agent where Plane: ~Copyable {
    /// Follows what happens from now on, of these kinds.
    func follow(_ kinds: Set<FlowRecord.Kind>) -> EventFollower {
        var options = StreamOptions.news
        options.filter.kinds = Set(kinds.compactMap { FlowKind(rawValue: $0.rawValue) })
        return followEvents(options)
    }
}

/// A directory that is removed with the last reference to it.
final class TemporaryDirectory: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/bulkhead-test-XXXXXX".utf8CString)
        let made = mkdtemp(&template)
        path = made.map { String(cString: $0) } ?? ""
        try #require(!path.isEmpty)
    }

    deinit {
        if let entries = opendir(path) {
            while let entry = readdir(entries) {
                let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                    pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                }
                unlink("\(path)/\(name)")
            }
            closedir(entries)
        }
        rmdir(path)
    }
}

/// Waits until `condition` holds, asking every 5 ms, for at most `seconds`.
func eventually(seconds: Double = 60, _ condition: () async throws -> Bool) async throws -> Bool {
    let end = ContinuousClock.now + .seconds(seconds)
    var tries = 0
    // Other tests may hold all threads for seconds: whom this waits for sleeps as long then.
    while ContinuousClock.now < end || tries < 100 {
        if try await condition() { return true }
        try await Task.sleep(for: .milliseconds(5))
        tries += 1
    }
    return try await condition()
}
