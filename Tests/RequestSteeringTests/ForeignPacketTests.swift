// SPDX-License-Identifier: Apache-2.0
import Glibc
import NetworkKit
import NetworkTypes
import RequestSteering
import Testing

/// Packets with the addresses and ports of the proxy's connections that are not from an end of them: whatever a client
/// or a server sends, a connection that the proxy began goes on with the proxy alone. Without policy, which would drop
/// most of these packets as well; needs root, nft, ip and conntrack.
@Suite(.serialized) struct ForeignPacketTests {
    /// A port of the server's that is steered, with a listener of the test's own.
    private static let port: UInt16 = 82
    /// Where the proxy's connection comes from.
    private static let proxyPort: UInt16 = 10_240

    /// A connection that the proxy has begun from the client's address.
    private struct Lab {
        let world: NetWorld
        let family: AddressFamily
        let plan: SteeringPlan
        let listener: NetSocket
        let proxy: NetSocket
        let server: NetSocket
        /// In the namespaces of the server and of the client.
        let taps: (server: NetTap, client: NetTap)

        init(_ world: NetWorld, _ family: AddressFamily, _ plan: SteeringPlan) throws {
            (self.world, self.family, self.plan) = (world, family, plan)
            let (client, server, proxy) = (world.pod("client"), world.pod("server"), world.pod("proxy"))
            let listener = try server.namespace.run { try NetSocket(family, SOCK_STREAM) }
            try listener.bind(server.address(family), ForeignPacketTests.port)
            try listener.listen()
            taps = (try server.namespace.run { try NetTap() }, try client.namespace.run { try NetTap() })
            let own = client.address(family)
            try proxy.namespace.command("ip", "addr", "replace", "\(own)/\(family.bitWidth)", "dev", "lo", "nodad")
            let socket = try proxy.namespace.run { try NetSocket(family, SOCK_STREAM) }
            try socket.bind(own, ForeignPacketTests.proxyPort)
            _ = socket.connect(server.address(family), ForeignPacketTests.port)
            #expect(listener.wait(POLLIN, milliseconds: 5000) != 0)
            self.listener = listener
            self.proxy = socket
            self.server = try #require(listener.accept()).connection
            #expect(socket.wait(POLLOUT, milliseconds: 5000) != 0)
        }

        /// What `sender` sends arrives at the other end.
        func expectArrival(_ bytes: [UInt8], from sender: NetSocket, at receiver: NetSocket) {
            sender.send(bytes)
            expect(bytes, at: receiver)
        }

        func expect(_ bytes: [UInt8], at receiver: NetSocket) {
            var received: [UInt8] = []
            while received.count < bytes.count, receiver.wait(POLLIN, milliseconds: 10_000) != 0,
                case .bytes(let more, _, _) = receiver.receive(), !more.isEmpty
            {
                received += more
            }
            #expect(received == bytes)
        }

        /// The connection goes on in both directions, and the client has not seen any of it.
        func expectItGoesOn() {
            expectArrival([8], from: proxy, at: server)
            expectArrival([9], from: server, at: proxy)
            #expect(taps.client.segments().filter { $0.sourcePort == ForeignPacketTests.port }.isEmpty)
        }

        /// The connection tracking entry of the proxy's connection goes, as by a timeout.
        func forgetConnection() throws {
            try world.node.command(
                "conntrack", "-D", "-f", "\(family)", "-p", "tcp", "--orig-port-src",
                "\(ForeignPacketTests.proxyPort)")
        }
    }

    private static func with(
        _ links: NetPodLinks, _ family: AddressFamily, _ body: (Lab, inout RequestSteering) throws -> Void
    ) throws {
        try SteeringTests.with(links) { world, steering, plan in
            var plan = plan
            plan.ports = plan.ports.mapValues { _ in [PortRange(port)] }
            // What a client resets is forgotten sooner.
            try world.node.sysctl([("netfilter/nf_conntrack_tcp_timeout_close", 1)])
            try steering.set(plan)
            try body(Lab(world, family, plan), &steering)
        }
    }

    /// Waits for a drop that was not there before.
    private static func expectDrop(
        _ steering: borrowing RequestSteering, _ what: String, _ body: () throws -> Void
    ) throws {
        let before = steering.foreign()
        try body()
        let end = NetClock.now + 10_000_000_000
        while steering.foreign() == before, NetClock.now < end { NetClock.sleep(milliseconds: 2) }
        #expect(steering.foreign() > before, "\(what)")
    }

