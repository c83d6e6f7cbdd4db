// SPDX-License-Identifier: Apache-2.0
import Agent
import ControlProtocol
import Datapath
import Glibc
import NetworkTypes
import PolicyModel
import Testing

/// One test at a time: each waits for answers and timers, which a busy machine delays.
@Suite(.serialized) struct TopCommandTests {
    private static let begins = "\u{1b}[?1049h"
    private static let ends = "\u{1b}[?25h\u{1b}[?1049l"

    private func control(_ fixture: SocketFixture, _ words: String...) async throws -> CommandLine {
        try await onOwnThread { try CommandLine.run("bulkheadctl", ["top", "--socket", fixture.path] + words) }
    }

    private func start(_ path: String, _ words: String...) async throws -> TerminalProgram {
        try await onOwnThread {
            try TerminalProgram("bulkheadctl", ["top", "--socket", path, "-d", "0.1"] + words)
        }
    }

    private func shows(_ program: TerminalProgram, _ text: String) async throws -> Bool {
        try await onOwnThread { program.shows(text) }
    }

    private func drop(_ fixture: SocketFixture) throws -> DropEvent {
        let redis = try #require(fixture.kernel.policy.endpoints.first { $0.value.name.name == "redis" })
        let flow = Flow(
            source: try IPAddress("10.1.0.1"), destination: try IPAddress("10.1.0.2"), ipProtocol: .tcp,
            destinationPort: 80)
        let rule = try #require(fixture.kernel.policy.evaluate(flow).ingress?.rule)
        return DropEvent(
            cause: .rule, direction: .ingress, flow: flow, sourcePort: 4000, endpoint: redis.key, rule: rule,
            interfaceIndex: 0, monotonicNanoseconds: 1)
    }

    @Test func keysShowOtherTables() async throws {
        try await SocketFixture.serve { fixture in
            let top = try await start(fixture.path)
            #expect(try await shows(top, Self.begins))
            #expect(try await shows(top, "pods  node  healthy"))
            #expect(try await shows(top, "shop/redis"))
            #expect(top.modes != top.modesBefore)
            top.type("r")
            #expect(try await shows(top, "DECIDED BY"))
            #expect(try await eventually { await fixture.agent.status().followers == 1 })
            fixture.kernel.tell([try drop(fixture)])
            top.type("d")
            #expect(try await shows(top, "LAST SEEN"))
            #expect(try await shows(top, "  shop/web  shop/redis  80/TCP  isolation by shop/redis"))
            top.resize(columns: 50, rows: 12)
            #expect(try await shows(top, "80/TCP  isol"))
            top.type("xq")
            let (status, shown) = try await onOwnThread { top.end() }
            #expect(status == 0 && shown.hasSuffix(Self.ends))
            #expect(top.modes == top.modesBefore)
        }
    }

    @Test(arguments: [SIGINT, SIGTERM, SIGHUP, 0]) func everyEndRestoresTheTerminal(signal: Int32) async throws {
        try await SocketFixture.serve { fixture in
            let top = try await start(fixture.path, "denied")
            #expect(try await shows(top, "denied flows reported since the start"))
            // 0 stands for Ctrl-C, which the terminal turns into SIGINT.
            if signal == 0 { top.type("\u{3}") } else { top.send(signal) }
            let (status, shown) = try await onOwnThread { top.end() }
            #expect(status == 128 + (signal == 0 ? SIGINT : signal))
            #expect(shown.hasSuffix(Self.ends) && top.modes == top.modesBefore)
        }
    }

    @Test func aDaemonThatLeavesIsReported() async throws {
        var left: TerminalProgram?
        try await SocketFixture.serve { fixture in
            let top = try await start(fixture.path, "rules")
            #expect(try await shows(top, "packets a second that each rule decided"))
            left = top
        }
        let top = try #require(left)
        #expect(try await shows(top, "no daemon answers on "))
        top.type("q")
        #expect(try await onOwnThread { top.end() }.status == 0)
        // Without one, the terminal is left alone.
        let none = try await start("/tmp/bulkhead-nobody.sock")
        let (status, shown) = try await onOwnThread { none.end() }
        #expect(status == 1 && shown.hasPrefix("error: no daemon answers") && !shown.contains("\u{1b}"))
    }

