// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import DatapathEBPF
import Glibc
import NetworkKit
import NetworkTypes
import PolicyModel
import Testing

/// Real frames from a pod whose policy denies all, to its node by every address, and to a pod behind the same bridge.
@Suite struct KernelNodeAddressTests {
    private static let denied = RuleID(rawValue: 1)

    /// `client` may send nothing, `server` may be sent nothing; where `isOpen`, all may.
    private static func policy(_ world: NetWorld, isOpen: Bool = false) -> CompiledPolicy {
        var builder = PolicyBuilder()
        builder.addRules(1)
        for (number, direction) in [(1, Direction.egress), (2, .ingress)] {
            builder.addProgram(number, direction) { _, _ in Cell(.deny, by: denied) }
        }
        for (number, name) in [(1, "client"), (2, "server"), (3, "free")] {
            let pod = world.pod(name)
            builder.addEndpoint(
                number, [pod.v4, pod.v6], addressClass: 0, ingress: isOpen || number != 2 ? 0 : 2,
                egress: isOpen || number != 1 ? 0 : 1)
        }
        builder.policy.judgesOwnNode = !isOpen
        return builder.policy
    }

    private static func withNode(
        _ links: NetPodLinks, _ body: (NetWorld, inout EBPFDatapath) throws -> Void
    ) throws {
        try NetWorld.with(pods: ["client", "server", "free"], links: links) { world in
            try world.node.run {
                try world.node.command("nft", "flush", "ruleset")
                if links == .bridged {
                    try world.node.sysctl([
                        ("bridge/bridge-nf-call-iptables", 1), ("bridge/bridge-nf-call-ip6tables", 1),
                    ])
                }
                var datapath = EBPFDatapath(bpffs: world.bpffs)
                _ = try datapath.open()
                try datapath.setListening(true)
                _ = try datapath.resync(policy(world, isOpen: true))
                for (number, name) in [(UInt16(1), "client"), (2, "server"), (3, "free")] {
                    let index = if_nametoindex(world.pod(name).hostInterface)
                    let place =
                        links == .routed
                        ? EndpointPlace(interfaces: [EndpointInterface(index: index, name: name)])
                        : EndpointPlace(port: EndpointBridgePort(index: index, bridge: if_nametoindex("cni0")))
                    try datapath.setPlace(place, of: EndpointID(rawValue: number))
                }
                try body(world, &datapath)
                #expect(try datapath.counters().inconsistent == 0)
            }
        }
    }

    private static func hardware(_ interface: String) throws -> [UInt8] {
        let words = try NetProcess.run(["ip", "-br", "link", "show", "dev", interface]).split(separator: " ")
        return words[2].split(separator: ":").compactMap { UInt8($0, radix: 16) }
    }

    /// One UDP datagram to port 9, in a frame for all or for one.
    private static func send(_ from: String, _ to: String, by pod: NetPod, for one: [UInt8]? = nil) throws {
        let (source, destination) = (try IPAddress(from), try IPAddress(to))
        let datagram = NetBytes.udp(from: source, 9, to: destination, 9, payload: [1])
        let packet = NetBytes.ip(from: source, to: destination, protocol: 17, payload: datagram)
        let type: [UInt8] = source.family == .ipv4 ? [8, 0] : [0x86, 0xdd]
        let sender = try pod.namespace.run { try hardware("eth0") }
        let frame = (one ?? [UInt8](repeating: 0xff, count: 6)) + sender + type + packet
        try pod.namespace.run { try NetSpoof.send(frame: frame, by: "eth0") }
    }

    /// Sockets of the calling thread's namespace that take any datagram to port 9.
    private struct Listener {
        let sockets: [NetSocket]
        init() throws {
            sockets = try [(AddressFamily.ipv6, "::"), (.ipv4, "0.0.0.0")].map { family, address in
                let socket = try NetSocket(family, SOCK_DGRAM)
                if family == .ipv6 { socket.setOption(41, 26, 1) }
                try socket.bind(IPAddress(address), 9)
                return socket
            }
        }
        func hears(milliseconds: Int32 = 200) -> Bool {
            let heard = sockets.map { $0.wait(POLLIN, milliseconds: Int(milliseconds) / 2) & POLLIN != 0 }
            for socket in sockets { while socket.discard() {} }
            return heard.contains(true)
        }
    }

    private static func linkLocal(_ interface: String) throws -> String {
        let text = try NetProcess.run(["ip", "-6", "-br", "addr", "show", "dev", interface, "scope", "link"])
        return try #require(text.split(separator: " ").first { $0.hasPrefix("fe80") }?.split(separator: "/").first)
            .description
    }

