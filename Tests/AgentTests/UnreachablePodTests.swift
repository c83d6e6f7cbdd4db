// SPDX-License-Identifier: Apache-2.0
import APIServerKit
import Agent
import ControlProtocol
import Glibc
import KubernetesClient
import KubernetesObjects
import NetworkKit
import NetworkTypes
import PolledThread
import PrometheusText
import Testing

/// Pods whose packets do not pass the node, so that policy may not hold for them: which ones are reported, and when.
/// One test at a time: each waits for answers and timers, which a busy machine delays.
@Suite(.serialized) struct UnreachablePodTests {
    /// A node that follows an API server, with one that takes its Events.
    private struct Node {
        let fixture: AgentFixture
        let server: APIServer
        let connection: APIServerConnection
        let recorder: EventRecorder
        let network = FakeNetwork()
        private let namespace: NetNamespace

        /// - Parameter grace: how long a pod may be without an interface.
        init(grace: Duration) async throws {
            // What is behind a bridge is taken care of in the kernel, which must not be that of this machine's network.
            let namespace = NetNamespace(name: "\(NetNamespace.prefix)\(getpid())-unreachable")
            _ = try await onOwnThread { try NetProcess.run(["ip", "netns", "add", namespace.name]) }
            self.namespace = namespace
            let thread = try KernelThread {
                do { try namespace.enter() } catch { preconditionFailure("\(error)") }
            }
            fixture = try AgentFixture(interfaceGrace: grace, thread: thread, cluster: ClusterTests.follower())
            server = try APIServer()
            connection = APIServerConnection(
                try Kubeconfig.read(Array(server.kubeconfig().utf8), file: "config"), userAgent: "test")
            recorder = EventRecorder(connection, node: "node", logger: AgentFixture.silent)
            try await fixture.agent.start(ManifestChange())
        }

        func stop() async throws {
            await connection.shutdown()
            await fixture.agent.stop()
            let name = namespace.name
            _ = try await onOwnThread { try NetProcess.run(["ip", "netns", "delete", name]) }
        }

        func set(_ pods: Pod...) async {
            await fixture.agent.clusterChanged(
                ClusterUpdate(stage: .complete, events: pods.map { .set(.pod($0)) }))
        }

        func tellNetwork() async { await fixture.agent.networkChanged(.success(network.state)) }

        /// What the daemon does every ten seconds.
        func report() async { await recorder.record(await fixture.agent.reports()) }

        /// Names and UIDs of the pods that the server has Events of.
        var told: [String] {
            server.events.map { event in
                let object = event["involvedObject"]
                return "\(object?["name"]?.string ?? "") \(object?["uid"]?.string ?? "")"
            }
        }

        /// Pods that `bulkheadctl endpoints` shows no interface of, and how many the metric counts.
        func without() async -> (names: [String], counted: MetricFamily.Sample.Value?) {
            let endpoints = await fixture.agent.endpoints().endpoints
            let family = await fixture.agent.metrics().first { $0.name == "bulkhead_endpoints_without_interface" }
            return (
                endpoints.filter { $0.interface == nil && $0.bridgePort == nil }.map(\.name),
                family?.samples.first?.value
            )
        }
    }

    private static func pod(
        _ name: String, _ address: String, uid: String = "u", node: String = "node", phase: PodPhase = .running,
        hostNetwork: Bool = false
    ) throws -> Pod {
        Pod(
            metadata: ObjectMeta(name: name, namespace: "shop", uid: uid), nodeName: node, hostNetwork: hostNetwork,
            phase: phase, podIPs: [try IPAddress(address)])
    }

