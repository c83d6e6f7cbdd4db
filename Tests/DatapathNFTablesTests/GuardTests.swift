// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import DatapathNFTables
import Glibc
import NetworkKit
import NetworkTypes
import PolicyModel
import Testing

/// Who a packet is from, and what no pod may send, whatever the policies; real packets; needs root.
/// One test at a time: what real packets prove depends on when they arrive, which a busy machine delays.
@Suite(.serialized) struct GuardTests {
    /// Pods a, b and c without policy, their interfaces known, and what arrives at b's UDP port 53.
    private static func withPods(
        _ body: (NetWorld, NetServer, inout NFTablesDatapath) throws -> Void
    ) throws {
        try NetWorld.with(pods: ["a", "b", "c"]) { world in
            let b = world.pod("b")
            let server = try b.namespace.run { try NetServer(at: [b.v4, b.v6], [NetServer.Port(.udp, 53)]) }
            defer { server.stop() }
            var plan = PolicyPlan()
            let node = [NetAddressing.gateways[0], NetAddressing.gateways6[0], NetAddressing.nodes6[0]]
            plan.peers["node"] = PolicyPlan.Peers(
                hosts: Set(node), blocks: CIDR.loopback.map { AddressBlock(cidr: $0) })
            for pod in world.pods { plan.endpoints[pod.name] = PolicyPlan.Endpoint(addresses: [pod.v4, pod.v6]) }
            var compiler = PlanCompiler()
            let policy = compiler.compile(plan)
            try world.node.run {
                var datapath = NFTablesDatapath()
                _ = try datapath.open()
                _ = try datapath.resync(policy)
                for (id, endpoint) in policy.endpoints {
                    let name = world.pod(endpoint.name.name).hostInterface
                    let interface = EndpointInterface(index: if_nametoindex(name), name: name)
                    try datapath.setPlace(EndpointPlace(interfaces: [interface]), of: id)
                }
                try body(world, server, &datapath)
            }
        }
    }

    /// Whether of all datagrams just the markers have come, once `count` of them are sent and have: they take the ways
    /// of those before them, and overtake none.
    private static func markersAreAlone(
        _ server: NetServer, of count: Int, _ sendMarkers: ([UInt8]) throws -> Void
    ) throws -> Bool {
        let number: UInt64 = 99
        try sendMarkers(NetBytes.big(number))
        try NetClock.wait("\(count) markers", seconds: 5) { server.arrivals.count { $0.number == number } >= count }
        return server.arrivals.count == count
    }

    @Test func addressesOfPodsAndOfTheNodeComeFromNowhereElse() throws {
        try Self.withPods { world, server, datapath in
            let (a, b, c) = (world.pod("a"), world.pod("b"), world.pod("c"))
            // A pod as another, and as itself from the outside, where sources are not checked.
            try a.namespace.run {
                for family in AddressFamily.allCases {
                    try NetSpoof.send(from: c.address(family), 9, to: b.address(family), 53, payload: [1])
                }
            }
            try world.node.sysctl([
                ("ipv4/conf/all/rp_filter", 0), ("ipv4/conf/default/rp_filter", 0),
            ])
            try world.outside.run {
                for family in AddressFamily.allCases {
                    try NetSpoof.send(from: c.address(family), 9, to: b.address(family), 53, payload: [2])
                    try NetSpoof.send(from: b.address(family), 9, to: b.address(family), 53, payload: [3])
                }
                try NetSpoof.send(from: NetAddressing.gateways6[0], 9, to: b.v6, 53, payload: [4])
                try NetSpoof.send(from: NetAddressing.nodes6[0], 9, to: b.v6, 53, payload: [5])
            }
            let honest = try Self.markersAreAlone(server, of: 4) { marker in
                for family in AddressFamily.allCases {
                    let (target, isV4) = (b.address(family), family == .ipv4)
                    let outside = isV4 ? NetAddressing.outside : NetAddressing.outside6
                    for (sender, source) in [(world.outside, outside), (a.namespace, a.address(family))] {
                        try sender.run { try NetSpoof.send(from: source, 9, to: target, 53, payload: marker) }
                    }
                }
            }
            #expect(honest)
            let spoofed = try datapath.counters().spoofed
            // IPv4 packets from outside are dropped by the kernel itself where it filters by the way back.
            #expect(spoofed >= 6 && spoofed <= 8)
            let events = datapath.pollEvents(limit: 20)
            #expect(events.count == Int(spoofed) && events.allSatisfy { $0.cause == .spoofed })
            try world.outside.run {
                for family in AddressFamily.allCases {
                    let outcome = try NetProbe(.udp, to: b.address(family), port: 53).run()
                    #expect(outcome == .answered)
                }
            }
            for pod in [a, c] {
                let outcome = try pod.namespace.run { try NetProbe(.udp, to: b.v6, port: 53).run() }
                #expect(outcome == .answered)
            }
        }
    }

