// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import DatapathEBPF
import Glibc
import NetworkKit
import NetworkTypes
import PolicyModel
import Testing

/// Real packets between a pod and its own node.
@Suite struct KernelOwnNodeLiveTests {
    private static let (allowed, denied) = (RuleID(rawValue: 1), RuleID(rawValue: 2))
    private static let pod = EndpointID(rawValue: 1)

    private static func gateway(_ family: AddressFamily) -> IPAddress {
        family == .ipv4 ? NetAddressing.gateways[0] : NetAddressing.gateways6[0]
    }

    /// Pod `client` may reach nothing but UDP and TCP 81 of its node; with `all` denied, nothing.
    private static func policy(_ world: NetWorld, judgesOwnNode: Bool = true, all: Bool = false) -> CompiledPolicy {
        var builder = PolicyBuilder()
        builder.addRules(2)
        builder.addClasses(1)
        let number = PortClassID(rawValue: 1)
        builder.policy.portSegments = [.tcp, .udp, .sctp].flatMap { ipProtocol in
            [(0, 80, PortClassID.none), (81, 81, number), (82, 65535, .none)].map { first, last, portClass in
                PortSegment(ProtocolPorts(ipProtocol, PortRange(UInt16(first), UInt16(last))), portClass)
            }
        }
        builder.addProgram(1, .egress) { row, port in
            row == 1 && port == 1 && !all ? Cell(.allow, by: allowed) : Cell(.deny, by: denied)
        }
        let client = world.pod("client")
        builder.addEndpoint(1, [client.v4, client.v6], addressClass: 0, ingress: 0, egress: 1)
        for family in AddressFamily.allCases { builder.set(CIDR(host: gateway(family)), 1) }
        builder.policy.judgesOwnNode = judgesOwnNode
        return builder.policy
    }

    private static func withNode(
        links: NetPodLinks = .routed, _ body: (NetWorld, NetPod, inout EBPFDatapath) throws -> Void
    ) throws {
        try NetWorld.with(pods: ["client"], links: links) { world in
            try world.node.run {
                // Nothing else asks for connection tracking.
                try world.node.command("nft", "flush", "ruleset")
                var datapath = EBPFDatapath(bpffs: world.bpffs)
                _ = try datapath.open()
                try datapath.setListening(true)
                try body(world, world.pod("client"), &datapath)
                #expect(try datapath.counters().inconsistent == 0)
            }
        }
    }

    @Test func aPodReachesOfItsNodeWhatItsEgressAllows() throws {
        try Self.withNode { world, client, datapath in
            let ports = [80, 81].flatMap { [NetServer.Port(.udp, $0), NetServer.Port(.tcp, $0)] }
            let onNode = try NetServer(at: AddressFamily.allCases.map(Self.gateway), ports)
            defer { onNode.stop() }
            let inPod = try client.namespace.run { try NetServer(at: [client.v4, client.v6], ports) }
            defer { inPod.stop() }
            for judges in [false, true, false] {
                _ = try datapath.resync(Self.policy(world, judgesOwnNode: judges))
                for family in AddressFamily.allCases {
                    for ipProtocol in [IPProtocol.udp, .tcp] {
                        func ask(_ port: UInt16) throws -> NetOutcome {
                            let probe = NetProbe(ipProtocol, to: Self.gateway(family), port: port)
                            return try client.namespace.run { try probe.run() }
                        }
                        #expect(try ask(80) == (judges ? .timeout : .answered), "\(family) \(ipProtocol) \(judges)")
                        #expect(try ask(81) == .answered, "\(family) \(ipProtocol) \(judges)")
                        // The node's own questions, and refusals of them, are answered whatever the pod may.
                        let address = client.address(family)
                        #expect(try NetProbe(ipProtocol, to: address, port: 80).run() == .answered)
                        #expect(try NetProbe(ipProtocol, to: address, port: 99).run() == .refused)
                    }
                    let icmp: IPProtocol = family == .ipv4 ? .icmp : .icmpv6
                    #expect(try NetProbe(icmp, to: client.address(family)).run() == .answered)
                    let echo = NetProbe(icmp, to: Self.gateway(family))
                    #expect(try client.namespace.run { try echo.run() } == (judges ? .timeout : .answered))
                }
            }
        }
    }

