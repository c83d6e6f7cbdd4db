// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import DatapathNFTables
import Glibc
import NetworkKit
import NetworkTypes
import PolicyModel
import Testing

/// Fragments, IPv6 extension headers, missing transport headers, related errors, a pod's way to itself; needs root.
/// One test at a time: what real packets prove depends on when they arrive, which a busy machine delays.
@Suite(.serialized) struct OddPacketTests {
    private static func withPods(
        _ rules: [PolicyPlan.Rule], _ body: (NetWorld, NetServer, inout NFTablesDatapath) throws -> Void
    ) throws {
        let services = [NetService(.udp, port: 5300, targetPort: 53, backends: ["b"])]
        try NetWorld.with(pods: ["a", "b"], services: services) { world in
            let b = world.pod("b")
            let ports = [NetServer.Port(.udp, 54), NetServer.Port(.udp, 53)]
            let server = try b.namespace.run { try NetServer(at: [b.v4, b.v6], ports) }
            defer { server.stop() }
            var plan = PolicyPlan()
            plan.programs["in"] = PolicyPlan.Rules(direction: .ingress, rules: rules)
            plan.programs["out"] = PolicyPlan.Rules(
                direction: .egress, rules: [PolicyPlan.Rule(ports: [udp(5300)])])
            plan.endpoints["b"] = PolicyPlan.Endpoint(addresses: [b.v4, b.v6], ingress: "in", egress: "out")
            var compiler = PlanCompiler()
            let policy = compiler.compile(plan)
            try world.node.run {
                var datapath = NFTablesDatapath()
                _ = try datapath.open()
                _ = try datapath.resync(policy)
                try body(world, server, &datapath)
            }
        }
    }

    /// The ports of all that came once `count` datagrams have come at the allowed port, where they were sent last:
    /// whatever else was let through came before them.
    private static func arrivals(_ server: NetServer, until count: Int) throws -> [UInt16] {
        try NetClock.wait("\(count) allowed datagrams", seconds: 5) {
            server.arrivals.count { $0.port.number == 53 } >= count
        }
        return server.arrivals.map(\.port.number)
    }

    @Test func fragmentsAreJudgedWhole() throws {
        try Self.withPods([PolicyPlan.Rule(ports: [udp(53)])]) { world, server, _ in
            let (a, b) = (world.pod("a"), world.pod("b"))
            try a.namespace.run {
                for port: UInt16 in [54, 53] {
                    for reversed in [false, true] {
                        try NetSpoof.sendFragments(
                            from: a.v4, 1000 + port, to: b.v4, port, payload: [UInt8](repeating: 7, count: 64),
                            firstBytes: 16, reversed: reversed)
                    }
                }
            }
            let ports = try Self.arrivals(server, until: 2)
            #expect(ports == [53, 53])
        }
    }

    /// A UDP packet behind IPv6 destination options (RFC 8200, section 4.6) of `units` times eight bytes more than
    /// eight.
    private static func behindOptions(
        _ from: IPAddress, _ to: IPAddress, _ port: UInt16, claimedUnits: UInt8 = 0
    ) -> [UInt8] {
        let datagram = NetBytes.udp(from: from, 1234, to: to, port, payload: [UInt8](repeating: 9, count: 8))
        let options: [UInt8] = [17, claimedUnits, 1, 4, 0, 0, 0, 0]
        return NetBytes.ip(from: from, to: to, protocol: 60, payload: options + datagram)
    }

    @Test func extensionHeadersAreWalked() throws {
        try Self.withPods([PolicyPlan.Rule(ports: [udp(53)])]) { world, server, _ in
            let (a, b) = (world.pod("a"), world.pod("b"))
            try a.namespace.run {
                for port: UInt16 in [54, 53] {
                    try NetSpoof.send(packet: Self.behindOptions(a.v6, b.v6, port), to: b.v6)
                }
            }
            let ports = try Self.arrivals(server, until: 1)
            #expect(ports == [53])
        }
    }

    @Test func whatHasNoTransportHeaderIsDeniedEvenWhereEverythingIsAllowed() throws {
        try Self.withPods([PolicyPlan.Rule()]) { world, _, datapath in
            let (a, b) = (world.pod("a"), world.pod("b"))
            try a.namespace.run {
                #expect(try NetProbe(.udp, to: b.v6, port: 53).run() == .answered)
                try NetSpoof.send(packet: Self.behindOptions(a.v6, b.v6, 53, claimedUnits: 200), to: b.v6)
                let short = NetBytes.ip(from: a.v4, to: b.v4, protocol: 17, payload: [1, 2])
                try NetSpoof.send(packet: short, to: b.v4)
            }
            try NetClock.wait("both packets to be counted", seconds: 5) { try datapath.counters().unparsable == 2 }
            let events = datapath.pollEvents(limit: 10)
            #expect(events.map(\.cause) == [.unparsable, .unparsable])
            #expect(events.allSatisfy { $0.direction == .ingress && $0.flow.destinationPort == nil })
        }
    }

    @Test func errorsOfAllowedFlowsPass() throws {
        try Self.withPods([PolicyPlan.Rule(ports: [udp(99)])]) { world, _, _ in
            // There is no listener on 99: the pod, isolated in egress too, answers by ICMP.
            try world.pod("a").namespace.run {
                for family in AddressFamily.allCases {
                    let address = world.pod("b").address(family)
                    let error = try NetProbe(.udp, to: address, port: 99).run()
                    #expect(error == .refused)
                    let echo = try NetProbe(family == .ipv4 ? .icmp : .icmpv6, to: address).run()
                    #expect(echo == .timeout)
                }
            }
        }
    }

    @Test func aPodReachesItselfThroughAService() throws {
        try Self.withPods([]) { world, server, _ in
            let b = world.pod("b")
            try b.namespace.run {
                // The answer comes from the pod itself, not from the Service: what counts is that the packet arrives.
                _ = try NetProbe(.udp, to: NetAddressing.service(0), port: 5300).run()
                _ = try NetProbe(.udp, to: NetAddressing.service6(0), port: 5300).run()
            }
            let own = try Self.arrivals(server, until: 2)
            #expect(own == [53, 53])
            try world.pod("a").namespace.run {
                let outcome = try NetProbe(.udp, to: NetAddressing.service(0), port: 5300).run()
                #expect(outcome == .timeout)
            }
            #expect(server.arrivals.count == 2)
        }
    }

    @Test func deniedPacketsAreAnsweredWhereAsked() throws {
        try NetWorld.with(pods: ["a", "b"]) { world in
            var plan = PolicyPlan()
            let b = world.pod("b")
            plan.programs["in"] = PolicyPlan.Rules(direction: .ingress)
            plan.endpoints["b"] = PolicyPlan.Endpoint(addresses: [b.v4, b.v6], ingress: "in", egress: nil)
            var compiler = PlanCompiler()
            let policy = compiler.compile(plan)
            try world.node.run {
                var datapath = NFTablesDatapath(settings: NFTablesSettings(rejects: true))
                _ = try datapath.open()
                _ = try datapath.resync(policy)
                try world.pod("a").namespace.run {
                    for family in AddressFamily.allCases {
                        let address = b.address(family)
                        let tcp = try NetProbe(.tcp, to: address, port: 80).run()
                        #expect(tcp == .refused)
                        let udp = try NetProbe(.udp, to: address, port: 80).run()
                        #expect(udp == .unreachable)
                    }
                }
                #expect(try datapath.counters().suppressedEvents == 0)
            }
        }
    }
}