    /// A UDP datagram behind the IPv4 option LSRR or SSRR, padded with an end of list (RFC 791), or behind a routing
    /// header of IPv6 with no segments left.
    private static func sourceRouted(_ a: NetPod, _ b: NetPod, option: UInt8) -> [UInt8] {
        let family: AddressFamily = option == 0 ? .ipv6 : .ipv4
        let (from, to) = (a.address(family), b.address(family))
        let datagram = NetBytes.udp(from: from, 9, to: to, 53, payload: [9])
        guard option != 0 else {
            let header: [UInt8] = [17, 0, 4, 0, 0, 0, 0, 0]
            return NetBytes.ip(from: from, to: to, protocol: 43, payload: header + datagram)
        }
        // The pointer is behind the only address: the way is over.
        var packet = NetBytes.ip(from: from, to: to, protocol: 17, payload: [])
        packet[0] = 0x47
        packet += [option, 7, 8] + NetBytes.of(to) + [0] + datagram
        packet.replaceSubrange(2..<4, with: NetBytes.big(UInt16(packet.count)))
        return packet
    }

    @Test func noPodNamesTheWay() throws {
        try Self.withPods { world, server, datapath in
            let (a, b) = (world.pod("a"), world.pod("b"))
            // The kernel drops these by itself unless it is configured to accept them.
            let interfaces = ["all", a.hostInterface]
            try world.node.sysctl(interfaces.map { ("ipv4/conf/\($0)/accept_source_route", 1) })
            try a.namespace.run {
                for option: UInt8 in [131, 137, 0] {
                    let packet = Self.sourceRouted(a, b, option: option)
                    try NetSpoof.send(packet: packet, to: b.address(option == 0 ? .ipv6 : .ipv4))
                }
            }
            let honest = try Self.markersAreAlone(server, of: 2) { marker in
                try a.namespace.run {
                    for family in AddressFamily.allCases {
                        try NetSpoof.send(from: a.address(family), 9, to: b.address(family), 53, payload: marker)
                    }
                }
            }
            #expect(honest)
            // A strict route that does not end at the node is dropped by the kernel itself (ip_options_rcv_srr).
            #expect(try datapath.counters().sourceRouted == 2)
            #expect(datapath.pollEvents(limit: 9).map(\.cause) == [.sourceRouted, .sourceRouted])
        }
    }

    @Test func noPodSendsTunnelPacketsToNodes() throws {
        try Self.withPods { world, server, datapath in
            let (a, b) = (world.pod("a"), world.pod("b"))
            let own = try NetServer(
                at: [NetAddressing.gateways[0], NetAddressing.gateways6[0]],
                [NetServer.Port(.udp, 8472), NetServer.Port(.udp, 53)])
            defer { own.stop() }
            func answers(_ target: IPAddress, _ port: UInt16) throws -> Bool {
                try a.namespace.run { try NetProbe(.udp, to: target, port: port).run() == .answered }
            }
            #expect(try answers(NetAddressing.gateways[0], 8472))
            try datapath.setTunnels(TunnelGuard(udpPorts: [8472, 53], protocols: [4], nodes: [b.v4]))
            // Not even where a flow has begun before.
            for gateway in [NetAddressing.gateways[0], NetAddressing.gateways6[0]] {
                #expect(try !answers(gateway, 8472))
            }
            // Only nodes have tunnels: b is said to be one by its first address.
            #expect(try !answers(b.v4, 53))
            #expect(try answers(b.v6, 53))
            #expect(try datapath.counters().tunnel >= 3)
            #expect(datapath.pollEvents(limit: 9).allSatisfy { $0.cause == .tunnel })
            try datapath.setTunnels(TunnelGuard())
            #expect(try answers(NetAddressing.gateways[0], 8472))
            #expect(try answers(b.v4, 53))
        }
    }

