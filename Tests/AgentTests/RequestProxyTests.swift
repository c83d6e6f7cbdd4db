// SPDX-License-Identifier: Apache-2.0
import Agent
import ControlProtocol
import ControlSocket
import Glibc
import KubernetesClient
import KubernetesObjects
import NetworkKit
import PolledThread
import PrometheusText
import ServiceLifecycle
import Synchronization
import Testing

/// Which pod is the node's request proxy, and when flows are steered to it: rules and routes of a kernel, over the fake
/// datapath. Needs root.
/// One test at a time: each waits for answers and timers, which a busy machine delays.
@Suite(.serialized) struct RequestProxyTests {
    /// An agent with a network namespace of its own, in which devices stand in for the interfaces of pods.
    private struct Node {
        let fixture: AgentFixture
        let namespace: NetNamespace
        let network = FakeNetwork()
        private let devices: [String: UInt32]
        private static let serial = Atomic<Int>(0)
        private static let names = (1...3).map { "veth\($0)" }

        init() async throws {
            let number = Self.serial.add(1, ordering: .relaxed).newValue
            let namespace = NetNamespace(name: "\(NetNamespace.prefix)\(getpid())-requests\(number)")
            devices = try await onOwnThread {
                try NetProcess.run(["ip", "netns", "add", namespace.name])
                // Without an address the kernel knows no gateway.
                try namespace.ip(
                    ["link set lo up"]
                        + Self.names.flatMap {
                            ["link add \($0) type veth peer name p\($0)", "link set \($0) up", "link set p\($0) up"]
                        })
                return try namespace.run {
                    Dictionary(uniqueKeysWithValues: Self.names.map { ($0, if_nametoindex($0)) })
                }
            }
            self.namespace = namespace
            let thread = try KernelThread {
                do { try namespace.enter() } catch { preconditionFailure("\(error)") }
            }
            fixture = try AgentFixture(interfaceGrace: .zero, thread: thread, cluster: ClusterTests.follower())
            try await fixture.agent.start(ManifestChange())
            await fixture.agent.clusterChanged(
                ClusterUpdate(stage: .complete, events: try AgentFixture.objects(RequestFixture.world).map { .set($0) })
            )
        }

        func stop() async throws {
            await fixture.agent.stop()
            let namespace = namespace
            _ = try await onOwnThread { namespace.remove() }
        }

        /// A pod with an interface.
        func add(
            _ name: String, _ address: String, by device: String, account: String = "bulkhead-http",
            namespace: String = "kube-system"
        ) async throws {
            let pod = """
                apiVersion: v1
                kind: Pod
                metadata: {name: \(name), namespace: \(namespace)}
                spec: {nodeName: node, serviceAccountName: \(account)}
                status: {phase: Running, podIPs: [{ip: \(address)}]}
                """
            network.add(device, index: devices[device] ?? 0, address: address)
            await fixture.agent.networkChanged(.success(network.state))
            await fixture.agent.clusterChanged(
                ClusterUpdate(stage: .following, events: try AgentFixture.objects(pod).map { .set($0) }))
        }

        func remove(_ name: String) async {
            let key = ObjectKey(kind: .pod, namespace: "kube-system", name: name)
            await fixture.agent.clusterChanged(ClusterUpdate(stage: .following, events: [.removed(key)]))
        }

        /// The device to which flows are steered; nil: they are refused.
        func way() async throws -> String? {
            let namespace = namespace
            return try await onOwnThread {
                // Without a route there is no such table.
                let routes = (try? namespace.command("ip", "route", "show", "table", "9105")) ?? ""
                let words = routes.split(whereSeparator: \.isWhitespace)
                return words.firstIndex(of: "dev").map { String(words[$0 + 1]) }
            }
        }

        /// Whether the proxy is ready: what the status says, which all else must agree with.
        func isReady() async throws -> Bool {
            let status = await fixture.agent.status()
            let isReady = status.requests?.proxyReady == true
            let metric = await fixture.agent.metrics().first { $0.name == "bulkhead_request_proxy_ready" }
            #expect(metric?.samples.first?.value == .number(isReady ? 1 : 0))
            #expect(status.conditions.contains { $0.kind == .requests } == !isReady)
            let reports = await fixture.agent.reports().filter { $0.reason == "RequestProxyMissing" }
            #expect(reports.map(\.object.name) == (isReady ? [] : ["shoes-writer"]))
            return isReady
        }
    }

    private static func with(_ body: (Node) async throws -> Void) async throws {
        let node = try await Node()
        do {
            try await body(node)
        } catch {
            try await node.stop()
            throw error
        }
        try await node.stop()
    }

