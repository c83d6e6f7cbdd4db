// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import DatapathNFTables
import Glibc
import Netfilter
import NetworkKit
import NetworkTypes
import PolicyModel
import Testing

/// What reaches a pod by no address of its own: groups and link-local addresses on a bridge, other addresses behind its
/// interface. Real packets; needs root.
/// One test at a time: what real packets prove depends on when they arrive, which a busy machine delays.
@Suite(.serialized) struct PortTests {
    /// What marks frames in the table `bridge bulkhead`, for these ports.
    private static func marks(_ ports: [UInt32]) -> String {
        let rules = ports.map { port in
            "oif \(port) meta mark set \(PortMark.of(port: port)!)"
        }
        return """
            table bridge marks {
              chain before { type filter hook forward priority -10; \(rules.joined(separator: "; ")); }
              chain after { type filter hook forward priority 10; meta mark & 0xff000000 == 0x42000000 meta mark set 0; }
            }
            """
    }

    @Test func groupsAreJudgedAtTheBridgePort() throws {
        try NetWorld.with(pods: ["a", "b", "c"], links: .bridged) { world in
            let (a, b, c) = (world.pod("a"), world.pod("b"), world.pod("c"))
            func receiver(_ pod: NetPod, _ port: UInt16) throws -> NetSocket {
                let socket = try pod.namespace.run { try NetSocket(.ipv4, SOCK_DGRAM) }
                try socket.bind(IPAddress(v4: 0), port)
                return socket
            }
            let receivers = try [receiver(b, 5000), receiver(b, 5001), receiver(c, 5000)]
            var plan = PolicyPlan()
            plan.peers["a"] = PolicyPlan.Peers(hosts: [a.v4])
            plan.programs["in"] = PolicyPlan.Rules(
                direction: .ingress, rules: [PolicyPlan.Rule(peers: ["a"], ports: [udp(5001)])])
            plan.endpoints["b"] = PolicyPlan.Endpoint(addresses: [b.v4, b.v6], ingress: "in")
            plan.endpoints["c"] = PolicyPlan.Endpoint(addresses: [c.v4, c.v6])
            try Self.withBridge(plan, world, marking: [b, c]) { policy, datapath in
                for target in ["255.255.255.255", "224.0.0.1"] {
                    try a.namespace.run {
                        for port: UInt16 in [5000, 5001] {
                            let frame = try [UInt8](repeating: 0xff, count: 6) + a.namespace.hardwareAddress() + [8, 0]
                            try NetSpoof.send(frame: frame + Self.packet(a.v4, address(target), port), by: "eth0")
                        }
                    }
                    let heard = receivers.map { $0.wait(POLLIN, milliseconds: 200) != 0 }
                    for socket in receivers { while socket.discard() {} }
                    #expect(heard == [false, true, true], "\(target)")
                }
                let events = datapath.pollEvents(limit: 9).filter { $0.cause == .rule }
                #expect(events.count == 2)
                // The receiver, not the sender, whose port the frame came by.
                #expect(events.allSatisfy { policy.endpoints[$0.endpoint]?.name.name == "b" })
            }
        }
    }

    /// Policy judges what has DHCP's ports or no source address, too. It does not judge a server's answer, and of a request to
    /// all only the receivers' side.
    @Test func noPodPassesPolicyByDHCPOrWithoutAnAddress() throws {
        try NetWorld.with(pods: ["asker", "isolated", "open", "server"], links: .bridged) { world in
            let (isolated, open) = (world.pod("isolated"), world.pod("open"))
            var plan = PolicyPlan()
            plan.programs["in"] = PolicyPlan.Rules(direction: .ingress, rules: [])
            plan.programs["out"] = PolicyPlan.Rules(direction: .egress, rules: [])
            // The server is not one of the node's pods.
            for name in ["asker", "isolated", "open"] {
                plan.endpoints[name] = PolicyPlan.Endpoint(
                    addresses: [world.pod(name).v4, world.pod(name).v6], ingress: name == "isolated" ? "in" : nil,
                    egress: name == "asker" ? "out" : nil)
            }
            try Self.withBridge(plan, world, marking: [isolated, open]) { _, _ in
                let all = address("255.255.255.255")
                let none = address("0.0.0.0")
                let asker = world.pod("asker").v4
                let rows: [(String, IPAddress, UInt16, IPAddress, UInt16, [Bool])] = [
                    ("open", open.v4, 68, all, 67, [false]), ("open", none, 68, all, 67, [false]),
                    ("asker", asker, 68, all, 67, [false, true]), ("asker", none, 68, all, 67, [false, true]),
                    ("asker", asker, 69, all, 67, [false, false]), ("asker", none, 69, all, 67, [false, false]),
                    ("asker", asker, 68, open.v4, 67, [false, false]),
                    ("asker", none, 68, open.v4, 67, [false, false]),
                    ("server", world.pod("server").v4, 67, all, 68, [true, true]),
                    ("open", open.v4, 67, all, 68, [false]),
                ]
                for (sender, from, source, to, port, wanted) in rows {
                    let receivers = try [isolated, open].prefix(wanted.count).map { pod in
                        let socket = try pod.namespace.run { try NetSocket(.ipv4, SOCK_DGRAM) }
                        try socket.bind(IPAddress(v4: 0), port)
                        return socket
                    }
                    try world.pod(sender).namespace.run {
                        let hardware = try world.pod(sender).namespace.hardwareAddress()
                        let receiver =
                            to == all ? [UInt8](repeating: 0xff, count: 6) : try open.namespace.hardwareAddress()
                        let packet = Self.packet(from, to, port, sourcePort: source)
                        try NetSpoof.send(frame: receiver + hardware + [8, 0] + packet, by: "eth0")
                    }
                    let heard = receivers.map { $0.wait(POLLIN, milliseconds: 300) != 0 }
                    #expect(heard == wanted, "\(sender): \(from):\(source) to \(to):\(port)")
                }
            }
        }
    }

