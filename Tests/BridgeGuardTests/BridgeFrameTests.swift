// SPDX-License-Identifier: Apache-2.0
import BridgeGuard
import Glibc
import Netfilter
import NetworkKit
import NetworkTypes
import Testing

/// What may come in by a bridge's ports, frame by frame, against the kernel.
/// One test at a time: what real packets prove depends on when they arrive, which a busy machine delays.
@Suite(.serialized) struct BridgeFrameTests {
    /// Pods a and b behind known ports, c behind an unknown one.
    final class Lab {
        let world: NetWorld
        var check = BridgeSourceCheck()
        let hardware: [String: [UInt8]]
        let group: [UInt8] = [0x33, 0x33, 0, 0, 0, 1]

        init() throws {
            let world = try NetWorld(pods: ["a", "b", "c"], links: .bridged)
            self.world = world
            var hardware: [String: [UInt8]] = [:]
            for pod in world.pods { hardware[pod.name] = try pod.namespace.hardwareAddress() }
            let words = try world.node.command("ip", "-o", "link", "show", "dev", "cni0").split(separator: " ")
            let own = words[words.firstIndex(of: "link/ether")! + 1]
            hardware["node"] = own.split(separator: ":").compactMap { UInt8($0, radix: 16) }
            self.hardware = hardware
        }

        func ports(anyHardware: Bool = false) -> BridgePorts {
            var ports = BridgePorts()
            for name in ["a", "b"] {
                let pod = world.pod(name)
                let own = hardware[name]!.reduce(0) { $0 << 8 | UInt64($1) }
                ports.pods[index(pod)] = BridgePorts.Pod(
                    addresses: [pod.v4, pod.v6], linkLocal: [linkLocal(name)],
                    hardware: anyHardware && name == "a" ? 0 : own)
            }
            ports.nodeHardware = [hardware["node"]!.reduce(0) { $0 << 8 | UInt64($1) }]
            ports.nodeAddresses = [NetAddressing.gateways[0], NetAddressing.gateways6[0]]
            return ports
        }

        func index(_ pod: NetPod) -> UInt32 {
            (try? world.node.run { if_nametoindex(pod.hostInterface) }) ?? 0
        }

        func linkLocal(_ name: String) -> IPAddress { IPAddress(v6High: 0xfe80 << 48, low: name == "a" ? 0xa : 0xb) }

        /// Whether the frame goes in by the pod's port.
        func passes(_ name: String, _ frame: [UInt8]) throws -> Bool {
            let before = try check.dropped()
            try world.pod(name).namespace.run { try NetSpoof.send(frame: frame, by: "eth0") }
            NetClock.sleep(milliseconds: 2)
            return try check.dropped() == before
        }

        /// An IP packet in a frame of the pod's own.
        func ip(
            _ name: String, _ source: IPAddress, _ destination: IPAddress, _ number: UInt8, _ payload: [UInt8],
            from hardware: [UInt8]? = nil
        ) -> [UInt8] {
            let packet = NetBytes.ip(from: source, to: destination, protocol: number, payload: payload)
            let type: [UInt8] = source.family == .ipv4 ? [8, 0] : [0x86, 0xdd]
            return group + (hardware ?? self.hardware[name]!) + type + packet
        }

        func udp(
            _ name: String, _ source: IPAddress, _ destination: IPAddress, _ from: UInt16 = 4000, _ to: UInt16 = 5000,
            hardware: [UInt8]? = nil
        ) -> [UInt8] {
            let datagram = NetBytes.udp(from: source, from, to: destination, to, payload: [1])
            return ip(name, source, destination, 17, datagram, from: hardware)
        }

        /// A message of neighbor discovery with its options.
        func discovery(
            _ name: String, _ source: IPAddress, _ type: UInt8, _ target: IPAddress?, _ options: [UInt8] = []
        ) -> [UInt8] {
            let body = [type, 0, 0, 0, 0x20, 0, 0, 0] + (target.map(NetBytes.of) ?? []) + options
            let all = IPAddress(v6High: 0xff02 << 48, low: 1)
            var frame = ip(name, source, all, 58, body)
            frame[14 + 7] = 255
            return frame
        }

        func arp(_ name: String, _ sender: [UInt8], _ address: [UInt8]) -> [UInt8] {
            [UInt8](repeating: 0xff, count: 6) + hardware[name]! + [8, 6, 0, 1, 8, 0, 6, 4, 0, 2] + sender + address
                + [0, 0, 0, 0, 0, 0, 10, 244, 0, 99]
        }
    }