    /// A flow that a pod began is stopped in both directions, then goes on.
    @Test func revocationStopsBothWays() throws {
        try Self.withNode { world, client, datapath in
            for family in AddressFamily.allCases {
                _ = try datapath.resync(Self.policy(world))
                let onNode = try NetSocket(family, SOCK_DGRAM)
                try onNode.bind(Self.gateway(family), 81)
                let inPod = try client.namespace.run { try NetSocket(family, SOCK_DGRAM) }
                try inPod.bind(client.address(family), 5000)
                #expect(inPod.connect(Self.gateway(family), 81) == 0)
                #expect(onNode.connect(client.address(family), 5000) == 0)
                func passes(_ from: NetSocket, _ to: NetSocket) -> Bool {
                    from.send([1])
                    guard to.wait(POLLIN, milliseconds: 200) & POLLIN != 0 else { return false }
                    return to.discard()
                }
                func drops() throws -> UInt64 { try datapath.ruleCounters()[Self.denied]?.packets ?? 0 }
                #expect(passes(inPod, onNode) && passes(onNode, inPod))
                let before = try drops()
                _ = try datapath.resync(Self.policy(world, all: true))
                _ = datapath.pollEvents(limit: 100)
                #expect(!passes(inPod, onNode), "\(family) to the node")
                #expect(!passes(onNode, inPod), "\(family) to the pod")
                #expect(try drops() == before + 2)
                let event = try #require(datapath.pollEvents(limit: 100).last)
                #expect(event.direction == .egress && event.endpoint == Self.pod && event.rule == Self.denied)
                #expect(event.flow.source == client.address(family) && event.flow.destination == Self.gateway(family))
                _ = try datapath.resync(Self.policy(world))
                #expect(passes(inPod, onNode) && passes(onNode, inPod), "\(family) again")
            }
        }
    }

    /// Errors: the node's about an allowed flow of the pod's reach it, the pod's about the node's flow reach the node.
    @Test func errorsGoWithTheirFlows() throws {
        try Self.withNode { world, client, datapath in
            _ = try datapath.resync(Self.policy(world))
            for family in AddressFamily.allCases {
                func ask() throws -> NetOutcome {
                    let probe = NetProbe(.udp, to: Self.gateway(family), port: 81)
                    return try client.namespace.run { try probe.run() }
                }
                #expect(try ask() == .refused, "\(family): nobody listens, the node says so")
                let tcp = NetProbe(.tcp, to: Self.gateway(family), port: 81)
                #expect(try client.namespace.run { try tcp.run() } == .refused)
                // The pod asks and is gone before the answer: its error is about the node's reply.
                let onNode = try NetSocket(family, SOCK_DGRAM)
                try onNode.bind(Self.gateway(family), 81)
                func answerAfterItIsGone(_ beforeTheAnswer: () throws -> Void = {}) throws -> Int32 {
                    let (address, port) = try client.namespace.run {
                        let socket = try NetSocket(family, SOCK_DGRAM)
                        #expect(socket.connect(Self.gateway(family), 81) == 0 && socket.send([1]) == 0)
                        guard onNode.wait(POLLIN, milliseconds: 1000) != 0,
                            case .bytes(_, let from, let port) = onNode.receive()
                        else { throw NetError.missing("a question") }
                        return (from, port)
                    }
                    try beforeTheAnswer()
                    #expect(onNode.connect(address, port) == 0 && onNode.send([2]) == 0)
                    _ = onNode.wait(POLLIN, milliseconds: 500)
                    return onNode.pendingError
                }
                #expect(try answerAfterItIsGone() == ECONNREFUSED, "\(family)")
            }
        }
    }