    /// Programs the plan for pods behind the node's bridge, and marks frames that leave through the ports of some of them.
    private static func withBridge(
        _ plan: PolicyPlan, _ world: NetWorld, marking receivers: [NetPod],
        _ body: (CompiledPolicy, inout NFTablesDatapath) throws -> Void
    ) throws {
        var compiler = PlanCompiler()
        let policy = compiler.compile(plan)
        try world.node.sysctl([("bridge/bridge-nf-call-iptables", 1)])
        try world.node.run {
            var datapath = NFTablesDatapath()
            _ = try datapath.open()
            _ = try datapath.resync(policy)
            for (id, endpoint) in policy.endpoints {
                let pod = world.pod(endpoint.name.name)
                let port = EndpointBridgePort(
                    index: if_nametoindex(pod.hostInterface), bridge: if_nametoindex("cni0"),
                    hardware: try Self.hardware(pod))
                try datapath.setPlace(EndpointPlace(port: port), of: id)
            }
            let ports = receivers.map { if_nametoindex($0.hostInterface) }
            try NetProcess.run(["nft", "-f", "-"], input: Self.marks(ports))
            try body(policy, &datapath)
        }
    }

    private static func hardware(_ pod: NetPod) throws -> UInt64 {
        try pod.namespace.hardwareAddress().reduce(0) { $0 << 8 | UInt64($1) }
    }

    private static func packet(
        _ from: IPAddress, _ to: IPAddress, _ port: UInt16, sourcePort: UInt16 = 4000
    ) -> [UInt8] {
        let datagram = NetBytes.udp(from: from, sourcePort, to: to, port, payload: [1])
        let packet = NetBytes.ip(from: from, to: to, protocol: 17, payload: datagram)
        return packet
    }

    /// Packets that the node routes to a pod's interface are the pod's, whatever their destination.
    @Test func whatLeavesByAPodsInterfaceIsThePods() throws {
        try NetWorld.with(pods: ["a", "b"]) { world in
            let (a, b) = (world.pod("a"), world.pod("b"))
            let other = [address("198.51.100.7"), address("2001:db8:7::7")]
            try b.namespace.ip(["addr add 198.51.100.7/32 dev lo", "addr add 2001:db8:7::7/128 dev lo nodad"])
            try world.node.ip([
                "route add 198.51.100.7/32 via \(b.v4) dev \(b.hostInterface) onlink",
                "route add 2001:db8:7::7/128 via \(b.v6) dev \(b.hostInterface)",
            ])
            let server = try b.namespace.run { try NetServer(at: other, [.init(.udp, 53), .init(.udp, 54)]) }
            defer { server.stop() }
            var plan = PolicyPlan()
            plan.programs["in"] = PolicyPlan.Rules(direction: .ingress, rules: [PolicyPlan.Rule(ports: [udp(54)])])
            plan.endpoints["b"] = PolicyPlan.Endpoint(addresses: [b.v4, b.v6], ingress: "in")
            var compiler = PlanCompiler()
            let policy = compiler.compile(plan)
            try world.node.run {
                var datapath = NFTablesDatapath()
                _ = try datapath.open()
                _ = try datapath.resync(policy)
                let interface = EndpointInterface(index: if_nametoindex(b.hostInterface), name: b.hostInterface)
                try datapath.setPlace(EndpointPlace(interfaces: [interface]), of: policy.endpoints.keys.first!)
                try a.namespace.run {
                    for target in other {
                        for port: UInt16 in [53, 54] {
                            _ = try NetProbe(.udp, to: target, port: port, milliseconds: 200).run()
                        }
                    }
                }
                #expect(server.arrivals.map(\.port.number) == [54, 54])
            }
        }
    }
}