    static func with(_ body: (Lab) throws -> Void) throws {
        let lab = try Lab()
        defer { lab.world.close() }
        // The check's socket is of the namespace that it is opened in.
        try lab.world.node.run {
            try lab.check.set(lab.ports())
            try body(lab)
        }
    }

    @Test func senders() throws {
        try Self.with { lab in
            let (a, b) = (lab.world.pod("a"), lab.world.pod("b"))
            let (any4, any6) = (IPAddress(v4: 0), IPAddress(v6High: 0, low: 0))
            let stranger = try IPAddress("fe80::77")
            for (source, target, expected) in [
                (a.v4, b.v4, true), (a.v6, b.v6, true), (b.v4, a.v4, false), (b.v6, a.v6, false),
                (NetAddressing.gateways[0], b.v4, false), (any4, b.v4, true), (any6, b.v6, true),
                (lab.linkLocal("a"), b.v6, true), (lab.linkLocal("b"), b.v6, false), (stranger, b.v6, true),
                (try IPAddress("169.254.169.254"), b.v4, false), (try IPAddress("127.0.0.1"), b.v4, false),
            ] {
                #expect(try lab.passes("a", lab.udp("a", source, target)) == expected, "\(source)")
            }
        }
    }

    /// Its own hardware address, in the frame and in ARP.
    @Test func hardwareAddresses() throws {
        try Self.with { lab in
            let (a, b) = (lab.world.pod("a"), lab.world.pod("b"))
            for step in 0...1 {
                let (mine, theirs) = (lab.hardware["a"]!, lab.hardware["b"]!)
                for stolen in [theirs, lab.hardware["node"]!] {
                    #expect(try !lab.passes("a", lab.udp("a", a.v4, b.v4, hardware: stolen)))
                    #expect(try !lab.passes("a", lab.udp("a", a.v6, b.v6, hardware: stolen)))
                    #expect(try !lab.passes("a", lab.arp("a", stolen, NetBytes.of(a.v4))))
                }
                #expect(try lab.passes("a", lab.udp("a", a.v4, b.v4)))
                #expect(try lab.passes("a", lab.arp("a", mine, NetBytes.of(a.v4))))
                #expect(try lab.passes("a", lab.arp("a", mine, [0, 0, 0, 0])))
                #expect(try !lab.passes("a", lab.arp("a", mine, NetBytes.of(b.v4))))
                #expect(try !lab.passes("a", lab.arp("a", mine, NetBytes.of(NetAddressing.gateways[0]))))
                // An address without an owner: as long as the pod's own is unknown.
                let unknown: [UInt8] = [2, 0, 0, 0, 0, 0x77]
                #expect(try lab.passes("a", lab.udp("a", a.v4, b.v4, hardware: unknown)) == (step == 1))
                try lab.check.set(lab.ports(anyHardware: true))
            }
        }
    }

    @Test func discovery() throws {
        try Self.with { lab in
            let (a, b) = (lab.world.pod("a"), lab.world.pod("b"))
            let (own, theirs, any) = (lab.linkLocal("a"), lab.linkLocal("b"), IPAddress(v6High: 0, low: 0))
            let gateway = NetAddressing.gateways6[0]
            let (mine, stolen) = (lab.hardware["a"]!, lab.hardware["b"]!)
            for (source, type, target, options, expected) in [
                (a.v6, 136, a.v6, [2, 1] + mine, true), (own, 136, own, [2, 1] + mine, true),
                (a.v6, 136, a.v6, [], true), (own, 136, a.v6, [2, 1] + mine, true),
                (a.v6, 136, b.v6, [2, 1] + mine, false), (own, 136, b.v6, [], false), (own, 136, theirs, [], false),
                (a.v6, 136, gateway, [2, 1] + mine, false), (a.v6, 136, a.v6, [2, 1] + stolen, false),
                // An option behind another one, and the other type's.
                (a.v6, 136, a.v6, [14, 1, 0, 0, 0, 0, 0, 0, 2, 1] + stolen, false),
                (a.v6, 136, a.v6, [1, 1] + mine, false),
                (a.v6, 135, b.v6, [1, 1] + mine, true), (a.v6, 135, b.v6, [1, 1] + stolen, false),
                (own, 135, theirs, [1, 1] + mine, true), (theirs, 135, b.v6, [1, 1] + mine, false),
                (any, 135, a.v6, [], true), (any, 135, a.v6, [14, 1, 1, 2, 3, 4, 5, 6], true),
                (any, 135, b.v6, [], false),
                (own, 133, nil, [], true), (own, 133, nil, [1, 1] + mine, true),
                (own, 133, nil, [1, 1] + stolen, false),
                (own, 134, nil, [], false), (a.v6, 137, b.v6, [], false),
            ] as [(IPAddress, UInt8, IPAddress?, [UInt8], Bool)] {
                let frame = lab.discovery("a", source, type, target, options)
                let passes = try lab.passes("a", frame)
                #expect(passes == expected, "\(type) from \(source), options \(options)")
            }
        }
    }

