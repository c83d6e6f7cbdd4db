// SPDX-License-Identifier: Apache-2.0
import Agent
import ControlProtocol
import ControlSocket
import Glibc
import NetworkKit
import NetworkTypes
import PolledThread
import ServiceLifecycle
import Testing

/// What status and endpoints say about the way of requests to the node's proxy, over the real kernel; needs root.
/// One test at a time: each has a network namespace and waits for timers, which a busy machine delays.
@Suite(.serialized) struct RequestStatusTests {
    private static let link: UInt32 = 4000

    /// An agent in a network namespace of its own, with a socket.
    private static func with(_ body: (SocketFixture, NetNamespace) async throws -> Void) async throws {
        let namespace = NetNamespace(name: "\(NetNamespace.prefix)\(getpid())-requests")
        _ = try await onOwnThread { try NetProcess.run(["ip", "netns", "add", namespace.name]) }
        let thread = try KernelThread {
            do { try namespace.enter() } catch { preconditionFailure("\(error)") }
        }
        let outcome: Result<Void, any Error>
        do {
            let base = try AgentFixture(thread: thread)
            try await SocketFixture.serve(base, RequestFixture.world) { try await body($0, namespace) }
            await base.agent.stop()
            outcome = .success(())
        } catch {
            outcome = .failure(error)
        }
        _ = try await onOwnThread { namespace.remove() }
        try outcome.get()
    }

    private static func requests(_ fixture: SocketFixture) async throws -> RequestStatus {
        try #require(await fixture.agent.status().requests)
    }

    private static func condition(_ fixture: SocketFixture) async -> StatusCondition? {
        await fixture.agent.status().conditions.first { $0.kind == .requests }
    }

    private static func text(_ fixture: SocketFixture, _ command: String) async throws -> String {
        let arguments = [command, "--socket", fixture.path]
        return try await onOwnThread { try CommandLine.run("bulkheadctl", arguments) }.output
    }

    /// A network in which the proxy's pod is behind a device.
    private static func network(proxy: Bool) -> FakeNetwork {
        let network = FakeNetwork()
        network.add("veth2", index: 5, address: "10.1.0.2")
        if proxy { network.add("proxy0", index: link, address: "10.1.0.9") }
        return network
    }

    @Test func eachCauseIsNamedUntilFlowsGetThere() async throws {
        try await Self.with { fixture, namespace in
            let agent = fixture.agent
            await agent.networkChanged(.success(Self.network(proxy: false).state))
            let missing = try await Self.requests(fixture)
            #expect(!missing.proxyReady && !missing.steered && missing.proxyPod == nil && missing.endpoints == 1)
            #expect(missing.problem?.contains("no pod of this node has the service account") == true)

            let follower = await agent.followRequests(decides: true)
            let lacksPod = try await Self.requests(fixture)
            #expect(lacksPod.proxyReady && !lacksPod.steered)
            #expect(lacksPod.problem?.hasPrefix("a decider follows, but no pod of this node") == true)
            #expect(await Self.condition(fixture)?.message.contains("the node's proxy cannot be reached for") == true)

            await agent.manifestsChanged(try AgentFixture.change(RequestFixture.proxy))
            #expect(try await Self.requests(fixture).problem == "no interface of this node leads to its pod")

            // The kernel does not have the device to which the route must lead.
            await agent.networkChanged(.success(Self.network(proxy: true).state))
            let failed = try await Self.requests(fixture)
            #expect(failed.proxyReady && !failed.steered && failed.proxyPod == "kube-system/bulkhead-http-x")
            #expect(failed.problem?.hasPrefix("flows cannot be handed to the request proxy: ") == true)
            let condition = try #require(await Self.condition(fixture))
            let cause = try #require(failed.problem)
            #expect(!condition.isProblem && condition.message.contains(cause))
            #expect(try await Self.text(fixture, "status").contains("cannot be reached for"))
            #expect(
                try await eventually { await Self.condition(fixture)?.isProblem == true },
                "what lasts is a problem")
            #expect(await agent.metrics().contains { $0.name == "bulkhead_request_proxy_missing_seconds" })

            try await Self.addLink(in: namespace)
            await agent.networkChanged(.success(Self.network(proxy: true).state))
            let there = try await Self.requests(fixture)
            #expect(there.steered && there.problem == nil && there.missingSeconds == nil, "\(there)")
            #expect(there.proxyPod == "kube-system/bulkhead-http-x")
            #expect(await Self.condition(fixture) == nil)
            #expect(
                try await Self.text(fixture, "status").contains(
                    "1 pod with flows whose requests decide; they go through the proxy kube-system/bulkhead-http-x\n"))
            await agent.unfollow(follower)
        }
    }

    /// The ports are those of the rules that read requests, whether or not the proxy is there.
    @Test func endpointsNameTheirPorts() async throws {
        try await Self.with { fixture, namespace in
            let rows = try await Self.text(fixture, "endpoints").split(separator: "\n").map { $0.split(separator: " ") }
            #expect(rows.first?.last == "REQUESTS")
            #expect(rows.first { $0[1] == "shoes" }?.last == "8080")
            #expect(rows.first { $0[1] == "web" }?.last == "-")
            try await Self.addLink(in: namespace)
            await fixture.agent.manifestsChanged(try AgentFixture.change(RequestFixture.proxy))
            await fixture.agent.networkChanged(.success(Self.network(proxy: true).state))
            let follower = await fixture.agent.followRequests(decides: true)
            let table = try await onOwnThread {
                try namespace.run { try NetProcess.run(["nft", "list", "table", "inet", "bulkhead-requests"]) }
            }
            #expect(table.contains("10.1.0.2 . 8080"), "\(table)")
            await fixture.agent.unfollow(follower)
        }
    }

    private static func addLink(in namespace: NetNamespace) async throws {
        try await onOwnThread {
            try namespace.run {
                let device = ["proxy0", "index", "\(link)", "type", "veth", "peer", "name", "proxy1"]
                try NetProcess.run(["ip", "link", "add"] + device)
                // Without an address of its own a node has no local table, and takes no gateway for one of a neighbor.
                for end in ["lo", "proxy0", "proxy1"] { try NetProcess.run(["ip", "link", "set", end, "up"]) }
            }
        }
    }
}
