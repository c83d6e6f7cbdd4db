// SPDX-License-Identifier: Apache-2.0
import Agent
import CompiledPolicy
import Datapath
import NetworkTypes
import PolicyResolver
import Testing

/// Names in questions about what was recorded: pods without a namespace, names that do not exist, and output that
/// goes nowhere.
@Suite(.serialized) struct NearMissTests {
    private func serve(_ body: (SocketFixture) async throws -> Void) async throws {
        let directory = try TemporaryDirectory()
        let journal = AgentJournal.start(
            path: directory.path, node: "node", policy: PolicySettings(), logger: AgentFixture.silent)
        let agent = try AgentFixture(journal: journal, flows: FlowSettings(.all))
        try await SocketFixture.serve(agent, AgentFixture.shop) { fixture in
            let flow = Flow(
                source: try IPAddress("10.1.0.1"), destination: try IPAddress("10.1.0.2"), ipProtocol: .tcp,
                destinationPort: 6379)
            let redis = try #require(fixture.kernel.policy.endpoints.first { $0.value.name.name == "redis" })
            fixture.kernel.tell(
                (1...50).map { number in
                    DropEvent(
                        cause: .new, direction: .egress, flow: flow, sourcePort: UInt16(number), endpoint: redis.key,
                        rule: .noPolicy, interfaceIndex: 0, monotonicNanoseconds: 1)
                })
            #expect(try await eventually { await fixture.agent.status().flows?.records == 50 })
            try await body(fixture)
        }
    }

    private func control(_ fixture: SocketFixture, _ line: String) async throws -> CommandLine {
        let words = line.split(separator: " ").map(String.init)
        return try await onOwnThread {
            try CommandLine.run("bulkheadctl", words.prefix(1) + ["--socket", fixture.path] + words.dropFirst())
        }
    }

    @Test(arguments: [
        ("flows --pod shop/web --last 3", 3), ("flows --pod web -n shop --last 3", 3),
        ("flows --from web --to redis -n shop --last 3", 3), ("flows --from 10.1.0.1 -n shop --last 3", 3),
        ("flows --to 10.1.0.0/24 --last 3", 3), ("flows --pod web", 0), ("flows --from redis -n shop", 0),
    ])
    func podsWithoutANamespace(line: String, count: Int) async throws {
        try await serve { fixture in
            let answer = try await control(fixture, line)
            #expect(answer.status == 0 && answer.output.split(separator: "\n").count == count, "\(answer)")
            #expect(answer.complaints.isEmpty == (count > 0))
        }
    }

    @Test(arguments: [
        ("flows --pod shop/wbe", ["no recorded flow matches the filters", "--pod: no pod shop/wbe", "shop/web?"]),
        ("flows --to web", ["--to: no pod default/web", "did you mean shop/web?"]),
        ("flows --policy rediss", ["--policy: no policy rediss; did you mean NetworkPolicy shop/redis?"]),
        ("flows -n shpo", ["-n: no pod of this node and no policy is in namespace shpo; did you mean shop?"]),
        ("flows --pod shop/web --port 81", ["no recorded flow matches the filters"]),
        ("events --since 10m --policy rdis", ["no recorded event matches the filters", "--policy: no policy rdis"]),
        ("events --summary", ["no event is recorded"]),
        ("history wbe", ["is named wbe now; did you mean web?"]),
        ("endpoints -n shpo", ["no pod of this node is known in namespace shpo\n", "did you mean shop?"]),
        ("policies -n web", ["no policy is known in namespace web\n", "-n: no pod of this node and no policy"]),
        ("counters -n shpo", ["no rule is in force on this node for a policy in namespace shpo\n", "shop?"]),
        ("counters -n shop --non-zero", ["no rule has decided anything for a policy in namespace shop\n"]),
    ])
    func emptyAnswersSayWhatWasMeant(line: String, messages: [String]) async throws {
        try await serve { fixture in
            let answer = try await control(fixture, line)
            #expect(answer.status == 0, "\(answer)")
            for message in messages { #expect(answer.complaints.contains(message), "\(answer)") }
            // Nothing is wrong with names that exist.
            #expect(answer.complaints.split(separator: "\n").count <= 2, "\(answer)")
        }
    }

    @Test func programsReadAnEmptyAnswer() async throws {
        try await serve { fixture in
            let answer = try await control(fixture, "flows --pod shop/wbe -o json")
            #expect(answer.status == 0 && answer.output.isEmpty && answer.complaints.contains("did you mean"))
            for list in ["endpoints", "policies", "counters"] {
                let answer = try await control(fixture, "\(list) -n shpo -o json")
                #expect(answer.status == 0 && answer.output.hasPrefix("{") && answer.complaints.isEmpty, "\(answer)")
            }
        }
    }

    /// A full disk is an error; a reader that has enough is none.
    @Test func outputThatGoesNowhere() async throws {
        try await serve { fixture in
            func shell(_ line: String) async throws -> String {
                try await onOwnThread { try CommandLine.runShell(line, program: "bulkheadctl") }
            }
            for call in ["flows", "status", "counters", "dump", "flows --summary", "policies -o json"] {
                let full = try await shell("\"$0\" --socket \(fixture.path) \(call) 2>&1 >/dev/full; echo $?")
                #expect(full == "error: cannot write to standard output: No space left on device\n1\n", "\(call)")
            }
            let one = try await shell(
                "exec 3>&1; { \"$0\" --socket \(fixture.path) flows --last 50 2>&3; echo $? >&3; } | head -n 1")
            let lines = one.split(separator: "\n")
            #expect(lines.count == 2 && lines.contains("0"), "\(one)")
            // The reader is gone before the first byte.
            for call in ["flows", "flows -o json", "flows --summary", "policies"] {
                let none = try await shell(
                    "exec 3>&1; { sleep 0.2; \"$0\" --socket \(fixture.path) \(call) 2>&3; echo $? >&3; } | :")
                #expect(none == "0\n", "\(call): \(none)")
            }
        }
    }
}
