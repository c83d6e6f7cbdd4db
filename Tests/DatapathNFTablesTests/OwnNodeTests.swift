// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import DatapathNFTables
import Glibc
import NetworkKit
import NetworkTypes
import PolicyModel
import Testing

/// What pods send to their own node, with real packets; needs root.
/// One test at a time: what real packets prove depends on when they arrive, which a busy machine delays.
@Suite(.serialized) struct OwnNodeTests {
    private static let nodeAddresses = [NetAddressing.gateways[0], NetAddressing.gateways6[0]]

    private static func gateway(_ family: AddressFamily) -> IPAddress { nodeAddresses[family == .ipv4 ? 0 : 1] }

    /// Pod a is kept from these of the node's ports, or from the node wholly.
    private static func plan(_ world: NetWorld, denied: [ProtocolPorts]?, judges: Bool = true) -> PolicyPlan {
        var plan = PolicyPlan()
        plan.peers["node"] = PolicyPlan.Peers(hosts: Set(nodeAddresses))
        // A program never changes: another rule, another program.
        let out = "out \(denied?.description ?? "all")"
        plan.programs[out] = PolicyPlan.Rules(
            direction: .egress,
            rules: [PolicyPlan.Rule(tier: .admin, action: .deny, peers: ["node"], ports: denied, policy: "guard")],
            isIsolated: false)
        for name in ["a", "b"] {
            let pod = world.pod(name)
            plan.endpoints[name] = PolicyPlan.Endpoint(
                addresses: [pod.v4, pod.v6], ingress: nil, egress: name == "a" ? out : nil)
        }
        plan.judgesOwnNode = judges
        return plan
    }

    private static func withNode(
        _ body: (NetWorld, inout NFTablesDatapath, inout PlanCompiler) throws -> Void
    ) throws {
        try NetWorld.with(pods: ["a", "b"]) { world in
            let ports = [NetServer.Port(.tcp, 80), NetServer.Port(.udp, 53)]
            var servers = [try world.node.run { try NetServer(at: nodeAddresses, ports) }]
            for pod in world.pods {
                servers.append(try pod.namespace.run { try NetServer(at: [pod.v4, pod.v6], ports) })
            }
            defer { for server in servers { server.stop() } }
            try world.node.run {
                var datapath = NFTablesDatapath()
                _ = try datapath.open()
                var compiler = PlanCompiler()
                try body(world, &datapath, &compiler)
            }
        }
    }

    @Test func egressDecidesAndProbesPass() throws {
        try Self.withNode { world, datapath, compiler in
            var policy = compiler.compile(Self.plan(world, denied: nil, judges: false))
            _ = try datapath.resync(policy)
            for (denied, judges) in [(nil, false), ([tcp(80)], true), (nil, true), (nil, false)]
                as [([ProtocolPorts]?, Bool)]
            {
                let next = compiler.compile(Self.plan(world, denied: denied, judges: judges))
                _ = try datapath.program(CompiledDelta(from: policy, to: next), of: next)
                policy = next
                #expect(try datapath.resync(policy) == ProgramReport())
                for family in AddressFamily.allCases {
                    let probes = [
                        NetProbe(.tcp, to: Self.gateway(family), port: 80),
                        NetProbe(.udp, to: Self.gateway(family), port: 53),
                        NetProbe(family == .ipv4 ? .icmp : .icmpv6, to: Self.gateway(family)),
                    ]
                    let a = try world.pod("a").namespace.run { try NetProbe.runTogether(probes) }
                    #expect((a[0] == .answered) == !judges)
                    #expect((a[1] == .answered) == (!judges || denied != nil))
                    #expect((a[2] == .answered) == (!judges || denied != nil))
                    let b = try world.pod("b").namespace.run { try NetProbe.runTogether(probes) }
                    #expect(b == [.answered, .answered, .answered])
                    // Neighbors are resolved again, whatever the policy.
                    try world.pod("a").namespace.ip(["neigh flush all"])
                    let toPod = [
                        NetProbe(.tcp, to: world.pod("a").address(family), port: 80),
                        NetProbe(.udp, to: world.pod("a").address(family), port: 53),
                    ]
                    #expect(try NetProbe.runTogether(toPod) == [.answered, .answered])
                }
            }
        }
    }

    /// A group is the node as well, where the node takes it in: rules about either decide.
    @Test func aGroupIsNoWayAround() throws {
        try Self.withNode { world, datapath, compiler in
            let server = try world.node.run { try NetSocket(.ipv4, SOCK_DGRAM) }
            try server.bind(IPAddress(v4: 0), 5300)
            for (denied, passes) in [([tcp(80)], true), (nil, false)] as [([ProtocolPorts]?, Bool)] {
                var plan = Self.plan(world, denied: denied)
                let groups = ["224.0.0.1", "255.255.255.255"]
                plan.peers["node"]?.hosts.formUnion(try groups.map { try IPAddress($0) })
                _ = try datapath.resync(compiler.compile(plan))
                for to in groups {
                    let pod = world.pod("a")
                    try Self.send(by: pod, from: pod.v4, to: try IPAddress(to), [UInt8](repeating: 0xff, count: 6))
                    #expect((server.wait(POLLIN, milliseconds: 300) != 0) == passes, "\(to), denied: \(denied == nil)")
                    while server.discard() {}
                }
            }
        }
    }