    /// DHCP may ask and not answer; no packet is routed by the sender's wish.
    @Test func whatNoPodSends() throws {
        try Self.with { lab in
            let (a, b) = (lab.world.pod("a"), lab.world.pod("b"))
            let all = IPAddress(v4: 0xffff_ffff)
            let servers = try IPAddress("ff02::1:2")
            #expect(try lab.passes("a", lab.udp("a", IPAddress(v4: 0), all, 68, 67)))
            #expect(try lab.passes("a", lab.udp("a", lab.linkLocal("a"), servers, 546, 547)))
            for (from, to) in [(67, 68), (67, 4000), (4000, 68)] as [(UInt16, UInt16)] {
                #expect(try !lab.passes("a", lab.udp("a", a.v4, all, from, to)), "\(from) \(to)")
            }
            for (from, to) in [(547, 546), (547, 4000), (4000, 546)] as [(UInt16, UInt16)] {
                #expect(try !lab.passes("a", lab.udp("a", a.v6, b.v6, from, to)), "\(from) \(to)")
            }
            for (type, expected) in [(8, true), (5, false), (9, false)] as [(UInt8, Bool)] {
                let message: [UInt8] = [type, 0, 0, 0, 0, 0, 0, 0]
                #expect(try lab.passes("a", lab.ip("a", a.v4, b.v4, 1, message)) == expected, "\(type)")
            }
            for (option, expected) in [(131, false), (137, false), (148, true)] as [(UInt8, Bool)] {
                let options =
                    [option, option == 148 ? 4 : 7] + (option == 148 ? [0, 0] : [4] + NetBytes.of(b.v4) + [0])
                #expect(
                    try lab.passes("a", Self.withOptions(lab.udp("a", a.v4, b.v4), options)) == expected, "\(option)")
            }
            // A routing header before UDP; destination options do not route.
            for (header, expected) in [(43, false), (60, true)] as [(UInt8, Bool)] {
                let datagram = NetBytes.udp(from: a.v6, 1, to: b.v6, 2, payload: [])
                let extensions: [UInt8] =
                    header == 43 ? [17, 2, 0, 1, 0, 0, 0, 0] + NetBytes.of(b.v6) : [17, 0, 1, 4, 0, 0, 0, 0]
                #expect(try lab.passes("a", lab.ip("a", a.v6, b.v6, header, extensions + datagram)) == expected)
            }
        }
    }

    /// A frame of IPv4 with options in its header.
    static func withOptions(_ frame: [UInt8], _ options: [UInt8]) -> [UInt8] {
        var header = Array(frame[14..<34]) + options
        header[0] = 0x40 | UInt8(header.count / 4)
        header.replaceSubrange(2..<4, with: NetBytes.big(UInt16(header.count + frame.count - 34)))
        header.replaceSubrange(10..<12, with: [0, 0])
        header.replaceSubrange(10..<12, with: NetBytes.big(NetBytes.checksum(header)))
        return Array(frame[..<14]) + header + frame[34...]
    }

    /// Through a port without a known pod comes everything except from addresses with a known owner; or nothing, if so
    /// set.
    @Test func unknownPorts() throws {
        try Self.with { lab in
            let (b, c) = (lab.world.pod("b"), lab.world.pod("c"))
            let (mine, node) = (lab.hardware["c"]!, lab.hardware["node"]!)
            let frames: [([UInt8], Bool)] = [
                (lab.udp("c", c.v4, b.v4), true), (lab.udp("c", c.v6, b.v6), true),
                (lab.udp("c", IPAddress(v4: 0), IPAddress(v4: 0xffff_ffff), 68, 67), true),
                (lab.udp("c", b.v4, b.v4), false), (lab.udp("c", b.v6, b.v6), false),
                (lab.udp("c", lab.linkLocal("b"), b.v6), false), (lab.udp("c", NetAddressing.gateways[0], b.v4), false),
                (lab.udp("c", c.v4, b.v4, hardware: lab.hardware["b"]!), false),
                (lab.udp("c", c.v4, b.v4, hardware: node), false),
                (lab.arp("c", mine, NetBytes.of(c.v4)), true), (lab.arp("c", mine, NetBytes.of(b.v4)), false),
                (lab.discovery("c", c.v6, 136, c.v6, [2, 1] + mine), true),
                (lab.discovery("c", c.v6, 136, b.v6, [2, 1] + mine), false),
                (lab.discovery("c", c.v6, 136, NetAddressing.gateways6[0]), false),
            ]
            for (number, (frame, expected)) in frames.enumerated() {
                #expect(try lab.passes("c", frame) == expected, "\(number)")
            }
            var closed = lab.ports()
            closed.open = []
            try lab.check.set(closed)
            for (frame, _) in frames { #expect(try !lab.passes("c", frame)) }
            #expect(try lab.passes("a", lab.udp("a", lab.world.pod("a").v4, b.v4)))
            closed.open = [lab.index(c)]
            try lab.check.set(closed)
            for (number, (frame, expected)) in frames.enumerated() {
                #expect(try lab.passes("c", frame) == expected, "\(number)")
            }
        }
    }

    /// A restarted daemon finds the owners of the ports.
    @Test func bindingsAreTakenOver() throws {
        try Self.with { lab in
            let found = try BridgeSourceCheck.adopted()
            #expect(Set(found.keys) == Set(lab.ports().pods.keys))
            for (port, pod) in lab.ports().pods {
                #expect(found[port]?.addresses == pod.addresses)
                #expect(found[port]?.hardware == pod.hardware)
            }
            try BridgeSourceCheck.uninstall()
            #expect(try BridgeSourceCheck.adopted() == [:])
        }
    }

    /// What leaves by a pod's port, but to none of its addresses, has the port's mark at the hooks of IPv4 and IPv6,
    /// and none after them.
    @Test func marks() throws {
        try Self.with { lab in
            let (a, b) = (lab.world.pod("a"), lab.world.pod("b"))
            let mark = try #require(PortMark.of(port: lab.index(b)))
            try lab.world.node.sysctl([("bridge/bridge-nf-call-iptables", 1), ("bridge/bridge-nf-call-ip6tables", 1)])
            try NetProcess.run(
                ["nft", "-f", "-"],
                input: """
                    table inet seen {
                    counter marked {
                    }
                    counter plain {
                    }
                    chain forward {
                    type filter hook forward priority -7
                    udp dport 5000 meta mark \(mark) counter name marked
                    udp dport 5000 meta mark 0 counter name plain
                    }
                    }
                    table bridge seen {
                    counter left {
                    }
                    chain end {
                    type filter hook forward priority 300
                    meta mark != 0 counter name left
                    }
                    }

                    """)
            func packets(_ family: String, _ name: String) throws -> Int {
                let text = try NetProcess.run(["nft", "list", "counter", family, "seen", name])
                return text.firstMatch(of: /packets ([0-9]+)/).map { Int($0.1)! } ?? -1
            }
            func isMarked(_ frame: [UInt8]) throws -> Bool {
                let before = try packets("inet", "marked")
                #expect(try lab.passes("a", frame))
                return try packets("inet", "marked") > before
            }
            func toB(_ frame: [UInt8]) -> [UInt8] { lab.hardware["b"]! + frame[6...] }
            var ports = lab.ports()
            ports.areMarked = true
            for isOn in [false, true] {
                if isOn { try lab.check.set(ports) }
                let linkLocal = lab.udp("a", a.v6, lab.linkLocal("b"))
                for frame in [
                    lab.udp("a", a.v4, IPAddress(v4: 0xffff_ffff)), lab.udp("a", a.v6, try IPAddress("ff02::1")),
                    toB(linkLocal), toB(lab.udp("a", a.v4, NetAddressing.outside)),
                ] { #expect(try isMarked(frame) == isOn) }
                for frame in [toB(lab.udp("a", a.v4, b.v4)), toB(lab.udp("a", a.v6, b.v6))] {
                    #expect(try !isMarked(frame))
                }
            }
            #expect(try packets("inet", "plain") > 0)
            #expect(try packets("bridge", "left") == 0)
        }
    }

    /// The kernel's content can be read by people and loaded again without a repair.
    @Test func listsAndReloads() throws {
        try Self.with { lab in
            var ports = lab.ports(anyHardware: true)
            ports.areMarked = true
            ports.open = [lab.index(lab.world.pod("c"))]
            try lab.check.set(ports)
            #expect(try !lab.check.repair())
            let listed = try NetProcess.run(["nft", "list", "table", "bridge", "bulkhead"])
            try NetProcess.run(["nft", "delete", "table", "bridge", "bulkhead"])
            try NetProcess.run(["nft", "-f", "-"], input: listed)
            #expect(try NetProcess.run(["nft", "list", "table", "bridge", "bulkhead"]) == listed)
            // Loaded by another process it may be written once more, and stays then.
            ports.pods[lab.index(lab.world.pod("b"))] = nil
            try lab.check.set(ports)
            _ = try lab.check.repair()
            #expect(try !lab.check.repair())
        }
    }
}