    @Test func oneTableIsPrinted() async throws {
        try await SocketFixture.serve { fixture in
            let pods = try await control(fixture, "-d", "0.1")
            #expect(pods.status == 0 && pods.complaints.isEmpty)
            #expect(
                pods.output.split(separator: "\n").map { $0.split(separator: " ") } == [
                    ["IN/s", "OUT/s", "DENIED", "IN/s", "DENIED", "OUT/s", "POD"],
                    ["-", "-", "0", "0", "shop/redis"], ["-", "-", "0", "0", "shop/web"],
                ])
            let json = try await control(fixture, "pods", "-d", "0.1", "-o", "json")
            #expect(json.output.contains(#""name" : "redis""#))
            async let denied = control(fixture, "denied", "--once", "-d", "4", "--no-headers")
            #expect(try await eventually { await fixture.agent.status().followers == 1 })
            fixture.kernel.tell([try drop(fixture)])
            let line = try await denied.output.split(separator: " ")
            #expect(line.first == "1" && line.dropFirst(2).prefix(3) == ["shop/web", "shop/redis", "80/TCP"])
            let wrong = try await control(fixture, "-d", "0")
            #expect(wrong.status == 2 && wrong.complaints.contains("--delay is from 0.1 to 3600 seconds"))
        }
    }

    /// A table without rows says so to people, and nothing to programs.
    @Test func anEmptyTableSaysSo() async throws {
        try await SocketFixture.serve { fixture in
            let denied = try await control(fixture, "denied", "--once", "-d", "0.1", "--no-headers")
            #expect(denied.status == 0 && denied.output.isEmpty)
            #expect(denied.complaints == "no denied flow was reported in 0.1 seconds\n")
            let ofShop = try await control(fixture, "denied", "--once", "-d", "1", "-n", "shop", "-o", "wide")
            #expect(
                ofShop.complaints == "no denied flow from or to a pod in namespace shop was reported in 1 second\n")
            let json = try await control(fixture, "denied", "-d", "0.1", "-o", "json")
            #expect(json.output.contains(#""flows" : ["#) && json.complaints.isEmpty)
            let pods = try await control(fixture, "pods", "-d", "0.1", "-n", "other")
            #expect(pods.complaints == "no pod of this node is known in namespace other\n")
            let rules = try await control(fixture, "rules", "-d", "0.1", "-n", "other")
            #expect(rules.complaints == "no rule is in force on this node for a policy in namespace other\n")
        }
    }

    /// If events cannot be followed, "no denied flow" would be a guess: one table says so at once and is not printed, and
    /// the screen says so for as long as it is so.
    @Test func eventsThatAreNotFollowedAreNotNone() async throws {
        try await SocketFixture.serve { fixture in
            let path = fixture.path
            var clients = try await onOwnThread {
                try (0..<ControlDefaults.followers).map { _ in
                    let client = try RawClient(path)
                    client.send(SocketFixture.request("GET", "/v1/events"))
                    return client
                }
            }
            #expect(try await eventually { await fixture.agent.status().followers == ControlDefaults.followers })
            // The delay of an hour does not pass.
            let one = try await control(fixture, "denied", "--once", "-d", "3600")
            #expect(one.status == 1 && one.output.isEmpty)
            #expect(one.complaints.contains("clients already follow events"), "\(one)")
            let top = try await start(fixture.path, "denied")
            #expect(try await shows(top, "denied flows are not followed: "))
            clients.removeAll()
            #expect(try await shows(top, "denied flows reported since the start: none"))
            top.type("q")
            #expect(try await onOwnThread { top.end() }.status == 0)
        }
    }

    /// Packets to and from a pod are those of its interface: here the loopback of this namespace stands for one.
    @Test func ratesAreThoseOfTheInterface() async throws {
        try await SocketFixture.serve { fixture in
            let network = FakeNetwork()
            network.add("lo", index: 5, address: "10.1.0.1")
            await fixture.agent.networkChanged(.success(network.state))
            let pods = try await control(fixture, "-d", "0.1", "--no-headers").output.split(separator: "\n")
            let web = try #require(pods.first { $0.hasSuffix("shop/web") })
            #expect(!web.hasPrefix("-"))
        }
    }
}
