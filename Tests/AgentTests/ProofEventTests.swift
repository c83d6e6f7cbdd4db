// SPDX-License-Identifier: Apache-2.0
import APIServerKit
import Agent
import CompiledPolicy
import ControlProtocol
import KubernetesClient
import KubernetesObjects
import Manifests
import PolicyModel
import Testing

/// A kernel that decides otherwise than policy is reported by an Event about the node.
@Suite(.serialized) struct ProofEventTests {
    @Test func aBurstOfDisagreementsIsOneEvent() async throws {
        let fixture = try AgentFixture(cluster: ClusterTests.follower(), selfProof: 100)
        let server = try APIServer()
        let connection = APIServerConnection(
            try Kubeconfig.read(Array(server.kubeconfig().utf8), file: "config"), userAgent: "test")
        let recorder = EventRecorder(connection, node: "node", logger: AgentFixture.silent)
        try await fixture.agent.start(ManifestChange())
        let objects = try AgentFixture.objects(AgentFixture.shop)
        await fixture.agent.clusterChanged(ClusterUpdate(stage: .complete, events: objects.map { .set($0) }))
        #expect(await fixture.agent.reports().isEmpty)
        for _ in 0..<3 {
            var lie = fixture.kernel.policy
            for id in lie.endpoints.keys { lie.endpoints[id]?.ingress = .none }
            let before = fixture.kernel.calls.count { $0 == "resync" }
            fixture.kernel.state.withLock { [lie] in $0.lie = lie }
            #expect(try await eventually { fixture.kernel.calls.count { $0 == "resync" } > before })
            await recorder.record(await fixture.agent.reports())
        }
        let reports = await fixture.agent.reports()
        #expect(reports.map(\.reason) == ["KernelDisagrees"])
        #expect(server.events.count == 1)
        let event = try #require(server.events.first)
        let object = event["involvedObject"]
        #expect(object?["kind"]?.string == "Node" && object?["name"]?.string == "node")
        #expect(object?["uid"]?.string == "node" && object?["namespace"] == nil)
        #expect(event["metadata"]?["namespace"]?.string == "default")
        #expect(event["source"]?["host"]?.string == "node")
        let message = try #require(event["message"]?.string)
        #expect(message.contains("10.1.0.2"), "\(message)")
        #expect(message.hasPrefix("its kernel decided otherwise than policy at 20"), "\(message)")
        await connection.shutdown()
        await fixture.agent.stop()
    }
}
