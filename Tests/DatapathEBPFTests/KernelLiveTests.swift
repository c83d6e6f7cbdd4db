// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import DatapathEBPF
import Glibc
import NetworkKit
import NetworkTypes
import PolicyModel
import Testing

/// Real packets between pods: what BPF_PROG_TEST_RUN cannot show, connection tracking and input interfaces.
@Suite struct KernelLiveTests {
    /// Pod 1 (`server`) takes UDP and TCP 80 from anyone and starts nothing itself; pod 2 (`client`) is free.
    static func policy(_ world: NetWorld) -> CompiledPolicy {
        var builder = PolicyBuilder()
        builder.addRules(4)
        builder.setTCPPorts([80])
        let port80 = builder.policy.portSegments.first { $0.portClass != .none }!
        builder.policy.portSegments = [.tcp, .udp, .sctp].flatMap { ipProtocol in
            [(0, 79, 0), (80, 80, 1), (81, 65535, 0)].map { first, last, number in
                PortSegment(
                    ProtocolPorts(ipProtocol, PortRange(UInt16(first), UInt16(last))),
                    number == 1 ? port80.portClass : .none)
            }
        }
        builder.addProgram(1, .ingress) { _, column in
            column == 1 ? Cell(.allow, by: RuleID(rawValue: 1)) : Cell(.deny, by: RuleID(rawValue: 2))
        }
        builder.addProgram(2, .egress) { _, _ in Cell(.deny, by: RuleID(rawValue: 3)) }
        let (server, client) = (world.pod("server"), world.pod("client"))
        builder.addEndpoint(1, [server.v4, server.v6], addressClass: 0, ingress: 1, egress: 2)
        builder.addEndpoint(2, [client.v4, client.v6], addressClass: 0, ingress: 0, egress: 0)
        return builder.policy
    }

    @Test func repliesErrorsAndSpoofedSources() throws {
        try NetWorld.with(pods: ["server", "client"]) { world in
            try world.node.run {
                var datapath = EBPFDatapath(bpffs: world.bpffs)
                _ = try datapath.open()
                try datapath.setListening(true)
                _ = try datapath.resync(Self.policy(world))
                let (server, client) = (world.pod("server"), world.pod("client"))
                for family in [AddressFamily.ipv4, .ipv6] {
                    let to = server.address(family)
                    // Without a listener: the reset and the ICMP error are the server's packets, and its egress denies
                    // all, but they answer an allowed flow.
                    #expect(try client.namespace.run { try NetProbe(.tcp, to: to, port: 80).run() } == .refused)
                    #expect(try client.namespace.run { try NetProbe(.udp, to: to, port: 80).run() } == .refused)
                    #expect(try client.namespace.run { try NetProbe(.udp, to: to, port: 81).run() } == .timeout)
                    #expect(try client.namespace.run { try NetProbe(.tcp, to: to, port: 81).run() } == .timeout)
                    // In the other direction nothing starts.
                    let back = client.address(family)
                    #expect(try server.namespace.run { try NetProbe(.udp, to: back, port: 80).run() } == .timeout)
                    // A datagram in fragments is judged whole.
                    let large = NetProbe(.udp, to: to, port: 80, payloadBytes: 4000)
                    #expect(try client.namespace.run { try large.run() } == .refused)
                    let largeDenied = NetProbe(.udp, to: to, port: 81, payloadBytes: 4000)
                    #expect(try client.namespace.run { try largeDenied.run() } == .timeout)
                }
                try Self.spoof(world, &datapath)
                #expect(try datapath.counters().inconsistent == 0)
            }
        }
    }

    /// Nothing else in the namespace asks for connection tracking or defragmentation.
    @Test func connectionsAreTrackedThoughNobodyElseAsks() throws {
        try NetWorld.with(pods: ["server", "client"]) { world in
            try world.node.run {
                try world.node.command("nft", "flush", "ruleset")
                let (server, client) = (world.pod("server"), world.pod("client"))
                func tracked() throws -> String {
                    try ["ipv4", "ipv6"].map { try world.node.command("conntrack", "-L", "-p", "udp", "-f", $0) }
                        .joined()
                }
                func ask(_ family: AddressFamily, payloadBytes: Int = 32) throws -> NetOutcome {
                    let probe = NetProbe(.udp, to: server.address(family), port: 80, payloadBytes: payloadBytes)
                    return try client.namespace.run { try probe.run() }
                }
                for family in AddressFamily.allCases { #expect(try ask(family) == .refused) }
                #expect(try !tracked().contains("dport=80"))
                // What an older version left: a hooked chain of the same table.
                let chain = "chain forward { type filter hook forward priority -10; ct state invalid;\n}"
                try world.node.command("nft", "-f", "-", input: "table inet bulkhead-tracking {\n\(chain)\n}\n")
                var datapath = EBPFDatapath(bpffs: world.bpffs)
                _ = try datapath.open()
                try datapath.setListening(true)
                _ = try datapath.resync(Self.policy(world))
                let ruleset = try world.node.command("nft", "list", "ruleset")
                #expect(ruleset.contains("chain tracking") && !ruleset.contains("hook"), "\(ruleset)")
                for family in AddressFamily.allCases {
                    #expect(try ask(family) == .refused, "the error is a reply")
                    #expect(try ask(family, payloadBytes: 4000) == .refused, "fragments are judged whole")
                    let back = NetProbe(.udp, to: client.address(family), port: 80)
                    #expect(try server.namespace.run { try back.run() } == .timeout)
                    #expect(try tracked().contains("dst=\(server.address(family))"))
                }
                #expect(try datapath.counters().unparsable == 0)
            }
        }
    }

    private static func spoof(_ world: NetWorld, _ datapath: inout EBPFDatapath) throws {
        let (server, client) = (world.pod("server"), world.pod("client"))
        let index = if_nametoindex(client.hostInterface)
        #expect(index != 0)
        let pod = EndpointID(rawValue: 2)
        try datapath.setPlace(
            EndpointPlace(interfaces: [EndpointInterface(index: index, name: client.hostInterface)]), of: pod)
        _ = datapath.pollEvents(limit: 1000)
        #expect(try client.namespace.run { try NetProbe(.tcp, to: server.v4, port: 80).run() } == .refused)
        #expect(try datapath.counters().spoofed == 0)
        let foreign = IPAddress(v4: server.v4.v4 ^ 0x0000_0f00)
        try client.namespace.run {
            try NetSpoof.send(from: foreign, 1000, to: server.v4, 80, payload: [1, 2, 3])
        }
        #expect(try datapath.counters().spoofed == 1)
        let event = try #require(datapath.pollEvents(limit: 10).last)
        #expect(event.cause == .spoofed && event.flow.source == foreign && event.interfaceIndex == index)
        // The server's address is a pod's, but not the client's.
        try client.namespace.run {
            try NetSpoof.send(from: server.v4, 1000, to: world.pod("client").v4, 80, payload: [1])
            try NetSpoof.send(from: server.v4, 1000, to: IPAddress(v4: 0x0808_0808), 80, payload: [1])
        }
        #expect(try datapath.counters().spoofed == 2)
        try datapath.setPlace(nil, of: pod)
        try client.namespace.run { try NetSpoof.send(from: foreign, 1000, to: server.v4, 80, payload: [1]) }
        #expect(try datapath.counters().spoofed == 2)
    }
}