    @Test func deniedPacketsAreTold() throws {
        try Self.withNode { world, datapath, compiler in
            let policy = compiler.compile(Self.plan(world, denied: [tcp(80)]))
            _ = try datapath.resync(policy)
            let probe = NetProbe(.tcp, to: Self.gateway(.ipv4), port: 80)
            #expect(try world.pod("a").namespace.run { try probe.run() } == .timeout)
            let events = datapath.pollEvents(limit: 10)
            #expect(!events.isEmpty)
            for event in events {
                #expect(event.cause == .rule && event.direction == .egress && event.flow.destinationPort == 80)
                #expect(policy.rules[event.rule]?.identity.name == "guard rule 1")
            }
        }
    }

    @Test func sourcesAreChecked() throws {
        try Self.withNode { world, datapath, compiler in
            let (a, b) = (world.pod("a"), world.pod("b"))
            var policy = compiler.compile(Self.plan(world, denied: [tcp(80)]))
            _ = try datapath.resync(policy)
            let endpoint = policy.endpoints.first { $0.value.name.name == "a" }!.key
            let interface = EndpointInterface(index: if_nametoindex(a.hostInterface), name: a.hostInterface)
            try datapath.setPlace(EndpointPlace(interfaces: [interface]), of: endpoint)
            try a.namespace.run {
                try NetSpoof.send(from: b.v4, 999, to: Self.gateway(.ipv4), 53, payload: [1])
                try NetSpoof.send(from: b.v6, 999, to: Self.gateway(.ipv6), 53, payload: [1])
                #expect(try NetProbe(.udp, to: Self.gateway(.ipv4), port: 53).run() == .answered)
                #expect(try NetProbe(.udp, to: Self.gateway(.ipv6), port: 53).run() == .answered)
            }
            #expect(try datapath.counters().spoofed == 2)
            // While nothing is judged, traffic to the node passes.
            let next = compiler.compile(Self.plan(world, denied: nil, judges: false))
            _ = try datapath.program(CompiledDelta(from: policy, to: next), of: next)
            policy = next
            try a.namespace.run {
                try NetSpoof.send(from: b.v4, 999, to: Self.gateway(.ipv4), 53, payload: [1])
            }
            #expect(try datapath.counters().spoofed == 2)
        }
    }

    @Test func aRevokedFlowStopsBothWaysAndNoOther() throws {
        try Self.withNode { world, datapath, compiler in
            let allowed = compiler.compile(Self.plan(world, denied: [tcp(81)]))
            let denied = compiler.compile(Self.plan(world, denied: nil))
            _ = try datapath.resync(allowed)
            let server = try NetSocket(.ipv4, SOCK_DGRAM)
            try server.bind(Self.gateway(.ipv4), 5300)
            let client = try world.pod("a").namespace.run { try NetSocket(.ipv4, SOCK_DGRAM) }
            try client.bind(world.pod("a").v4, 40000)
            func isHeard(_ message: UInt8) -> Bool {
                server.send([message], to: world.pod("a").v4, 40000)
                guard client.wait(POLLIN, milliseconds: 200) != 0 else { return false }
                _ = client.receive()
                return true
            }
            client.send([1], to: Self.gateway(.ipv4), 5300)
            #expect(server.wait(POLLIN, milliseconds: 500) != 0)
            _ = server.receive()
            #expect(isHeard(2))
            func hammers(_ pod: String) throws -> [NetHammer] {
                try world.pod(pod).namespace.run {
                    [
                        try NetHammer(.udp, to: Self.gateway(.ipv4), port: 53, everyMicroseconds: 4000),
                        try NetHammer(.tcp, to: Self.gateway(.ipv6), port: 80, everyMicroseconds: 4000),
                    ]
                }
            }
            let revoked = try hammers("a")
            let probing = [try NetHammer(.udp, to: world.pod("a").v4, port: 53, everyMicroseconds: 4000)]
            let kept = try hammers("b") + probing
            for hammer in revoked + kept { try hammer.waitForAnswers(60) }
            _ = try datapath.program(CompiledDelta(from: allowed, to: denied), of: denied)
            let time = NetClock.now
            for hammer in revoked { try hammer.waitForPackets(30, since: time) }
            let last = NetClock.now
            for hammer in kept { try hammer.waitForAnswers(5, since: last) }
            for hammer in revoked {
                let packets = hammer.stop()
                #expect(packets.filter { $0.sent < time - 100_000_000 }.allSatisfy { $0.answered != nil })
                let after = packets.filter { $0.sent > time }
                #expect(after.count > 20 && after.allSatisfy { $0.answered == nil })
            }
            for hammer in kept {
                let packets = hammer.stop()
                #expect(packets.count > 80 && packets.allSatisfy { $0.answered != nil })
            }
            #expect(!isHeard(3))
            client.send([4], to: Self.gateway(.ipv4), 5300)
            #expect(server.wait(POLLIN, milliseconds: 200) == 0)
        }
    }

