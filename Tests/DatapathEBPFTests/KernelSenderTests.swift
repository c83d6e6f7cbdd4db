// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import DatapathEBPF
import NetworkTypes
import PacketKit
import PolicyModel
import Testing

/// Who a packet is from and whom it reaches, under BPF_PROG_TEST_RUN: there a packet comes by no interface, and leaves by
/// the loopback device as by a bridge's port.
@Suite struct KernelSenderTests {
    private static let pod = EndpointID(rawValue: 1)
    private static let loopback: UInt32 = 1

    private static func udp(
        _ from: String, _ to: String, _ port: UInt16 = 9, sourcePort: UInt16 = 40000
    ) throws -> Packet {
        let flow = Flow(
            source: try IPAddress(from), destination: try IPAddress(to), ipProtocol: .udp, destinationPort: port)
        return Packet(flow: flow, sourcePort: sourcePort)
    }

    /// Tables of ``KernelVerdictTests/onePod()`` with the node at 192.0.2.1 and fd00:c::1, in a class of its own.
    private static func withPod(_ body: (inout EBPFDatapath) throws -> Void) throws {
        try PrivateKernel.run { bpffs in
            var policy = KernelVerdictTests.onePod()
            let own = AddressClassID(rawValue: 7)
            policy.addressClasses[own] = AddressClass(key: StableKey(high: 1, low: 700), peerSets: [])
            for node in ["192.0.2.1", "fd00:c::1"] {
                policy.addresses[CIDR(host: try IPAddress(node))] = AddressEntry(addressClass: own)
            }
            policy.ownNodeClass = own
            policy.judgesOwnNode = true
            var datapath = EBPFDatapath(bpffs: bpffs)
            _ = try datapath.open()
            try datapath.setListening(true)
            _ = try datapath.resync(policy)
            try body(&datapath)
            #expect(try datapath.counters().inconsistent == 0)
        }
    }

    private static func run(
        _ packet: Packet, _ datapath: borrowing EBPFDatapath, _ hook: PacketHook = .forward
    ) throws -> Verdict {
        try datapath.testRun(packet: packet.bytes, family: packet.source.family, hook: hook).verdict
    }

