// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import DatapathNFTables
import Glibc
import NetworkKit
import NetworkTypes
import PolicyModel
import Testing

/// Flows that are left to the node's proxy, with real packets. An `nft` rule stands in for those that steer.
/// One test at a time: what real packets prove depends on when they arrive, which a busy machine delays.
@Suite(.serialized) struct HandOverTests {
    private static let marks = SteeringMarks(toProxy: 0x10, fromProxy: 0x20)

    /// TCP 80 of pod `server` is handed over; every other port is free.
    private static func policy(_ world: NetWorld) -> CompiledPolicy {
        var plan = PolicyPlan()
        plan.programs["in"] = PolicyPlan.Rules(
            direction: .ingress,
            rules: [PolicyPlan.Rule(tier: .authorization, ports: [tcp(80)], readsRequest: true)], isIsolated: false)
        for name in ["server", "client", "proxy"] {
            let pod = world.pod(name)
            plan.endpoints[name] = PolicyPlan.Endpoint(
                addresses: [pod.v4, pod.v6], ingress: name == "server" ? "in" : nil)
        }
        var compiler = PlanCompiler()
        return compiler.compile(plan)
    }

    /// Marks packets and connections that come by an interface, and their replies.
    private static func steer(_ world: NetWorld, from interface: String, mark: UInt32) throws {
        try world.steer(by: [
            "meta mark set 0",
            "iifname \"\(interface)\" ct direction original meta mark set \(mark) ct mark set \(mark)",
            "ct mark \(mark) ct direction reply meta mark set 16",
        ])
    }

    @Test(arguments: AddressFamily.allCases) func onlyMarkedPacketsPass(_ family: AddressFamily) throws {
        try NetWorld.with(pods: ["server", "client", "proxy"]) { world in
            let policy = Self.policy(world)
            try world.node.run {
                var datapath = NFTablesDatapath()
                _ = try datapath.open()
                _ = try datapath.resync(policy)
                let (server, client, proxy) = (world.pod("server"), world.pod("client"), world.pod("proxy"))
                let place = EndpointInterface(index: if_nametoindex(proxy.hostInterface), name: proxy.hostInterface)
                let id = try #require(policy.endpoints.first { $0.value.name.name == "proxy" }?.key)
                try datapath.setPlace(EndpointPlace(interfaces: [place]), of: id)
                func ask(_ port: UInt16) throws -> NetOutcome {
                    let probe = NetProbe(.tcp, to: server.address(family), port: port)
                    return try client.namespace.run { try probe.run() }
                }
                try Self.steer(world, from: client.hostInterface, mark: 0x10)
                #expect(try ask(80) == .timeout, "no marks are known")
                let event = try #require(datapath.pollEvents(limit: 9).first)
                #expect(event.cause == .handOver)
                #expect(policy.rules[event.rule]?.identity.name == "shop/allow rule 1")
                #expect(try datapath.counters().handOver > 0)
                try datapath.setSteeringMarks(Self.marks)
                #expect(try ask(80) == .refused)
                #expect(try ask(81) == .refused)
                try Self.steer(world, from: client.hostInterface, mark: 0x40)
                #expect(try ask(80) == .timeout, "another mark")
                #expect(try datapath.counters().spoofed == 0)
                // The proxy speaks for the client.
                try world.speakForClient(family)
                let forged = try datapath.counters().spoofed
                #expect(forged > 0)
                try Self.steer(world, from: proxy.hostInterface, mark: 0x20)
                let passed = try datapath.ruleCounters()[event.rule]?.packets ?? 0
                try world.speakForClient(family)
                #expect(try datapath.ruleCounters()[event.rule]?.packets ?? 0 > passed)
                #expect(try datapath.counters().spoofed == forged)
            }
        }
    }

    /// A connection that began before the rule is not one with the proxy; one that has the proxy's mark is.
    @Test func onlyConnectionsWithTheProxyOutliveTheRule() throws {
        try NetWorld.with(pods: ["server", "client", "proxy"]) { world in
            let policy = Self.policy(world)
            let (server, client) = (world.pod("server"), world.pod("client"))
            let listener = try server.namespace.run { try NetServer(at: [server.v4], [.init(.tcp, 80)]) }
            defer { listener.stop() }
            try world.node.run {
                var datapath = NFTablesDatapath()
                _ = try datapath.open()
                try datapath.setSteeringMarks(Self.marks)
                try Self.steer(world, from: client.hostInterface, mark: 0x10)
                #expect(try client.namespace.run { try NetProbe(.tcp, to: server.v4, port: 80).run() } == .answered)
                try world.node.command("nft", "delete", "table", "inet", "steer")
                #expect(try client.namespace.run { try NetProbe(.tcp, to: server.v4, port: 80).run() } == .answered)
                _ = try datapath.resync(policy)
                let table = try world.node.command("nft", "list", "set", "inet", "bulkhead", "revoked-ipv4")
                let tracked = try world.node.command("conntrack", "-L", "-p", "tcp", "--dport", "80")
                #expect(tracked.contains("mark=16") && tracked.contains("mark=0"), "\(tracked)")
                #expect(table.split(separator: client.v4.description).count == 2, "\(table)")
            }
        }
    }
}