    /// An ICMP error of `reporter`'s about a packet from `a` to `b`.
    private static func error(
        _ type: UInt8, by reporter: IPAddress, about flow: (from: NetPod, to: NetPod, ports: (UInt16, UInt16))
    ) -> [UInt8] {
        let (from, to) = (flow.from.address(reporter.family), flow.to.address(reporter.family))
        let datagram = NetBytes.udp(from: from, flow.ports.0, to: to, flow.ports.1, payload: [1])
        let quoted = NetBytes.ip(from: from, to: to, protocol: 17, payload: datagram)
        let isV4 = reporter.family == .ipv4
        var message: [UInt8] = [type, isV4 ? 3 : 4, 0, 0, 0, 0, 0, 0] + quoted
        let pseudo: [UInt8] =
            isV4
            ? [] : NetBytes.of(reporter) + NetBytes.of(from) + NetBytes.big(UInt32(message.count)) + [0, 0, 0, 58]
        message.replaceSubrange(2..<4, with: NetBytes.big(NetBytes.checksum(pseudo + message)))
        return NetBytes.ip(from: reporter, to: from, protocol: isV4 ? 1 : 58, payload: message)
    }

    @Test(arguments: AddressFamily.allCases) func errorsComeFromASideOrARouter(family: AddressFamily) throws {
        try Self.withPods { world, _, datapath in
            let (a, b, c) = (world.pod("a"), world.pod("b"), world.pod("c"))
            let type: UInt8 = family == .ipv4 ? 3 : 1
            /// Whether a's socket, which has asked b, hears an error that `sender` sends as `reporter`.
            func isHeard(_ type: UInt8, from sender: NetNamespace, as reporter: IPAddress) throws -> Bool {
                let client = try a.namespace.run { try NetSocket(family, SOCK_DGRAM) }
                try client.bind(a.address(family), 0)
                _ = client.connect(b.address(family), 53)
                client.send([1])
                #expect(client.wait(POLLIN, milliseconds: 500) != 0)
                _ = client.receive()
                let packet = Self.error(type, by: reporter, about: (a, b, (client.localPort, 53)))
                let denied = try datapath.counters().unrelatedErrors
                try sender.run { try NetSpoof.send(packet: packet, to: a.address(family)) }
                var hears = false
                try NetClock.wait("the error to be heard or counted", seconds: 5) {
                    hears = hears || client.pendingError != 0
                    return try hears || datapath.counters().unrelatedErrors > denied
                }
                return hears
            }
            #expect(try isHeard(type, from: b.namespace, as: b.address(family)))
            #expect(try !isHeard(type, from: c.namespace, as: c.address(family)))
            #expect(try datapath.counters().unrelatedErrors == 1)
            #expect(datapath.pollEvents(limit: 9).map(\.cause) == [.unrelatedError])
            let router = family == .ipv4 ? NetAddressing.outside : NetAddressing.outside6
            #expect(try isHeard(type, from: world.outside, as: router))
            guard family == .ipv4 else { return }
            _ = try isHeard(5, from: b.namespace, as: b.v4)
            #expect(try datapath.counters().unrelatedErrors == 2)
        }
    }

    /// By ClusterNetworkPolicy a pod is judged when it asks itself through a Service, and by its own address never.
    @Test func aPodAsksItselfThroughAService() throws {
        let services = [NetService(.udp, port: 5300, targetPort: 53, backends: ["b"])]
        try NetWorld.with(pods: ["b"], services: services) { world in
            let b = world.pod("b")
            let server = try b.namespace.run { try NetServer(at: [b.v4, b.v6], [NetServer.Port(.udp, 53)]) }
            defer { server.stop() }
            var compiler = PlanCompiler()
            try world.node.run {
                var datapath = NFTablesDatapath()
                _ = try datapath.open()
                var expected = 0
                for tier in [Tier.networkPolicy, .admin, .baseline] {
                    var plan = PolicyPlan()
                    let rules = tier == .networkPolicy ? [] : [PolicyPlan.Rule(tier: tier, action: .deny)]
                    plan.programs["in \(tier)"] = PolicyPlan.Rules(
                        direction: .ingress, rules: rules, isIsolated: tier == .networkPolicy)
                    plan.endpoints["b"] = PolicyPlan.Endpoint(addresses: [b.v4, b.v6], ingress: "in \(tier)")
                    _ = try datapath.resync(compiler.compile(plan))
                    try b.namespace.run {
                        _ = try NetProbe(.udp, to: NetAddressing.service(0), port: 5300).run()
                        _ = try NetProbe(.udp, to: NetAddressing.service6(0), port: 5300).run()
                    }
                    if tier == .networkPolicy { expected += 2 }
                    try NetClock.wait("both packets to come or to be counted", seconds: 5) {
                        let denied = try datapath.ruleCounters().values.reduce(0) { $0 + $1.packets }
                        return tier == .networkPolicy ? server.arrivals.count == 2 : denied >= 2
                    }
                    #expect(server.arrivals.count == expected, "\(tier)")
                }
            }
        }
    }
}
