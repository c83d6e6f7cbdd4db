// SPDX-License-Identifier: Apache-2.0
import BridgeGuard
import NetworkKit
import NetworkTypes
import Testing

/// What the request proxy may send by its bridge port, frame by frame, against the kernel: TCP for others, and nothing
/// else that any other pod may not.
@Suite(.serialized) struct BridgeProxyTests {
    private typealias Lab = BridgeFrameTests.Lab

    /// A TCP segment in a frame of the pod's own.
    private static func tcp(
        _ lab: Lab, _ name: String, from source: IPAddress, to destination: IPAddress, hardware: [UInt8]? = nil
    ) -> [UInt8] {
        let packet = NetSegment(from: source, 40_000, to: destination, 80, [.syn]).packet
        let segment = Array(packet.dropFirst(source.family == .ipv4 ? 20 : 40))
        return lab.ip(name, source, destination, 6, segment, from: hardware)
    }

    /// Ports with the proxy behind the port of a pod.
    private static func ports(_ lab: Lab, proxy: String?) -> BridgePorts {
        var ports = lab.ports()
        ports.proxy = proxy.map { BridgePorts.Proxy(port: lab.index(lab.world.pod($0)), mask: 0x30, mark: 0x10) }
        return ports
    }

    @Test(arguments: AddressFamily.allCases) func onlyTheProxySendsForOthers(_ family: AddressFamily) throws {
        try BridgeFrameTests.with { lab in
            let (a, b, c) = (lab.world.pod("a"), lab.world.pod("b"), lab.world.pod("c"))
            let outside = family == .ipv4 ? NetAddressing.outside : NetAddressing.outside6
            // Pod c is behind a port without a known pod.
            for (proxy, expected) in [(nil, []), ("a", ["a"]), ("b", ["b"]), ("c", [])] as [(String?, [String])] {
                try lab.check.set(Self.ports(lab, proxy: proxy))
                for (name, source) in [("a", b), ("b", a), ("c", a), ("c", b)] {
                    let frame = Self.tcp(lab, name, from: source.address(family), to: outside)
                    let passes = try lab.passes(name, frame)
                    #expect(passes == expected.contains(name), "\(name) for \(source.name), proxy \(proxy ?? "none")")
                }
                for name in ["a", "b"] {
                    let frame = Self.tcp(lab, name, from: outside, to: c.address(family))
                    #expect(try lab.passes(name, frame) == expected.contains(name))
                    let own = lab.world.pod(name).address(family)
                    #expect(try lab.passes(name, Self.tcp(lab, name, from: own, to: outside)))
                }
            }
        }
    }

    @Test func whatNotEvenTheProxySends() throws {
        try BridgeFrameTests.with { lab in
            try lab.check.set(Self.ports(lab, proxy: "a"))
            let (b, c) = (lab.world.pod("b"), lab.world.pod("c"))
            let (mine, stolen) = (lab.hardware["a"]!, lab.hardware["b"]!)
            for (source, target) in [(b.v4, c.v4), (b.v6, c.v6)] {
                #expect(try lab.passes("a", Self.tcp(lab, "a", from: source, to: target)))
                #expect(try !lab.passes("a", Self.tcp(lab, "a", from: source, to: target, hardware: stolen)))
                #expect(try !lab.passes("a", lab.udp("a", source, target)))
                let echo: [UInt8] = [source.family == .ipv4 ? 8 : 128, 0, 0, 0, 0, 0, 0, 0]
                let icmp: UInt8 = source.family == .ipv4 ? 1 : 58
                #expect(try !lab.passes("a", lab.ip("a", source, target, icmp, echo)))
            }
            #expect(try !lab.passes("a", lab.arp("a", mine, NetBytes.of(b.v4))))
            #expect(try !lab.passes("a", lab.discovery("a", b.v6, 136, b.v6, [2, 1] + mine)))
            #expect(try !lab.passes("a", lab.discovery("a", lab.linkLocal("a"), 136, b.v6, [2, 1] + mine)))
            // Routed by the sender's wish.
            let frame = Self.tcp(lab, "a", from: b.v4, to: c.v4)
            #expect(try !lab.passes("a", BridgeFrameTests.withOptions(frame, [131, 7, 4] + NetBytes.of(c.v4) + [0])))
            let segment = Array(NetSegment(from: b.v6, 1, to: c.v6, 2, [.syn]).packet.dropFirst(40))
            let header: [UInt8] = [6, 2, 0, 1, 0, 0, 0, 0] + NetBytes.of(c.v6)
            #expect(try !lab.passes("a", lab.ip("a", b.v6, c.v6, 43, header + segment)))
        }
    }
}