    private static func interface(_ pod: NetPod) -> EndpointPlace {
        let index = if_nametoindex(pod.hostInterface)
        return EndpointPlace(interfaces: [EndpointInterface(index: index, name: pod.hostInterface)])
    }

    /// EUI-64 (RFC 4291, appendix A).
    private static func linkLocal(_ hardware: [UInt8]) -> IPAddress {
        let low = (hardware.prefix(3) + [0xff, 0xfe] + hardware.suffix(3)).reduce(0 as UInt64) { $0 << 8 | UInt64($1) }
        return IPAddress(v6High: 0xfe80 << 48, low: low ^ 0x0200_0000_0000_0000)
    }

    /// A datagram in a frame to the node, whatever its addresses.
    private static func send(by pod: NetPod, from source: IPAddress, to target: IPAddress, _ hardware: [UInt8]) throws {
        let datagram = NetBytes.udp(from: source, 4000, to: target, 5300, payload: [1])
        let packet = NetBytes.ip(from: source, to: target, protocol: 17, payload: datagram)
        let type: [UInt8] = source.family == .ipv4 ? [0x08, 0x00] : [0x86, 0xdd]
        let frame = try hardware + pod.namespace.hardwareAddress() + type + packet
        try pod.namespace.run { try NetSpoof.send(frame: frame, by: "eth0") }
    }

    @Test func theNodeIsTheNodeByWhateverAddress() throws {
        try NetWorld.with(pods: ["a", "b"]) { world in
            try world.node.ip([
                "addr add 10.255.0.1/32 dev lo", "route add local 10.254.0.0/24 dev lo",
                "route add local fd00:254::/64 dev lo",
            ])
            try world.node.sysctl([("ipv4/conf/all/route_localnet", 1)])
            var plan = Self.plan(world, denied: [udp(5300)])
            let own = CIDR.loopback + Self.nodeAddresses.map { CIDR(host: $0) }
            plan.peers["node"]!.hosts = []
            plan.peers["node"]!.blocks = own.map { AddressBlock(cidr: $0) }
            var compiler = PlanCompiler()
            let policy = compiler.compile(plan)
            try world.node.run {
                var datapath = NFTablesDatapath()
                _ = try datapath.open()
                _ = try datapath.resync(policy)
                for (id, endpoint) in policy.endpoints {
                    try datapath.setPlace(Self.interface(world.pod(endpoint.name.name)), of: id)
                }
                let receivers = try AddressFamily.allCases.map { family in
                    let socket = try NetSocket(family, SOCK_DGRAM)
                    try socket.bind(family == .ipv4 ? IPAddress(v4: 0) : IPAddress(v6High: 0, low: 0), 5300)
                    return socket
                }
                for name in ["a", "b"] {
                    let pod = world.pod(name)
                    let hardware = try world.node.hardwareAddress(of: pod.hostInterface)
                    let (node, own) = try (Self.linkLocal(hardware), Self.linkLocal(pod.namespace.hardwareAddress()))
                    let flows: [(IPAddress, IPAddress)] = [
                        (pod.v4, Self.gateway(.ipv4)), (pod.v4, address("10.255.0.1")), (pod.v4, address("10.254.0.9")),
                        (pod.v4, address("127.0.0.1")), (pod.v6, Self.gateway(.ipv6)),
                        (pod.v6, address("fd00:254::9")), (pod.v6, node), (own, node), (own, Self.gateway(.ipv6)),
                    ]
                    for (source, target) in flows {
                        try Self.send(by: pod, from: source, to: target, hardware)
                        let receiver = receivers[source.family == .ipv4 ? 0 : 1]
                        let isHeard = receiver.wait(POLLIN, milliseconds: 200) != 0
                        while receiver.discard() {}
                        #expect(isHeard == (name == "b"), "\(name): \(source) to \(target)")
                    }
                }
                #expect(datapath.pollEvents(limit: 20).filter { $0.cause == .rule }.count == 9)
            }
        }
    }

    @Test func theNextRunTakesItOverAndRepairsIt() throws {
        try withNamespace("own") {
            var compiler = PlanCompiler()
            let policy = compiler.compile(.mixed)
            do {
                var first = NFTablesDatapath()
                _ = try first.open()
                _ = try first.resync(policy)
            }
            var datapath = NFTablesDatapath()
            _ = try datapath.open()
            #expect(try datapath.resync(policy) == ProgramReport())
            for edit in ["delete chain inet bulkhead input", "flush chain inet bulkhead output"] {
                try NetProcess.run(["nft", edit])
                #expect(try datapath.resync(policy).repaired > 0)
                #expect(try datapath.resync(policy) == ProgramReport())
            }
            var plan = PolicyPlan.mixed
            plan.judgesOwnNode = false
            let quiet = compiler.compile(plan)
            _ = try datapath.program(CompiledDelta(from: policy, to: quiet), of: quiet)
            let listed = try NetProcess.run(["nft", "list", "table", "inet", "bulkhead"])
            #expect(listed.contains("hook forward"))
            #expect(!listed.contains("hook input") && !listed.contains("hook output"))
        }
    }
}
