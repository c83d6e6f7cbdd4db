// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import DatapathEBPF
import Glibc
import NetworkKit
import NetworkTypes
import PolicyModel
import Testing

/// Flows that are left to the node's proxy, with real packets. An `nft` rule stands in for those that steer.
@Suite struct KernelHandOverTests {
    private static let marks = SteeringMarks(toProxy: 0x10, fromProxy: 0x20)

    /// TCP 80 of pod 1 (`server`) is handed over; nothing else of it is reachable.
    private static func policy(_ world: NetWorld) -> CompiledPolicy {
        var builder = PolicyBuilder()
        builder.addRules(2)
        builder.setTCPPorts([80])
        builder.addProgram(1, .ingress) { _, column in
            Cell(column == 1 ? .handOver : .deny, by: RuleID(rawValue: column == 1 ? 1 : 2))
        }
        for (number, name) in ["server", "client", "proxy"].enumerated() {
            let pod = world.pod(name)
            builder.addEndpoint(number + 1, [pod.v4, pod.v6], addressClass: 0, ingress: number == 0 ? 1 : 0, egress: 0)
        }
        return builder.policy
    }

    /// Marks what comes by an interface, and what pod `server` answers.
    private static func steer(_ world: NetWorld, from interface: String, mark: UInt32) throws {
        try world.steer(by: ["iifname \"\(interface)\" meta mark set \(mark)", "tcp sport 80 meta mark set \(mark)"])
    }

    @Test(arguments: AddressFamily.allCases) func onlyMarkedPacketsPass(_ family: AddressFamily) throws {
        try NetWorld.with(pods: ["server", "client", "proxy"]) { world in
            try world.node.run {
                var datapath = EBPFDatapath(bpffs: world.bpffs)
                _ = try datapath.open()
                try datapath.setListening(true)
                _ = try datapath.resync(Self.policy(world))
                let (server, client, proxy) = (world.pod("server"), world.pod("client"), world.pod("proxy"))
                let place = EndpointInterface(index: if_nametoindex(proxy.hostInterface), name: proxy.hostInterface)
                try datapath.setPlace(EndpointPlace(interfaces: [place]), of: EndpointID(rawValue: 3))
                func ask(_ port: UInt16) throws -> NetOutcome {
                    let probe = NetProbe(.tcp, to: server.address(family), port: port)
                    return try client.namespace.run { try probe.run() }
                }
                try Self.steer(world, from: client.hostInterface, mark: 0x10)
                #expect(try ask(80) == .timeout, "no marks are known")
                let event = try #require(datapath.pollEvents(limit: 9).first)
                #expect(event.cause == .handOver && event.rule == RuleID(rawValue: 1))
                #expect(try datapath.counters().handOver > 0)
                try datapath.setSteeringMarks(Self.marks)
                #expect(try ask(80) == .refused)
                #expect(try ask(81) == .timeout)
                try Self.steer(world, from: client.hostInterface, mark: 0x40)
                #expect(try ask(80) == .timeout, "another mark")
                #expect(try datapath.counters().spoofed == 0)
                // The proxy speaks for the client.
                try world.speakForClient(family)
                let forged = try datapath.counters().spoofed
                #expect(forged > 0)
                try Self.steer(world, from: proxy.hostInterface, mark: 0x20)
                let passed = try datapath.ruleCounters()[RuleID(rawValue: 1)]?.packets ?? 0
                try world.speakForClient(family)
                #expect(try datapath.ruleCounters()[RuleID(rawValue: 1)]?.packets ?? 0 > passed)
                #expect(try datapath.counters().spoofed == forged)
                #expect(try datapath.counters().inconsistent == 0)
                #expect(try datapath.dump().contains("hand-over/1"))
            }
        }
    }

    /// The marks are in the tables: a new daemon finds them, and tables that grow take them along.
    @Test func marksOutliveTheDaemon() throws {
        try PrivateKernel.run { bpffs in
            var datapath = EBPFDatapath(bpffs: bpffs)
            _ = try datapath.open()
            try datapath.setSteeringMarks(Self.marks)
            #expect(try datapath.dump().contains("proxy marks 48, from the proxy 32"))
            _ = consume datapath
            var next = EBPFDatapath(bpffs: bpffs)
            _ = try next.open()
            #expect(try next.dump().contains("proxy marks 48, from the proxy 32"))
            try next.setSteeringMarks(.none)
            #expect(try next.dump().contains("proxy marks 0, from the proxy 0"))
        }
    }
}
