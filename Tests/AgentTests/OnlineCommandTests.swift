// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import Datapath
import Glibc
import NetworkTypes
import PolicyModel
import Testing

/// One test at a time: each waits for answers and timers, which a busy machine delays.
@Suite(.serialized) struct OnlineCommandTests {
    private func control(_ fixture: SocketFixture, _ arguments: String..., input: String = "") async throws
        -> CommandLine
    {
        let arguments = arguments.prefix(1) + ["--socket", fixture.path] + arguments.dropFirst()
        return try await onOwnThread { try CommandLine.run("bulkheadctl", Array(arguments), input: input) }
    }

    @Test func tables() async throws {
        try await SocketFixture.serve { fixture in
            let endpoints = try await control(fixture, "endpoints")
            #expect(
                endpoints.output.split(separator: "\n").map { $0.split(separator: " ") } == [
                    ["NAMESPACE", "NAME", "ADDRESSES", "INTERFACE", "INGRESS", "EGRESS"],
                    ["shop", "redis", "10.1.0.2", "-", "1", "policy", "open"],
                    ["shop", "web", "10.1.0.1", "-", "open", "open"],
                ])
            let wide = try await control(fixture, "endpoints", "-o", "wide")
            #expect(wide.output.split(separator: "\n")[1].split(separator: " ").suffix(2) == ["shop/redis", "open"])
            let policies = try await control(fixture, "policies")
            let lines = policies.output.split(separator: "\n").map { $0.split(separator: " ") }
            #expect(
                lines == [
                    ["KIND", "NAMESPACE", "NAME", "TIER", "STATE", "ENDPOINTS", "AGE", "CHANGED"],
                    ["NetworkPolicy", "shop", "redis", "NetworkPolicy", "enforced", "1", "-", "-"],
                ])
            let all = try await control(fixture, "policies", "-o", "wide")
            #expect(all.output.contains("  pods app=redis of its namespace  /manifests  shop/redis\n"))
            let status = try await control(fixture, "status")
            #expect(status.status == 0)
            #expect(status.output.hasPrefix("NODE        "))
            #expect(status.output.contains("healthy     yes\n"))
            #expect(status.output.contains("manifests   4 objects from /manifests\n"))
            #expect(status.output.contains("guardrails  0 policies from /guardrails\n"))
            #expect(status.output.contains("policies    1 in force, 0 of them in audit\n"))
            let counters = try await control(fixture, "counters")
            let spoofed = counters.output.split(separator: "\n").first { $0.hasPrefix("spoofed source address ") }
            #expect(spoofed?.hasSuffix(" 7") == true)
            #expect(try await control(fixture, "dump").output.contains("fake tables"))
        }
    }

    /// Pods without an interface of the node are distinguished from the others.
    @Test func interfaces() async throws {
        try await SocketFixture.serve { fixture in
            let network = FakeNetwork()
            network.add("veth1", index: 5, address: "10.1.0.1")
            await fixture.agent.networkChanged(.success(network.state))
            let endpoints = try await control(fixture, "endpoints")
            #expect(
                endpoints.output.split(separator: "\n").dropFirst().map { $0.split(separator: " ")[1...3] } == [
                    ["redis", "10.1.0.2", "-"], ["web", "10.1.0.1", "veth1"],
                ])
        }
    }

    @Test func programsGetJSONAndYAML() async throws {
        try await SocketFixture.serve { fixture in
            let json = try await control(fixture, "endpoints", "-o", "json")
            #expect(json.output.contains(#""name" : "redis""#))
            let yaml = try await control(fixture, "endpoints", "-o", "yaml")
            #expect(yaml.output.contains("name: redis\n"))
        }
    }

    @Test func applyVerdictDelete() async throws {
        try await SocketFixture.serve("apiVersion: v1\nkind: Namespace\nmetadata: {name: other}") { fixture in
            let applied = try await control(fixture, "apply", "-f", "-", input: AgentFixture.shop)
            #expect(applied.status == 0)
            #expect(
                applied.output == """
                    Namespace shop applied
                    NetworkPolicy shop/redis applied
                    Pod shop/redis applied
                    Pod shop/web applied

                    """)
            let verdict = try await control(fixture, "verdict", "--exit-code", "shop/web", "shop/redis", "80")
            #expect(verdict.status == 3)
            #expect(verdict.output.hasPrefix("deny  10.1.0.1 -> 10.1.0.2 80/TCP\n"))
            let deleted = try await control(fixture, "delete", "-f", "-", input: AgentFixture.policy)
            #expect(deleted.output == "NetworkPolicy shop/redis deleted\n")
            #expect(
                try await control(fixture, "verdict", "--exit-code", "shop/web", "shop/redis", "80").status == 0)
            let again = try await control(fixture, "delete", "-f", "-", input: AgentFixture.policy)
            #expect(again.status == 1)
            #expect(again.complaints == "error: nothing was deleted; unknown objects: NetworkPolicy shop/redis\n")
            let wrong = try await control(fixture, "apply", "-f", "-", input: "kind: x")
            #expect(wrong.status == 1 && wrong.complaints.contains("apiVersion"))
            #expect(wrong.complaints.hasPrefix("error: standard input is invalid; nothing was applied\n"))
        }
    }

    @Test func eventsAreFollowed() async throws {
        try await SocketFixture.serve { fixture in
            let redis = try #require(fixture.kernel.policy.endpoints.first { $0.value.name.name == "redis" })
            let flow = Flow(
                source: try IPAddress("10.1.0.1"), destination: try IPAddress("10.1.0.2"), ipProtocol: .tcp,
                destinationPort: 80)
            let rule = try #require(fixture.kernel.policy.evaluate(flow).ingress?.rule)
            let event = DropEvent(
                cause: .rule, direction: .ingress, flow: flow, sourcePort: 4000, endpoint: redis.key, rule: rule,
                interfaceIndex: 0, monotonicNanoseconds: 1)
            async let followed = control(fixture, "events", "-f", "--count", "2")
            #expect(try await eventually { await fixture.agent.status().followers == 1 })
            fixture.kernel.tell([event, event])
            let result = try await followed
            let lines = result.output.split(separator: "\n")
            #expect(lines.count == 2 && result.status == 0)
            #expect(result.complaints.hasPrefix("Watching dropped packets"))
            #expect(
                lines[0].contains("  drop  ingress  shop/web (10.1.0.1:4000) -> shop/redis (10.1.0.2:80) TCP  "))
        }
    }

    @Test func aStreamThatTheDaemonEndsIsAFailure() async throws {
        try await SocketFixture.serve { fixture in
            async let followed = control(fixture, "events", "-f")
            #expect(try await eventually { await fixture.agent.status().followers == 1 })
            await fixture.agent.endFollowing()
            let result = try await followed
            #expect(result.status == 1)
            #expect(result.output.contains("the daemon stops"))
            #expect(result.complaints.contains("error: the daemon stopped and ended the stream"))
        }
    }

    @Test func eventsOfOneKind() async throws {
        try await SocketFixture.serve { fixture in
            let flow = Flow(
                source: try IPAddress("10.1.0.1"), destination: try IPAddress("10.1.0.2"), ipProtocol: .tcp,
                destinationPort: 80)
            let decision = try #require(fixture.kernel.policy.evaluate(flow).ingress)
            let drop = DropEvent(
                cause: .rule, direction: .ingress, flow: flow, sourcePort: 4000, endpoint: .none, rule: decision.rule,
                interfaceIndex: 0, monotonicNanoseconds: 1)
            var audit = drop
            audit.cause = .audit
            async let followed = control(fixture, "events", "--kind", "audit")
            #expect(try await eventually { await fixture.agent.status().followers == 1 })
            fixture.kernel.tell([drop, audit])
            let output = try await followed.output
            #expect(output.contains("  audit  ingress  shop/web (10.1.0.1:4000) -> "))
            #expect(output.contains(" TCP  not stopped: "))
            #expect(output.split(separator: "\n").count == 1)
            #expect(try await fixture.call("GET", "/v1/events?kind=lost").status == 400)
            #expect(try await fixture.call("GET", "/v1/events?what=drop").status == 400)
        }
    }

    @Test func aProblemMakesStatusFail() async throws {
        try await SocketFixture.serve { fixture in
            var change = try AgentFixture.change(AgentFixture.policy)
            change.problems = [Problem(file: "f.yaml", document: 1, line: 3, field: "spec.x", reason: "is wrong")]
            await fixture.agent.manifestsChanged(change)
            let status = try await control(fixture, "status")
            #expect(status.status == 1)
            #expect(status.output.contains("  f.yaml:3: document 1: spec.x: is wrong\n"))
        }
    }

    @Test func directoriesAndNames() async throws {
        try await SocketFixture.serve("apiVersion: v1\nkind: Namespace\nmetadata: {name: other}") { fixture in
            let directory = try TemporaryDirectory()
            try write(AgentFixture.policy, to: directory.path + "/policy.yaml")
            try write("apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n", to: directory.path + "/ns.yaml")
            let applied = try await control(fixture, "apply", "-f", directory.path)
            #expect(applied.output == "Namespace shop applied\nNetworkPolicy shop/redis applied\n")
            try write("apiVersion: v1\nkind: Pods\n", to: directory.path + "/wrong.yaml")
            let wrong = try await control(fixture, "apply", "-f", directory.path)
            #expect(wrong.status == 1 && wrong.output.isEmpty)
            #expect(wrong.complaints.contains("/wrong.yaml is invalid; nothing was applied\n"))
            #expect(wrong.complaints.contains("/wrong.yaml:2: document 1: kind: ") && wrong.complaints.contains("Pod?"))
            let deleted = try await control(fixture, "delete", "-n", "shop", "netpol/redis")
            #expect(deleted.output == "NetworkPolicy shop/redis deleted\n")
            #expect(try await control(fixture, "delete", "NameSpaces/shop").output == "Namespace shop deleted\n")
        }
    }

    @Test func whatIsNotEnforcedIsToldToWhoAppliesIt() async throws {
        try await SocketFixture.serve { fixture in
            let calico = "apiVersion: crd.projectcalico.org/v1\nkind: GlobalNetworkPolicy\nmetadata: {name: a}\n"
            let other = "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: b}\n"
            let answer = try await control(fixture, "apply", "-f", "-", input: calico + other)
            #expect(answer.status == 0)
            let lines = answer.output.split(separator: "\n")
            #expect(lines.count == 2 && lines[0].hasPrefix("warning: ") && lines[0].hasSuffix("is NOT enforced"))
            #expect(lines[1].hasSuffix("is ignored: not a kind that Bulkhead uses"))
            var change = try AgentFixture.change(AgentFixture.policy)
            (change.notices, change.warnings) = (["ignored", "foreign"], ["foreign"])
            await fixture.agent.manifestsChanged(change)
            let status = try await control(fixture, "status")
            #expect(status.status == 0 && status.output.contains("1 policy is NOT enforced, see below\n"))
            #expect(status.output.hasSuffix("\nNOT enforced:\n  foreign\n\nnotices:\n  ignored\n"))
        }
    }

    /// What cannot be decided has an exit code of its own.
    @Test func verdictsOfThisNodeAndOthers() async throws {
        try await SocketFixture.serve { fixture in
            let nobody = try await control(fixture, "verdict", "--exit-code", "192.0.2.1", "192.0.2.2", "80")
            #expect(nobody.status == 4 && nobody.output.hasPrefix("undecided  192.0.2.1 -> 192.0.2.2 80/TCP\n"))
            let own = try await control(fixture, "verdict", "-n", "shop", "web", "web", "80")
            #expect(own.output.contains("shop/web to its own address is always allowed"))
            let typo = try await control(fixture, "verdict", "shop/wbe", "shop/redis", "80")
            #expect(typo.status == 1 && typo.complaints.contains("did you mean shop/web?"))
        }
    }

    @Test func tablesFitTheOutput() async throws {
        try await SocketFixture.serve { fixture in
            let line = "COLUMNS=60 exec \"$0\" verdict --socket \(fixture.path) shop/web shop/redis 80"
            let answer = try await onOwnThread { try CommandLine.runShell(line, program: "bulkheadctl") }
            let lines = answer.split(separator: "\n")
            #expect(lines.count > 5 && lines.allSatisfy { $0.count <= 60 }, "\(answer)")
        }
    }

    /// Why there is no answer, and what to do: never the same sentence for two causes.
    @Test func nobodyAnswers() async throws {
        func ask(_ path: String, _ more: String...) async throws -> CommandLine {
            let arguments = ["status", "--socket", path] + more
            return try await onOwnThread { try CommandLine.run("bulkheadctl", arguments) }
        }
        let none = try await ask("/tmp/bulkhead-nobody.sock")
        #expect(none.status == 1)
        #expect(
            none.complaints
                == "error: no daemon answers on /tmp/bulkhead-nobody.sock: there is no such socket. Start bulkheadd, or "
                + "name its socket with --socket or BULKHEAD_SOCKET\n")
        let directory = try TemporaryDirectory()
        let left = try SilentSocket(directory.path + "/left")
        left.close()
        let stopped = try await ask(left.path)
        #expect(stopped.status == 1 && stopped.complaints.contains("the socket has no listener"))
        let silent = try SilentSocket(directory.path + "/silent")
        defer { silent.close() }
        let late = try await ask(silent.path, "--timeout", "1")
        #expect(late.status == 1 && late.complaints.contains("did not answer on \(silent.path) within 1 second"))
        let long = try await ask("/tmp/" + String(repeating: "x", count: 200))
        #expect(long.status == 1 && long.complaints.contains("at most 107 bytes"))
    }
}

/// A socket that takes connections and says nothing.
final class SilentSocket: Sendable {
    let path: String
    private let descriptor: Int32

    init(_ path: String) throws {
        self.path = path
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        try #require(UnixAddress(path).succeeds(bind, descriptor) && listen(descriptor, 8) == 0)
    }

    func close() { _ = Glibc.close(descriptor) }
}
