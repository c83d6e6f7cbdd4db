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

    /// TCP 80 of pod 1 (`server`) is handed over, or as `action` says; nothing else of it is reachable.
    private static func policy(_ world: NetWorld, _ action: CellAction = .handOver) -> CompiledPolicy {
        var builder = PolicyBuilder()
        builder.addRules(2)
        builder.setTCPPorts([80])
        builder.addProgram(1, .ingress) { _, column in
            Cell(column == 1 ? action : .deny, by: RuleID(rawValue: column == 1 ? 1 : 2))
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

    /// A packet of a connection that began before is judged like any other.
    @Test(arguments: AddressFamily.allCases) func whatIsEstablishedIsHandedOver(_ family: AddressFamily) throws {
        try NetWorld.with(pods: ["server", "client", "proxy"]) { world in
            let (server, client) = (world.pod("server"), world.pod("client"))
            let listener = try server.namespace.run { try NetServer(at: [server.address(family)], [.init(.tcp, 80)]) }
            defer { listener.stop() }
            try world.node.run {
                var datapath = EBPFDatapath(bpffs: world.bpffs)
                _ = try datapath.open()
                try datapath.setSteeringMarks(Self.marks)
                _ = try datapath.resync(Self.policy(world, .allow))
                let connection = try client.namespace.run { try NetSocket(family, SOCK_STREAM) }
                _ = connection.connect(server.address(family), 80)
                #expect(connection.wait(POLLOUT, milliseconds: 5000) != 0)
                connection.send([1])
                try NetClock.wait("the first byte", seconds: 10) { listener.arrivals.count == 1 }
                _ = try datapath.resync(Self.policy(world))
                connection.send([2])
                try NetClock.wait("its drop", seconds: 10) { try datapath.counters().handOver > 0 }
                #expect(listener.arrivals.count == 1)
                _ = try datapath.resync(Self.policy(world, .allow))
                try NetClock.wait("the second byte", seconds: 20) { listener.arrivals.count == 2 }
            }
        }
    }

    /// To its node the proxy speaks only for itself.
    @Test(arguments: AddressFamily.allCases) func theNodeTakesNoForeignAddresses(_ family: AddressFamily) throws {
        try NetWorld.with(pods: ["server", "client", "proxy"]) { world in
            try world.node.run {
                var datapath = EBPFDatapath(bpffs: world.bpffs)
                _ = try datapath.open()
                try datapath.setSteeringMarks(Self.marks)
                _ = try datapath.resync(Self.policy(world))
                let (client, proxy) = (world.pod("client"), world.pod("proxy"))
                let place = EndpointInterface(index: if_nametoindex(proxy.hostInterface), name: proxy.hostInterface)
                try datapath.setPlace(EndpointPlace(interfaces: [place]), of: EndpointID(rawValue: 3))
                try Self.steer(world, from: proxy.hostInterface, mark: 0x20)
                let node = family == .ipv4 ? NetAddressing.gateways[0] : NetAddressing.gateways6[0]
                for source in [
                    client.address(family), family == .ipv4 ? NetAddressing.outside : NetAddressing.outside6,
                ] {
                    let forged = try datapath.counters().spoofed
                    let segment = NetSegment(from: source, 40_000, to: node, 7, [.syn])
                    try proxy.namespace.run { try segment.send() }
                    try NetClock.wait("the drop", seconds: 10) { try datapath.counters().spoofed > forged }
                }
                let forged = try datapath.counters().spoofed
                let probe = NetProbe(.tcp, to: node, port: 7, from: proxy.address(family))
                #expect(try proxy.namespace.run { try probe.run() } == .refused)
                #expect(try datapath.counters().spoofed == forged)
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
