// SPDX-License-Identifier: Apache-2.0
import Agent
import ControlProtocol
import Datapath
import Foundation
import NetworkTypes
import PolicyModel
import Testing

/// `POST /v1/preview`, and what `preview` and `apply --dry-run` make of it. One test at a time: each waits for answers.
@Suite(.serialized) struct PreviewTests {
    private static func flow(_ from: String, _ to: String, _ port: UInt16) throws -> Flow {
        Flow(source: try IPAddress(from), destination: try IPAddress(to), ipProtocol: .tcp, destinationPort: port)
    }

    private static func policy(_ port: Int, name: String = "redis") -> String {
        AgentFixture.policy.replacing("6379", with: "\(port)").replacing("name: redis,", with: "name: \(name),")
    }

    private func serve(
        _ connections: Result<[LiveConnection], any Error> = .success([]),
        _ body: (SocketFixture) async throws -> Void
    ) async throws {
        let base = try AgentFixture(flows: FlowSettings(.all)) { isWanted in
            try connections.get().filter { isWanted($0.flow) }
        }
        try await SocketFixture.serve(base, AgentFixture.shop, body)
    }

    private func control(_ fixture: SocketFixture, _ input: String, _ arguments: String...) async throws -> CommandLine
    {
        let arguments = arguments.prefix(1) + ["--socket", fixture.path] + arguments.dropFirst()
        return try await onOwnThread { try CommandLine.run("bulkheadctl", Array(arguments), input: input) }
    }

    private func event(_ fixture: SocketFixture, _ cause: DropEvent.Cause, _ flow: Flow) throws -> DropEvent {
        let redis = try #require(fixture.kernel.policy.endpoints.first { $0.value.name.name == "redis" })
        let rule = fixture.kernel.policy.evaluate(flow).ingress?.rule ?? .noPolicy
        return DropEvent(
            cause: cause, direction: cause == .new ? .egress : .ingress, flow: flow, sourcePort: 40_000,
            endpoint: redis.key, rule: cause == .new ? .noPolicy : rule, interfaceIndex: 0,
            monotonicNanoseconds: EventClock.monotonic)
    }

