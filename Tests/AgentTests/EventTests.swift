// SPDX-License-Identifier: Apache-2.0
import Agent
import CompiledPolicy
import ControlProtocol
import ControlSocket
import Datapath
import FlowTelemetry
import FoundationEssentials
import NetworkTypes
import PolicyModel
import Testing

/// One test at a time: each waits for answers and timers, which a busy machine delays.
@Suite(.serialized) struct EventTests {
    private func drop(_ kernel: FakeKernel, from source: String, port: UInt16) throws -> DropEvent {
        let redis = try #require(kernel.policy.endpoints.first { $0.value.name.name == "redis" })
        let flow = Flow(
            source: try IPAddress(source), destination: try IPAddress("10.1.0.2"), ipProtocol: .tcp,
            destinationPort: port)
        let decision = try #require(kernel.policy.evaluate(flow).ingress)
        return DropEvent(
            cause: .rule, direction: .ingress, flow: flow, sourcePort: 40_000, endpoint: redis.key,
            rule: decision.rule, interfaceIndex: 5, monotonicNanoseconds: 1_000_000_000)
    }

    @Test func aDropIsExplained() async throws {
        let fixture = try AgentFixture()
        try await fixture.start()
        let event = try drop(fixture.kernel, from: "10.1.0.1", port: 80)
        let follower = await fixture.agent.follow([.drop])
        fixture.kernel.tell([event])
        let record = try #require(try await first(of: follower)?.elements.first)
        #expect(record.kind == .drop)
        let told = try #require(record.drop)
        #expect(told.source == EventEnd(address: "10.1.0.1", port: 40_000, pod: "shop/web"))
        #expect(told.destination == EventEnd(address: "10.1.0.2", port: 80, pod: "shop/redis"))
        #expect(told.endpoint == "shop/redis" && told.direction == "ingress" && told.protocol == "TCP")
        #expect(told.rule?.by?.map(\.description) == ["shop/redis"])
        #expect(told.reason.contains("shop/redis"))
        await fixture.agent.unfollow(follower)
        #expect(await fixture.agent.status().followers == 0)
    }

    /// A group's packet was kept from the endpoint that the event names.
    @Test func aDropOfAGroupsPacketIsExplained() async throws {
        let fixture = try AgentFixture()
        try await fixture.start()
        var event = try drop(fixture.kernel, from: "10.1.0.1", port: 80)
        event.flow.destination = try IPAddress("255.255.255.255")
        let follower = await fixture.agent.follow([.drop])
        fixture.kernel.tell([event])
        let told = try #require(try await first(of: follower)?.elements.first?.drop)
        #expect(told.endpoint == "shop/redis" && told.reason.hasPrefix("denied by default: shop/redis "))
        await fixture.agent.stop()
    }

    @Test func aDropByARuleThatIsGoneSaysSo() async throws {
        let fixture = try AgentFixture()
        try await fixture.start()
        var event = try drop(fixture.kernel, from: "10.1.0.1", port: 80)
        event.rule = RuleID(rawValue: 9999)
        event.endpoint = EndpointID(rawValue: 999)
        var spoofed = event
        spoofed.cause = .spoofed
        let follower = await fixture.agent.follow([.drop])
        fixture.kernel.tell([event, spoofed])
        let records = try #require(try await first(of: follower)).elements
        #expect(records.map { $0.drop?.cause } == [.rule, .spoofed])
        #expect(records[0].drop?.rule == nil && records[0].drop?.endpoint == nil)
        #expect(records[0].drop?.reason == "denied by a rule that is gone")
        #expect(records[1].drop?.reason.contains("does not belong") == true)
        await fixture.agent.stop()
    }

    @Test func whatAuditWouldDenyIsToldAsSuch() async throws {
        let fixture = try AgentFixture()
        try await fixture.start()
        let dropped = try drop(fixture.kernel, from: "10.1.0.1", port: 80)
        var passed = dropped
        passed.cause = .audit
        let all = await fixture.agent.follow([.drop, .audit])
        let drops = await fixture.agent.follow([.drop])
        let audits = await fixture.agent.follow([.audit])
        fixture.kernel.tell([dropped, passed])
        let records = try #require(try await first(of: all)).elements
        #expect(records.map(\.kind) == [.drop, .audit])
        #expect(records[1].drop == nil && records[1].audit?.cause == .audit)
        #expect(records[1].audit?.rule?.by?.map(\.description) == ["shop/redis"])
        #expect(records[1].audit?.reason.hasPrefix("not stopped: ") == true)
        #expect(try await first(of: drops)?.elements.map(\.kind) == [.drop])
        #expect(try await first(of: audits)?.elements.map(\.kind) == [.audit])
        await fixture.agent.stop()
    }

    private func first(of follower: EventFollower) async throws -> Backlog<FlowRecord>.Batch? {
        struct Enough: Error { var batch: Backlog<FlowRecord>.Batch }
        do {
            try await follower.batches { throw Enough(batch: $0) }
            return nil
        } catch let enough as Enough {
            return enough.batch
        }
    }

    @Test func whatASlowReaderMissesIsCounted() {
        var backlog = Backlog<Int>(limit: 3)
        for number in 1...10 { backlog.append(number) }
        let first = backlog.take()
        #expect(first.elements == [1, 2, 3] && first.lost == 7)
        #expect(backlog.take().elements.isEmpty)
        backlog.append(11)
        let second = backlog.take()
        #expect(second.elements == [11] && second.lost == 0)
    }

    @Test func theStreamIsNewlineDelimitedJSONUntilTheClientLeaves() async throws {
        try await SocketFixture.serve { fixture in
            let events = try (1...3).map { try drop(fixture.kernel, from: "10.1.0.1", port: UInt16($0)) }
            let path = fixture.path
            let client = try await onOwnThread {
                let client = try RawClient(path)
                client.send(SocketFixture.request("GET", "/v1/events"))
                return client
            }
            #expect(try await eventually { await fixture.agent.status().followers == 1 })
            fixture.kernel.tell(events)
            let text = try await onOwnThread {
                var text = ""
                while text.components(of: "\"kind\":\"drop\"") < 3 {
                    let part = client.receive()
                    if part.isEmpty { break }
                    text += String(decoding: part, as: UTF8.self)
                }
                return text
            }
            #expect(text.contains("application/x-ndjson"))
            // Lines of the chunked coding stand between.
            let lines = text.split(whereSeparator: \.isNewline).filter { $0.hasPrefix("{") }
            let records = try lines.map { try JSONDecoder().decode(FlowRecord.self, from: Data($0.utf8)) }
            #expect(records.compactMap { $0.drop?.destination.port } == [1, 2, 3])
            client.endSending()
            #expect(try await eventually { await fixture.agent.status().followers == 0 })
        }
    }

    @Test func aStreamDoesNotHoldUpTheEnd() async throws {
        // serve() itself ends only when the socket has.
        try await SocketFixture.serve { fixture in
            let path = fixture.path
            let client = try await onOwnThread {
                let client = try RawClient(path)
                client.send(SocketFixture.request("GET", "/v1/events"))
                return client
            }
            #expect(try await eventually { await fixture.agent.status().followers == 1 })
            _ = client
        }
    }
}