    /// The client knows every number of the connection, and sends from its own address.
    @Test(arguments: NetPodLinks.allCases, AddressFamily.allCases)
    func aClientCannotSendInTheProxysConnection(links: NetPodLinks, family: AddressFamily) throws {
        try Self.with(links, family) { lab, steering in
            lab.expectArrival([1], from: lab.proxy, at: lab.server)
            let seen = lab.taps.server.segments()
            let last = try #require(seen.last { $0.destinationPort == Self.port && !$0.payload.isEmpty })
            let forged = [last.next([.ack, .push], [66]), last.next([.ack, .fin]), last.next([.rst])]
            for segment in forged {
                try Self.expectDrop(steering, "\(segment.flags)") {
                    try lab.world.pod("client").namespace.run { try segment.send() }
                }
            }
            lab.expectItGoesOn()
            let later = lab.taps.server.segments().filter { $0.destinationPort == Self.port }
            #expect(later.allSatisfy { $0.payload != [66] && $0.flags.isDisjoint(with: [.fin, .rst]) })
        }
    }

    /// A server whose connection is not tracked any more does not begin it again with the client.
    @Test(arguments: NetPodLinks.allCases, AddressFamily.allCases)
    func aServerGoesOnWithTheProxyAlone(links: NetPodLinks, family: AddressFamily) throws {
        try Self.with(links, family) { lab, steering in
            lab.expectArrival([1], from: lab.proxy, at: lab.server)
            try lab.forgetConnection()
            try Self.expectDrop(steering, "the server's segment") { lab.server.send([2]) }
            lab.expectArrival([3], from: lab.proxy, at: lab.server)
            // Sent again.
            lab.expect([2], at: lab.proxy)
            lab.expectItGoesOn()
        }
    }

    /// While there is no proxy, its connections wait: what the server sends reaches no client.
    @Test(arguments: NetPodLinks.allCases, AddressFamily.allCases)
    func withoutAProxyItsConnectionsWait(links: NetPodLinks, family: AddressFamily) throws {
        try Self.with(links, family) { lab, steering in
            lab.expectArrival([1], from: lab.proxy, at: lab.server)
            var away = lab.plan
            away.proxy = nil
            try steering.set(away)
            try Self.expectDrop(steering, "the server's segment") { lab.server.send([2]) }
            try lab.forgetConnection()
            try Self.expectDrop(steering, "the server's segment, again") {}
            try steering.set(lab.plan)
            lab.expectArrival([3], from: lab.proxy, at: lab.server)
            lab.expect([2], at: lab.proxy)
            lab.expectItGoesOn()
        }
    }

    /// Only the proxy answers a client whose connection is steered.
    @Test(arguments: NetPodLinks.allCases, AddressFamily.allCases)
    func aServerCannotAnswerASteeredClient(links: NetPodLinks, family: AddressFamily) throws {
        try Self.with(links, family) { lab, steering in
            let (client, server) = (lab.world.pod("client"), lab.world.pod("server"))
            var first = NetSegment(from: client.address(family), 40_000, to: server.address(family), Self.port, [.syn])
            first.sequence = 100
            try client.namespace.run { try first.send() }
            try NetClock.wait("the client's connection", seconds: 10) {
                try lab.world.node.command(
                    "conntrack", "-L", "-f", "\(family)", "-p", "tcp", "--orig-port-src", "40000"
                )
                .contains("mark=16")
            }
            var answer = NetSegment(
                from: server.address(family), Self.port, to: client.address(family), 40_000, [.syn, .ack])
            answer.acknowledgment = 101
            try Self.expectDrop(steering, "the server's answer") {
                try server.namespace.run { try answer.send() }
            }
            lab.expectItGoesOn()
        }
    }

    /// The proxy speaks for others in connections of its own, to pods.
    @Test(arguments: NetPodLinks.allCases, AddressFamily.allCases)
    func theProxyCannotSpeakElsewhere(links: NetPodLinks, family: AddressFamily) throws {
        try Self.with(links, family) { lab, steering in
            let (client, server, proxy) = (lab.world.pod("client"), lab.world.pod("server"), lab.world.pod("proxy"))
            let gateway = family == .ipv4 ? NetAddressing.gateways[0] : NetAddressing.gateways6[0]
            let own = try client.namespace.run { try NetSocket(family, SOCK_STREAM) }
            try own.bind(client.address(family), 40_001)
            _ = own.connect(server.address(family), SteeringTests.other)
            #expect(own.wait(POLLOUT, milliseconds: 5000) != 0)
            let foreign = client.address(family)
            let into = NetSegment(from: foreign, 40_001, to: server.address(family), SteeringTests.other, [.ack, .rst])
            let toNode = NetSegment(from: foreign, 40_002, to: gateway, 7, [.syn])
            for segment in [into, toNode] {
                try Self.expectDrop(steering, "to \(segment.destination)") {
                    try proxy.namespace.run { try segment.send() }
                }
            }
            // From its own address it may.
            let before = steering.foreign()
            let probe = NetProbe(.tcp, to: gateway, port: 7, from: proxy.address(family))
            #expect(try proxy.namespace.run { try probe.run() } == .refused)
            #expect(steering.foreign() == before)
            lab.expectItGoesOn()
        }
    }
}
