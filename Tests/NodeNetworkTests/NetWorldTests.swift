// SPDX-License-Identifier: Apache-2.0
import Glibc
import NetworkKit
import NetworkTypes
import Testing

/// The test network itself, with no policy anywhere: what is refused or lost here would prove nothing elsewhere.
/// One test at a time: what real packets prove depends on when they arrive, which a busy machine delays.
@Suite(.serialized) struct NetWorldTests {
    @Test(arguments: NetProxyMode.allCases) func everythingConnects(proxy: NetProxyMode) throws {
        let services = [
            NetService(port: 80, targetPort: 8080, backends: ["b"]),
            NetService(.udp, port: 53, targetPort: 5353, backends: ["b"]),
            NetService(.sctp, port: 99, targetPort: 9999, backends: ["b"]),
        ]
        let start = NetClock.now
        try NetWorld.with(pods: ["a", "b"], remotePods: ["far"], services: services, proxy: proxy) { world in
            #expect(Double(NetClock.now - start) / 1e6 < 1000)
            let ports: [NetServer.Port] = [.init(.tcp, 8080), .init(.udp, 5353), .init(.sctp, 9999)]
            let servers = try world.pods.map { pod in
                try pod.namespace.run { try NetServer(at: [pod.v4, pod.v6], ports) }
            }
            defer { for server in servers { server.stop() } }
            let outside = try world.outside.run {
                try NetServer(
                    at: [NetAddressing.outside, NetAddressing.outside6, NetAddressing.metadata], [.init(.tcp, 80)])
            }
            defer { outside.stop() }
            let (a, b, far) = (world.pod("a"), world.pod("b"), world.pod("far"))
            func probe(_ namespace: NetNamespace, _ probe: NetProbe) throws -> NetOutcome {
                try namespace.run { try probe.run() }
            }
            for family in AddressFamily.allCases {
                for target in [b, far] {
                    let address = target.address(family)
                    for port in ports {
                        let open = NetProbe(port.ipProtocol, to: address, port: port.number)
                        #expect(try probe(a.namespace, open) == .answered, "\(open)")
                        let closed = NetProbe(port.ipProtocol, to: address, port: 7)
                        #expect(try probe(a.namespace, closed) == .refused, "\(closed)")
                    }
                    let icmp: IPProtocol = family == .ipv4 ? .icmp : .icmpv6
                    #expect(try probe(a.namespace, NetProbe(icmp, to: address)) == .answered)
                    #expect(try probe(world.node, NetProbe(icmp, to: address)) == .answered)
                    let large = NetProbe(.udp, to: address, port: 5353, payloadBytes: 5000)
                    #expect(try probe(a.namespace, large) == .answered)
                }
                for (number, service) in services.enumerated() {
                    let address =
                        family == .ipv4 ? NetAddressing.service(number) : NetAddressing.service6(number)
                    let through = NetProbe(service.ipProtocol, to: address, port: service.port)
                    #expect(try probe(a.namespace, through) == .answered, "\(through)")
                    #expect(try probe(b.namespace, through) == .answered, "hairpin \(through)")
                    #expect(try probe(world.node, through) == .answered, "from the node \(through)")
                }
                let outside = family == .ipv4 ? NetAddressing.outside : NetAddressing.outside6
                #expect(try probe(a.namespace, NetProbe(.tcp, to: outside, port: 80)) == .answered)
                let inwards = NetProbe(.tcp, to: b.address(family), port: 8080, from: outside)
                #expect(try probe(world.outside, inwards) == .answered)
            }
            #expect(try probe(a.namespace, NetProbe(.tcp, to: NetAddressing.metadata, port: 80)) == .answered)
            let masqueraded = Set(outside.arrivals.map(\.source))
            #expect(masqueraded == [NetAddressing.nodes[0], NetAddressing.nodes6[0]])
        }
    }

    @Test func hammerSeesEachPacket() throws {
        try NetWorld.with(pods: ["a", "b"]) { world in
            let b = world.pod("b")
            let server = try b.namespace.run { try NetServer(at: [b.v4], [.init(.udp, 5000), .init(.tcp, 5000)]) }
            defer { server.stop() }
            let hammers = try world.pod("a").namespace.run {
                try [IPProtocol.udp, .tcp].map { try NetHammer($0, to: b.v4, port: 5000, everyMicroseconds: 500) }
            }
            NetClock.sleep(milliseconds: 200)
            for hammer in hammers {
                let packets = hammer.stop()
                #expect(packets.count > 200)
                #expect(packets.allSatisfy { $0.answered != nil })
            }
        }
    }

    @Test func nothingIsLeft() throws {
        let world = try NetWorld(pods: ["a"])
        let names = (world.nodes + [world.outside] + world.pods.map(\.namespace)).map(\.path)
        #expect(names.allSatisfy { access($0, F_OK) == 0 })
        let process = try world.pods[0].namespace.start(["sleep", "100"])
        world.close()
        #expect(names.allSatisfy { access($0, F_OK) != 0 })
        #expect(access(world.directory, F_OK) != 0)
        #expect(try process.wait() == 128 + SIGKILL)
    }
}