    /// Exactly the pods are reported that should have policy and cannot, each once.
    @Test func whoIsToldOf() async throws {
        let node = try await Node(grace: .zero)
        await node.set(
            try Self.pod("macvlan", "10.9.0.1", uid: "u-1"), try Self.pod("routed", "10.1.0.1"),
            try Self.pod("bridged", "10.2.0.1"), try Self.pod("host", "10.9.0.2", hostNetwork: true),
            try Self.pod("done", "10.9.0.3", phase: .succeeded), try Self.pod("failed", "10.9.0.4", phase: .failed),
            try Self.pod("far", "10.9.0.5", node: "node2"))
        // As long as the network is not known, nothing is.
        await node.report()
        #expect(node.server.requests.isEmpty)
        node.network.add("veth5", index: 5, address: "10.1.0.1")
        try node.network.addBridge("cni0", index: 6, port: "veth7", portIndex: 7, address: "10.2.0.1")
        await node.tellNetwork()
        for _ in 0..<3 { await node.report() }
        await node.set(try Self.pod("macvlan", "10.9.0.1", uid: "u-1"))
        await node.tellNetwork()
        await node.report()
        #expect(node.told == ["macvlan u-1"] && node.server.requests.count == 1)
        let event = try #require(node.server.events.first)
        let object = event["involvedObject"]
        #expect(object?["kind"]?.string == "Pod" && object?["apiVersion"]?.string == "v1")
        #expect(object?["namespace"]?.string == "shop" && event["metadata"]?["namespace"]?.string == "shop")
        #expect(event["reason"]?.string == "NotEnforceable" && event["type"]?.string == "Warning")
        #expect(event["message"]?.string?.contains("no interface of this node leads to its addresses") == true)
        #expect(event["source"]?["component"]?.string == "bulkhead" && event["source"]?["host"]?.string == "node")
        let without = await node.without()
        #expect(without.names == ["macvlan"] && without.counted == .number(1))
        let bridged = await node.fixture.agent.endpoints().endpoints.first { $0.name == "bridged" }
        #expect(bridged?.bridgePort?.name == "veth7" && bridged?.interface == nil)
        try await node.stop()
    }

    /// A pod's interface may come some time after its object; the next pod of that name has a time of its own.
    @Test func onlyAfterAWhile() async throws {
        let node = try await Node(grace: .milliseconds(500))
        await node.set(
            try Self.pod("late", "10.1.0.1"), try Self.pod("never", "10.9.0.1", uid: "u-1"),
            try Self.pod("gone", "10.9.0.2"))
        await node.tellNetwork()
        await node.report()
        #expect(node.server.requests.isEmpty)
        node.network.add("veth5", index: 5, address: "10.1.0.1")
        await node.tellNetwork()
        await node.set(try Self.pod("gone", "10.9.0.2", phase: .succeeded))
        let isTold = try await eventually {
            await node.report()
            return !node.server.events.isEmpty
        }
        #expect(isTold && node.told == ["never u-1"])
        await node.set(try Self.pod("never", "10.9.0.1", uid: "u-2"))
        await node.report()
        #expect(node.told == ["never u-1"])
        let isToldAnew = try await eventually {
            await node.report()
            return node.server.events.count > 1
        }
        #expect(isToldAnew && node.told == ["never u-1", "never u-2"])
        #expect(await node.without().names == ["never"])
        try await node.stop()
    }

    /// Endpoints without a Pod object have no object for a report.
    @Test func whoHasNoObject() async throws {
        let node = try await Node(grace: .zero)
        await node.set()
        await node.tellNetwork()
        let held = Task { [agent = node.fixture.agent] in
            try? await agent.attach(
                AttachmentBody(
                    container: "c", ifname: "eth0", network: "net", namespace: "shop", pod: "new", uid: "u",
                    addresses: ["10.9.0.1"], hostInterfaces: [], deadlineMilliseconds: 25000, onDeadline: .deny))
        }
        let isHeld = try await eventually { await node.fixture.agent.status().attachments?.held == 1 }
        await node.report()
        #expect(isHeld && node.server.requests.isEmpty)
        await node.fixture.agent.endFollowing()
        _ = await held.value
        try await node.stop()
    }
}