    /// web reached redis on 6379; the new policy has 80 instead.
    @Test func whatIsCutAndOpened() async throws {
        let live = [
            try Self.flow("10.1.0.1", "10.1.0.2", 6379), try Self.flow("10.1.0.1", "10.1.0.2", 6379),
            try Self.flow("10.1.0.2", "192.0.2.1", 443), try Self.flow("192.0.2.1", "10.1.0.2", 22),
            try Self.flow("192.0.2.1", "192.0.2.2", 6379),
        ].map { LiveConnection(flow: $0) }
        try await serve(.success(live)) { fixture in
            fixture.kernel.tell([
                try event(fixture, .rule, Self.flow("10.1.0.1", "10.1.0.2", 80)),
                try event(fixture, .rule, Self.flow("10.1.0.1", "10.1.0.2", 80)),
                try event(fixture, .rule, Self.flow("192.0.2.1", "10.1.0.2", 80)),
                try event(fixture, .new, Self.flow("10.1.0.1", "10.1.0.2", 6379)),
                try event(fixture, .new, Self.flow("10.1.0.2", "192.0.2.1", 443)),
            ])
            let tables = fixture.kernel.policy.description
            let calls = fixture.kernel.calls.count
            let answer = try await fixture.call("POST", "/v1/preview", Self.policy(80)).decode(NodePreviewAnswer.self)
            #expect(answer.changed == ["NetworkPolicy shop/redis"] && answer.added.isEmpty && answer.isChange)
            #expect(answer.changes.map(\.effect) == [.opened, .cut])
            #expect(answer.changes.map(\.ports) == [["80/TCP"], ["6379/TCP"]])
            #expect(answer.changes.allSatisfy { $0.from.names == ["shop/web"] && $0.to.names == ["shop/redis"] })
            #expect(answer.changes[0].ingress?.rule?.kind == .rule && answer.changes[1].ingress?.kind == "isolation")
            #expect(answer.connections.map(\.count) == [2])
            #expect(
                answer.connections.map { "\($0.source) \($0.destination)" } == [
                    "shop/web (10.1.0.1) shop/redis (10.1.0.2:6379)"
                ])
            #expect(answer.opened.map { "\($0.source) \($0.count)" } == ["shop/web (10.1.0.1) 2"])
            #expect(answer.denied.map(\.destination.port) == [6379] && answer.leftOut.isEmpty)
            // Nothing has changed.
            #expect(fixture.kernel.policy.description == tables)
            let written = fixture.kernel.calls.dropFirst(calls).filter { $0 == "program" || $0 == "resync" }
            #expect(written.isEmpty)
            #expect(
                try await fixture.agent.preview(AgentFixture.objects(Self.policy(6379)), deleting: []).isChange == false
            )
        }
    }

    /// What it names is what the tables say once it is applied.
    @Test func deletionOpensTheRest() async throws {
        try await serve { fixture in
            let answer = try await fixture.call("POST", "/v1/preview?delete=NetworkPolicy/shop/redis", "")
                .decode(NodePreviewAnswer.self)
            #expect(answer.deleted == ["NetworkPolicy shop/redis"])
            #expect(!answer.changes.isEmpty && answer.changes.allSatisfy { $0.effect == .opened })
            let outside = try #require(answer.changes.first { $0.from.networks.contains("0.0.0.0/0") })
            #expect(outside.from.networks.contains("::/0") == false && outside.to.names == ["shop/redis"])
            let unknown = try await fixture.call("POST", "/v1/preview?delete=NetworkPolicy/shop/none", "")
            #expect(unknown.status == 404)
            for query in ["?delete=NetworkPolicy/none", "?delete=Thing/a/b", "?remove=a", "?delete=Node/a/b"] {
                #expect(try await fixture.call("POST", "/v1/preview\(query)", "").status == 400, "\(query)")
            }
            #expect(try await fixture.call("GET", "/v1/preview").status == 405)
            let twice = try await fixture.call("POST", "/v1/preview", Self.policy(1) + "\n---\n" + Self.policy(2))
            #expect(twice.status == 400)
        }
    }

    @Test func theClientShowsIt() async throws {
        let live = [LiveConnection(flow: try Self.flow("10.1.0.1", "10.1.0.2", 6379))]
        try await serve(.success(live)) { fixture in
            fixture.kernel.tell([try event(fixture, .rule, Self.flow("10.1.0.1", "10.1.0.2", 80))])
            let shown = try await control(fixture, Self.policy(80), "preview", "-f", "-")
            #expect(shown.status == 0, "\(shown.complaints)")
            #expect(
                shown.output.replacing(/\d{4}-\d\d-\d\dT[0-9:.]+Z/, with: "TIME") == """
                    NetworkPolicy shop/redis would be changed

                    on node node:
                    EFFECT  FROM      TO          PORTS     VERDICT        DECIDED BY
                    opened  shop/web  shop/redis  80/TCP    deny -> allow  shop/redis ingress rule 1
                    cut     shop/web  shop/redis  6379/TCP  allow -> deny  isolation by shop/redis

                    live connections that would be cut:
                    FROM                 TO                          PROTOCOL  CONNECTIONS  LAST  DECIDED BY
                    shop/web (10.1.0.1)  shop/redis (10.1.0.2:6379)  TCP       1                  isolation by shop/redis

                    flows on record that were denied and would be allowed:
                    FROM                 TO                        PROTOCOL  RECORDS  LAST                      DECIDED BY
                    shop/web (10.1.0.1)  shop/redis (10.1.0.2:80)  TCP       1        TIME  shop/redis ingress rule 1

                    nothing was changed

                    """)
            for (gate, status) in [("opened", 3), ("cut", 3), ("any", 3)] {
                #expect(
                    try await control(fixture, Self.policy(80), "preview", "-f", "-", "--fail-on", gate).status
                        == status)
            }
            let same = try await control(fixture, Self.policy(6379), "preview", "-f", "-", "--exit-code")
            #expect(same.status == 0 && same.output.contains("every flow of its pods keeps its verdict\n"))
            let deleted = try await control(
                fixture, "", "preview", "--delete", "netpol/redis", "-n", "shop", "--fail-on", "cut")
            #expect(deleted.status == 0 && deleted.output.contains("would be deleted"), "\(deleted.complaints)")
            // The same objects under another name are a rehearsal of 'apply'.
            let rehearsed = try await control(fixture, Self.policy(80, name: "more"), "apply", "--dry-run", "-f", "-")
            #expect(
                rehearsed.status == 0 && rehearsed.output.contains("\non node node:\nEFFECT"), "\(rehearsed.output)")
            #expect(
                rehearsed.output.contains(
                    "opened  shop/web  shop/redis  80/TCP  deny -> allow  shop/more ingress rule 1"))
        }
    }

    @Test func unknownConnectionsAreSaid() async throws {
        struct Broken: Error, CustomStringConvertible { let description = "out of \u{1b}[2J order" }
        try await serve(.failure(Broken())) { fixture in
            let shown = try await control(fixture, Self.policy(80), "preview", "-f", "-")
            #expect(shown.output.contains("note: live connections are not known: out of \\u001b[2J order\n"))
        }
    }
}