    /// What must pass though the pod may send nothing.
    @Test(arguments: NetPodLinks.allCases) func discoveryAndDHCPPass(links: NetPodLinks) throws {
        try Self.withNode(links: links) { world, client, datapath in
            _ = try datapath.resync(Self.policy(world, all: true))
            if links == .routed { try Self.setInterface(client, &datapath) }
            for family in AddressFamily.allCases {
                try world.node.command("ip", family == .ipv4 ? "-4" : "-6", "neigh", "flush", "all")
                try client.namespace.command("ip", family == .ipv4 ? "-4" : "-6", "neigh", "flush", "all")
                let icmp: IPProtocol = family == .ipv4 ? .icmp : .icmpv6
                let probe = NetProbe(icmp, to: client.address(family), milliseconds: 2000)
                #expect(try probe.run() == .answered, "\(family)")
            }
            let subnet = links == .routed ? "192.0.2.255" : "10.244.0.255"
            let onNode = try NetSocket(.ipv4, SOCK_DGRAM)
            onNode.setOption(SOL_SOCKET, SO_BROADCAST, 1)
            try onNode.bind(IPAddress(v4: 0), 67)
            let groups = ["224.0.0.1", "255.255.255.255", subnet]
            let cases =
                groups.flatMap { [("10.244.0.10", $0, true), ("10.244.0.10", $0, false)] } + [
                    ("0.0.0.0", "255.255.255.255", true), ("0.0.0.0", "255.255.255.255", false),
                    ("10.244.0.10", "\(NetAddressing.gateways[0])", false),
                ]
            #expect(client.v4 == (try IPAddress("10.244.0.10")))
            for (from, to, passes) in cases {
                // Only DHCP passes. A bridged sender without an address is known by its port, which this test does not set.
                if links == .bridged, from == "0.0.0.0", !passes { continue }
                let port: UInt16 = passes ? 68 : 69
                try client.namespace.run { try Self.broadcast(from: IPAddress(from), port, to: IPAddress(to)) }
                let arrived = onNode.wait(POLLIN, milliseconds: 200) & POLLIN != 0
                #expect(arrived == passes, "\(links) \(from) to \(to)")
                while onNode.discard() {}
            }
            #expect(try datapath.counters().spoofed == 0)
        }
    }

    /// One UDP datagram to port 67 in a frame for all.
    private static func broadcast(from source: IPAddress, _ port: UInt16, to destination: IPAddress) throws {
        let datagram = NetBytes.udp(from: source, port, to: destination, 67, payload: [1])
        let packet = NetBytes.ip(from: source, to: destination, protocol: 17, payload: datagram)
        let frame = [UInt8](repeating: 0xff, count: 6) + [2, 0, 0, 0, 0, 9, 8, 0] + packet
        try NetSpoof.send(frame: frame, by: "eth0")
    }

    private static func setInterface(_ client: NetPod, _ datapath: inout EBPFDatapath) throws {
        let index = if_nametoindex(client.hostInterface)
        #expect(index != 0)
        try datapath.setPlace(
            EndpointPlace(interfaces: [EndpointInterface(index: index, name: client.hostInterface)]), of: pod)
    }

    @Test func anothersSourceAddressIsDropped() throws {
        try Self.withNode { world, client, datapath in
            let foreign = IPAddress(v4: client.v4.v4 ^ 0x0000_0f00)
            func send() throws {
                try client.namespace.run {
                    try NetSpoof.send(from: foreign, 1000, to: Self.gateway(.ipv4), 81, payload: [1])
                }
            }
            _ = try datapath.resync(Self.policy(world, judgesOwnNode: false))
            try Self.setInterface(client, &datapath)
            try send()
            #expect(try datapath.counters().spoofed == 1)
            _ = try datapath.resync(Self.policy(world))
            try send()
            #expect(try datapath.counters().spoofed == 2)
            let event = try #require(datapath.pollEvents(limit: 10).last)
            #expect(event.cause == .spoofed && event.flow.source == foreign)
            #expect(event.interfaceIndex == if_nametoindex(client.hostInterface))
            let own = NetProbe(.udp, to: Self.gateway(.ipv4), port: 81)
            #expect(try client.namespace.run { try own.run() } == .refused, "its own address is good")
            #expect(try datapath.counters().spoofed == 2)
        }
    }
}