    /// One pod is the proxy until it goes; then another with the same identity is.
    @Test func aProxyIsReplaced() async throws {
        try await Self.with { node in
            _ = await node.fixture.agent.followRequests(decides: true)
            #expect(try await node.way() == nil)
            try await node.add("strange", "10.1.0.7", by: "veth3", namespace: "shop")
            try await node.add("other", "10.1.0.8", by: "veth3", account: "other")
            #expect(try await node.way() == nil)
            try await node.add("proxy-b", "10.1.0.9", by: "veth1")
            #expect(try await node.way() == "veth1")
            // Earlier by name, but later.
            try await node.add("proxy-a", "10.1.0.10", by: "veth2")
            #expect(try await node.way() == "veth1")
            await node.remove("proxy-b")
            #expect(try await node.way() == "veth2")
            await node.remove("proxy-a")
            #expect(try await node.way() == nil)
            try await node.add("proxy-b", "10.1.0.9", by: "veth1")
            #expect(try await node.way() == "veth1")
        }
    }

    /// A new pod of a DaemonSet's may have the address of the one before.
    @Test func anAddressMovesToTheNextProxy() async throws {
        try await Self.with { node in
            _ = await node.fixture.agent.followRequests(decides: true)
            try await node.add("proxy-b", "10.1.0.9", by: "veth1")
            #expect(try await node.way() == "veth1")
            await node.remove("proxy-b")
            node.network.removeAll()
            try await node.add("proxy-c", "10.1.0.9", by: "veth2")
            #expect(try await node.way() == "veth2")
        }
    }

    /// While any decider follows, or did a moment ago, the proxy is ready.
    @Test func decidersComeAndGo() async throws {
        try await Self.with { node in
            let agent = node.fixture.agent
            try await node.add("proxy", "10.1.0.9", by: "veth1")
            #expect(try await !node.isReady())
            #expect(try await node.way() == nil)
            // One that only looks on.
            let onlooker = await agent.followRequests(decides: false)
            #expect(try await !node.isReady())
            let (first, second) = (
                await agent.followRequests(decides: true), await agent.followRequests(decides: true)
            )
            #expect(try await node.isReady())
            #expect(try await node.way() == "veth1")
            await agent.unfollow(first)
            await agent.unfollow(second)
            // Back at once.
            let third = await agent.followRequests(decides: true)
            await agent.unfollow(onlooker)
            // Longer than the daemon waits for one.
            try await Task.sleep(for: .milliseconds(1200))
            #expect(try await node.isReady())
            #expect(try await node.way() == "veth1")
            await agent.unfollow(third)
            #expect(try await node.way() == "veth1", "it may come back at once")
            #expect(try await eventually { try await node.way() == nil })
            #expect(try await !node.isReady())
            _ = await agent.followRequests(decides: true)
            #expect(try await node.isReady())
            #expect(try await node.way() == "veth1")
        }
    }

    /// Only users that the settings name make the proxy ready.
    @Test func anotherUserIsNoDecider() async throws {
        try #require(geteuid() == 0, "this test needs root")
        for (users, isServed) in [([], false), ([12345], false), ([12345, 65534], true)] as [(Set<uid_t>, Bool)] {
            let fixture = try AgentFixture()
            try await fixture.start(RequestFixture.world)
            chmod(fixture.directory.path, 0o755)
            let path = fixture.directory.path + "/requests"
            let (ready, signal) = AsyncStream.makeStream(of: Void.self)
            let server = ControlServer(
                file: try SocketFile(path: path), backend: fixture.agent, scope: .requests(users: users),
                logger: AgentFixture.silent
            ) { signal.finish() }
            let group = ServiceGroup(configuration: .init(services: [server], logger: AgentFixture.silent))
            let running = Task { try await group.run() }
            for await _ in ready {}
            let follower = try await onOwnThread { try Self.startFollowing(path, user: 65534) }
            if isServed {
                #expect(try await eventually { follower.output.contains("\"commit\"") })
            } else {
                #expect(try await eventually { follower.status != nil })
                #expect(!follower.output.contains("shoes"))
            }
            #expect(await fixture.agent.status().requests?.proxyReady == isServed, "\(users)")
            _ = try await onOwnThread { try follower.stop(SIGKILL) }
            await fixture.agent.endFollowing()
            await group.triggerGracefulShutdown()
            try await running.value
        }
    }

    private static func startFollowing(_ path: String, user: Int) throws -> NetProcess {
        try NetProcess([
            "setpriv", "--reuid=\(user)", "--regid=\(user)", "--clear-groups", "curl", "-sS", "--no-buffer",
            "--fail-with-body", "--unix-socket", path, "http://x/v1/requests/follow",
        ])
    }
}