    @Test(arguments: NetPodLinks.allCases) func theNodeByEveryAddress(links: NetPodLinks) throws {
        try Self.withNode(links) { world, datapath in
            let client = world.pod("client")
            try world.node.ip([
                "addr add 10.255.0.1/32 dev lo", "addr add fd00:255::1/128 dev lo",
                "route add local 10.254.0.0/24 dev lo", "route add local fd00:254::/64 dev lo",
            ])
            let device = links == .routed ? client.hostInterface : "cni0"
            let (node, gateway) = try (Self.linkLocal(device), Self.hardware(device))
            let (own4, own6, own) = ("\(client.v4)", "\(client.v6)", "fe80::1234")
            let cases = [
                (own4, "\(NetAddressing.gateways[0])"), (own4, "10.255.0.1"), (own4, "10.254.0.9"),
                (own6, "\(NetAddressing.gateways6[0])"), (own6, "fd00:255::1"), (own6, "fd00:254::9"), (own6, node),
                (own, node), (own, "\(NetAddressing.gateways6[0])"),
            ]
            let listener = try Listener()
            for isOpen in [true, false] {
                _ = try datapath.resync(Self.policy(world, isOpen: isOpen))
                for (from, to) in cases {
                    let before = try datapath.ruleCounters()[Self.denied]?.packets ?? 0
                    try Self.send(from, to, by: client, for: gateway)
                    #expect(listener.hears() == isOpen, "\(links) \(from) to \(to), open \(isOpen)")
                    let after = try datapath.ruleCounters()[Self.denied]?.packets ?? 0
                    #expect(after - before == (isOpen ? 0 : 1), "\(links) \(from) to \(to)")
                }
            }
            #expect(try datapath.counters().spoofed == 0)
        }
    }

    /// Behind one bridge: groups, link-local addresses and frames with another's address reach no pod that denies them.
    @Test func groupsBehindABridge() throws {
        try Self.withNode(.bridged) { world, datapath in
            let (client, server, free) = (world.pod("client"), world.pod("server"), world.pod("free"))
            let inServer = try server.namespace.run { try Listener() }
            let link = try server.namespace.run { try Self.linkLocal("eth0") }
            let (free4, free6) = ("\(free.v4)", "\(free.v6)")
            let cases = [
                (free4, "\(server.v4)"), (free4, "255.255.255.255"), (free4, "10.244.0.255"), (free4, "224.0.0.1"),
                (free6, "\(server.v6)"), (free6, "ff02::1"), (free6, link), ("fe80::77", link), ("fe80::77", "ff02::1"),
            ]
            for isOpen in [true, false] {
                _ = try datapath.resync(Self.policy(world, isOpen: isOpen))
                for (from, to) in cases {
                    try Self.send(from, to, by: free)
                    #expect(inServer.hears() == isOpen, "\(from) to \(to), open \(isOpen)")
                }
            }
            let told = datapath.pollEvents(limit: 1000)
            #expect(told.contains { $0.endpoint.rawValue == 2 && $0.direction == .ingress })
            // The sender's egress, where its address says nothing: by the port.
            let inFree = try free.namespace.run { try Listener() }
            for (from, to) in [("\(client.v4)", "255.255.255.255"), ("fe80::88", "ff02::1")] {
                try Self.send(from, to, by: client)
                #expect(!inFree.hears(), "\(from)")
            }
            #expect(try datapath.counters().spoofed == 0)
        }
    }

    /// A pod's address by another pod's interface, or by no pod's.
    @Test func anAddressByAnotherInterface() throws {
        try Self.withNode(.routed) { world, datapath in
            _ = try datapath.resync(Self.policy(world, isOpen: true))
            let (client, server) = (world.pod("client"), world.pod("server"))
            let inServer = try server.namespace.run { try Listener() }
            let (clients, frees) = try (
                Self.hardware(client.hostInterface), Self.hardware(world.pod("free").hostInterface)
            )
            try Self.send("\(client.v4)", "\(server.v4)", by: client, for: clients)
            #expect(inServer.hears())
            for (source, destination) in [(client.v4, server.v4), (client.v6, server.v6)] {
                try Self.send("\(source)", "\(destination)", by: world.pod("free"), for: frees)
                #expect(!inServer.hears(), "\(source)")
            }
            #expect(try datapath.counters().spoofed == 2)
            let event = try #require(datapath.pollEvents(limit: 10).last)
            #expect(event.endpoint.rawValue == 3 && event.flow.source == client.v6)
            // A further interface of the same pod is the pod.
            let indices = [client, world.pod("free")].map { if_nametoindex($0.hostInterface) }
            try datapath.setPlace(nil, of: EndpointID(rawValue: 3))
            let both = indices.map { EndpointInterface(index: $0, name: "") }
            try datapath.setPlace(EndpointPlace(interfaces: both), of: EndpointID(rawValue: 1))
            try Self.send("\(client.v4)", "\(server.v4)", by: world.pod("free"), for: frees)
            #expect(inServer.hears())
            #expect(try datapath.counters().spoofed == 2)
        }
    }
}