    @Test func anEndpointIsNowhereButAtItsPlace() throws {
        try Self.withPod { datapath throws in
            let packets = try [Self.udp("10.0.0.1", "10.1.0.9"), Self.udp("fd00::1", "fd01::9")]
            for packet in packets { #expect(try Self.run(packet, datapath) == .allow, "place not known") }
            let places = [
                EndpointPlace(interfaces: [EndpointInterface(index: 70, name: "a"), .init(index: 71, name: "b")]),
                EndpointPlace(port: EndpointBridgePort(index: 72, bridge: 73)),
            ]
            for place in places {
                try datapath.setPlace(place, of: Self.pod)
                let before = try datapath.counters().spoofed
                for packet in packets {
                    #expect(try Self.run(packet, datapath) == .deny)
                    #expect(try Self.run(packet, datapath, .input) == .deny)
                }
                #expect(try datapath.counters().spoofed == before + 4)
            }
            #expect(datapath.pollEvents(limit: 10).allSatisfy { $0.cause == .spoofed && $0.endpoint == .none })
            try datapath.setPlace(nil, of: Self.pod)
            for packet in packets { #expect(try Self.run(packet, datapath) == .allow, "forgotten") }
        }
    }

    @Test func theNodesOwnAddressesComeFromNowhereElse() throws {
        try Self.withPod { datapath throws in
            for (from, to) in [("192.0.2.1", "10.5.0.1"), ("fd00:c::1", "fd05::1")] {
                #expect(try Self.run(Self.udp(from, to), datapath) == .deny)
                #expect(try Self.run(Self.udp(from, to), datapath, .input) == .deny)
            }
            #expect(try Self.run(Self.udp("192.0.2.1", "224.0.0.1"), datapath, .input) == .allow, "its own, come back")
            #expect(try datapath.counters().spoofed == 4)
        }
    }

    /// Class 1 may be asked, the node may not: whatever the node takes in is the node.
    @Test func theInputHookIsTheNode() throws {
        try Self.withPod { datapath throws in
            for (from, to) in [("10.0.0.1", "10.1.0.9"), ("fd00::1", "fd01::9"), ("10.0.0.1", "127.0.0.1")] {
                #expect(try Self.run(Self.udp(from, to), datapath, .input) == .deny, "\(to)")
            }
            #expect(try Self.run(Self.udp("10.0.0.1", "10.1.0.9", 67, sourcePort: 68), datapath, .input) == .allow)
            for (from, to) in [("10.0.0.1", "224.0.0.251"), ("10.0.0.1", "255.255.255.255"), ("fd00::1", "ff02::fb")] {
                #expect(try Self.run(Self.udp(from, to), datapath, .input) == .deny, "\(to) is the node as well")
            }
        }
    }

    @Test func whoeverGetsAFrameIsAsked() throws {
        try Self.withPod { datapath throws in
            try datapath.setPlace(
                EndpointPlace(port: EndpointBridgePort(index: Self.loopback, bridge: 73)), of: Self.pod)
            func tcp(_ from: String, _ to: String, _ port: UInt16) throws -> Packet {
                let flow = Flow(
                    source: try IPAddress(from), destination: try IPAddress(to), ipProtocol: .tcp, destinationPort: port
                )
                return Packet(flow: flow)
            }
            let groups = ["255.255.255.255", "10.0.0.255", "224.0.0.1", "10.9.9.9"]
            for to in groups {
                #expect(try Self.run(Self.udp("10.1.0.9", to), datapath) == .deny, "\(to)")
                #expect(try Self.run(tcp("10.1.0.9", to, 80), datapath) == .allow, "\(to)")
                #expect(try Self.run(tcp("10.2.0.9", to, 80), datapath) == .deny, "\(to)")
            }
            for to in ["ff02::1", "ff02::fb", "fe80::1", "fd09::9"] {
                #expect(try Self.run(Self.udp("fd01::9", to), datapath) == .deny, "\(to)")
                #expect(try Self.run(tcp("fd01::9", to, 80), datapath) == .allow, "\(to)")
            }
            let drop = try #require(datapath.pollEvents(limit: 100).first)
            #expect(drop.endpoint == Self.pod && drop.direction == .ingress && "\(drop.flow.destination)" == groups[0])
            // What keeps the link going.
            let answer = try Self.udp("10.2.0.1", "255.255.255.255", 68, sourcePort: 67)
            #expect(try Self.run(answer, datapath) == .allow)
            #expect(try Self.run(Self.udp("fe80::9", "fe80::1", 546, sourcePort: 547), datapath) == .allow)
            #expect(try Self.run(Self.udp("10.2.0.1", "255.255.255.255", 67, sourcePort: 68), datapath) == .deny)
            let flow = Flow(
                source: try IPAddress("fe80::9"), destination: try IPAddress("ff02::1"), ipProtocol: .icmpv6,
                destinationPort: nil)
            var message = Packet(flow: flow).bytes
            for (type, limit, verdict) in [
                (UInt8(135), UInt8(255), Verdict.allow), (136, 255, .allow), (134, 255, .allow), (135, 64, .deny),
                (130, 1, .allow), (143, 1, .allow), (143, 64, .deny), (128, 255, .deny),
            ] {
                (message[40], message[7]) = (type, limit)
                let found = try datapath.testRun(packet: message, family: .ipv6).verdict
                #expect(found == verdict, "type \(type), hop limit \(limit)")
            }
        }
    }

    @Test(arguments: [PacketHook.forward, .input])
    func sourceRoutesOfEndpointsAreDropped(hook: PacketHook) throws {
        try Self.withPod { datapath throws in
            let node = hook == .input
            for (options, isRoute) in [
                ([131, 7, 4, 10, 1, 0, 9, 0], true), ([1, 137, 7, 4, 10, 1, 0, 9], true),
                ([1, 1, 1, 1, 7, 3, 131, 0], false), ([0, 131, 7, 4, 10, 1, 0, 9], false),
                ([7, 0, 131, 7], false), ([68, 4, 5, 0, 131, 3, 4, 0], true),
            ] as [([UInt8], Bool)] {
                for from in ["10.0.0.1", "10.2.0.1"] {
                    var packet = try Self.udp(from, "10.1.0.9")
                    // What the node takes in whatever policy says.
                    if node { packet = try Self.udp(from, "255.255.255.255", 67, sourcePort: 68) }
                    packet.options = options
                    let before = try datapath.counters().sourceRouted
                    let wanted: Verdict = isRoute && from == "10.0.0.1" ? .deny : .allow
                    #expect(try Self.run(packet, datapath, hook) == wanted, "\(options) of \(from)")
                    #expect(try datapath.counters().sourceRouted == before + (wanted == .deny ? 1 : 0))
                }
            }
            // A routing header of 8 bytes, then no next header.
            for (type, left) in [(UInt8(0), UInt8(0)), (4, 0), (4, 1), (2, 1)] {
                let flow = try Flow(
                    source: IPAddress("fd00::1"), destination: IPAddress(node ? "ff02::1" : "fd01::9"),
                    ipProtocol: .udp, destinationPort: 547)
                var bytes = Packet(flow: flow, sourcePort: 546).bytes
                bytes.insert(contentsOf: [17, 0, type, left, 0, 0, 0, 0], at: 40)
                bytes[6] = 43
                let found = try datapath.testRun(packet: bytes, family: .ipv6, hook: hook).verdict
                #expect(found == .deny, "type \(type), \(left) left")
            }
        }
    }

    @Test func tunnelsToNodesAreDropped() throws {
        try Self.withPod { datapath throws in
            let nodes = try Set(["10.1.0.2", "fd01::2"].map { try IPAddress($0) })
            try datapath.setTunnels(TunnelGuard(udpPorts: [8472, 6081], protocols: [4, 47], nodes: nodes))
            for (from, to) in [("10.0.0.1", "10.1.0.2"), ("fd00::1", "fd01::2")] {
                #expect(try Self.run(Self.udp(from, to, 8472), datapath) == .deny)
                #expect(try Self.run(Self.udp(from, to, 6081), datapath) == .deny)
                #expect(try Self.run(Self.udp(from, to, 8473), datapath) == .allow)
                #expect(try Self.run(Self.udp(from, to, 0), datapath) == .allow)
            }
            #expect(try Self.run(Self.udp("10.0.0.1", "10.1.0.3", 8472), datapath) == .allow, "no node's address")
            #expect(try Self.run(Self.udp("10.2.0.1", "10.1.0.2", 8472), datapath) == .allow, "from no endpoint")
            for (number, verdict) in [(UInt8(47), Verdict.deny), (4, .deny), (41, .allow)] {
                var bytes = try Self.udp("10.0.0.1", "10.1.0.2").bytes
                bytes[9] = number
                #expect(try datapath.testRun(packet: bytes, family: .ipv4).verdict == verdict, "protocol \(number)")
            }
            #expect(try datapath.counters().tunnel == 6)
            #expect(try Self.run(Self.udp("10.0.0.1", "255.255.255.255", 8472), datapath, .input) == .deny)
            #expect(try datapath.counters().tunnel == 7)
            try datapath.setTunnels(TunnelGuard())
            #expect(try Self.run(Self.udp("10.0.0.1", "10.1.0.2", 8472), datapath) == .allow)
        }
    }

    @Test func nothingIsNotedWhileNobodyListens() throws {
        try Self.withPod { datapath throws in
            try datapath.setListening(false)
            for _ in 0..<3 { #expect(try Self.run(Self.udp("10.2.0.1", "10.0.0.1"), datapath) == .deny) }
            #expect(datapath.pollEvents(limit: 10).isEmpty)
            #expect(try datapath.counters().suppressedEvents == 0)
            try datapath.setListening(true)
            #expect(try Self.run(Self.udp("10.2.0.1", "10.0.0.1"), datapath) == .deny)
            #expect(try Self.run(Self.udp("10.2.0.1", "10.0.0.1"), datapath) == .deny)
            #expect(try Self.run(Self.udp("10.2.0.1", "10.0.0.1", sourcePort: 40001), datapath) == .deny)
            #expect(datapath.pollEvents(limit: 10).map(\.sourcePort) == [40000, 40001])
            #expect(try datapath.counters().suppressedEvents == 1)
        }
    }
}
