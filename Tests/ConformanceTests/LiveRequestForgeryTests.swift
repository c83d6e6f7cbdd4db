// SPDX-License-Identifier: Apache-2.0
import Glibc
import NetworkKit
import NetworkTypes
import Testing

extension Live {
    /// Packets that would pass by the request proxy, or make it speak for another: none brings a request to the server.
    @Suite(.serialized) struct RequestForgeryTests {
        private static let policy = LiveRequestWorld.policy(
            "[{from: [{source: {serviceAccounts: [client]}}], to: [{operation: {paths: [/shoes]}}]}]")
        private static let forged = "GET /admin?forged HTTP/1.1\r\nHost: server\r\n\r\n"

        private static func with(
            _ datapath: NetDatapath, _ links: NetPodLinks, _ body: (LiveRequestWorld) throws -> Void
        ) throws {
            // Without a policy of its own the proxy must refuse direct calls itself.
            try LiveRequestWorld.with(datapath, links, policy: policy, isProxyIsolated: false) { live in
                // What a client resets itself is forgotten sooner.
                try live.world.node.sysctl([("netfilter/nf_conntrack_tcp_timeout_close", 1)])
                try NetClock.wait("the policy at the proxy", seconds: 20, every: 20) {
                    try ask(live.connect(), "/shoes") == 200
                }
                try body(live)
                #expect(!live.recorder.connections.contains { $0.text.contains("admin") })
            }
        }

        /// An answer's status; 0: the connection ended without one.
        private static func ask(_ connection: NetConnection, _ path: String) throws -> Int {
            try connection.send("GET \(path) HTTP/1.1\r\nHost: server\r\n\r\n")
            return try connection.response()?.status ?? 0
        }

        /// A client's connection with the server through the proxy, and what the proxy last sent in its own.
        private struct Proxied {
            let live: LiveRequestWorld
            let connection: NetConnection
            let tap: NetTap
            let last: NetSegment

            init(_ live: LiveRequestWorld, _ family: AddressFamily) throws {
                self.live = live
                tap = try live.world.pod("server").namespace.run { try NetTap() }
                connection = try live.connect(family)
                #expect(try RequestForgeryTests.ask(connection, "/shoes") == 200)
                last = try #require(
                    tap.segments().last { $0.destinationPort == LiveRequestWorld.port && !$0.payload.isEmpty })
                #expect((10_240...32_767).contains(last.sourcePort))
            }

            /// The connection is none the worse, and the server has seen only what the proxy sent.
            func expectItGoesOn(_ what: String) throws {
                #expect(try RequestForgeryTests.ask(connection, "/admin") == 403, "\(what)")
                #expect(try RequestForgeryTests.ask(connection, "/shoes") == 200, "\(what)")
                let seen = tap.segments().filter {
                    $0.sourcePort == last.sourcePort && $0.destinationPort == last.destinationPort
                }
                #expect(!seen.isEmpty, "\(what)")
                let isClean = seen.allSatisfy { segment in
                    segment.flags.isDisjoint(with: [.syn, .fin, .rst])
                        && !String(decoding: segment.payload, as: UTF8.self).contains("admin")
                }
                #expect(isClean, "\(what)")
            }
        }

        @Test(arguments: NetDatapath.allCases, NetPodLinks.allCases)
        func nothingPassesByTheProxy(datapath: NetDatapath, links: NetPodLinks) throws {
            try Self.with(datapath, links) { live in
                for family in AddressFamily.allCases {
                    try Self.forge(live, family, links)
                    try Self.disguise(live, family)
                    try Self.callDirectly(live, family)
                }
                if links == .bridged { try Self.redirectFrames(live) }
            }
        }

        /// Segments with the proxy's own addresses, ports and numbers.
        private static func forge(_ live: LiveRequestWorld, _ family: AddressFamily, _ links: NetPodLinks) throws {
            let world = live.world
            let proxied = try Proxied(live, family)
            let last = proxied.last
            let data = last.next([.ack, .push], Array(forged.utf8))
            var toService = data
            (toService.destination, toService.destinationPort) = live.target(family, throughService: true)
            for pod in ["other", "client"] {
                let hardware = (
                    from: try world.pod(pod).namespace.hardwareAddress(),
                    to: try world.pod("server").namespace.hardwareAddress()
                )
                try world.pod(pod).namespace.run {
                    for segment in [data, toService, last.next([.ack, .fin]), last.next([.syn]), last.next([.rst])] {
                        try segment.send()
                        // Straight to the server.
                        if links == .bridged { try segment.send(in: hardware) }
                    }
                    for firstBytes in [24, 40] { try data.sendFragments(firstBytes: firstBytes) }
                }
                try proxied.expectItGoesOn("\(family) from \(pod)")
            }
            // Its entry times out.
            try world.node.command(
                "conntrack", "-D", "-f", "\(family)", "-p", "tcp", "--orig-port-src", "\(last.sourcePort)")
            try proxied.expectItGoesOn("\(family) untracked")
        }

        /// A client with the proxy's ports, or with marks.
        private static func disguise(_ live: LiveRequestWorld, _ family: AddressFamily) throws {
            let client = live.world.pod("client")
            let target = live.target(family)
            for (port, mark) in [(10_300, 0), (32_767, 0), (0, 0x10), (0, 0x20), (0, 0x30)] {
                let connection = try client.namespace.run {
                    try NetConnection(
                        to: target.address, port: target.port,
                        from: port == 0 ? nil : (client.address(family), UInt16(port)))
                }
                connection.socket.setOption(SOL_SOCKET, SO_MARK, Int32(mark))
                #expect(try ask(connection, "/admin") == 403, "\(family), port \(port), mark \(mark)")
                #expect(try ask(connection, "/shoes") == 200, "\(family), port \(port), mark \(mark)")
            }
        }

        /// The proxy serves flows that the node has steered, and those alone.
        private static func callDirectly(_ live: LiveRequestWorld, _ family: AddressFamily) throws {
            let (client, other, proxy) = (live.world.pod("client"), live.world.pod("other"), live.world.pod("proxy"))
            let tap = try proxy.namespace.run { try NetTap() }
            for port: UInt16 in [LiveRequestWorld.port, 80, 15001, 15002, 9469] {
                let connection = try client.namespace.run { try NetConnection(to: proxy.address(family), port: port) }
                #expect(connection.isReset, "to the proxy's port \(port)")
            }
            // Denied in the kernel: the proxy does not hear of it. What the client sends later does arrive.
            let target = live.target(family)
            let first = NetSegment(from: other.address(family), 40_000, to: target.address, target.port, [.syn])
            try other.namespace.run { try first.send() }
            #expect(try ask(live.connect(family), "/shoes") == 200)
            let sources = Set(tap.segments().filter { $0.destination == target.address }.map(\.source))
            #expect(sources.contains(client.address(family)) && !sources.contains(other.address(family)))
        }

        /// Frames that a client sends to the proxy, whatever their packets' destination is: policy is that of the real
        /// ends.
        private static func redirectFrames(_ live: LiveRequestWorld) throws {
            let (client, server, other) = (live.world.pod("client"), live.world.pod("server"), live.world.pod("other"))
            let port: UInt16 = 9090
            let listeners = try [server, other].map { pod in
                try pod.namespace.run { try NetServer(at: [pod.v4, pod.v6], [.init(.tcp, port)]) }
            }
            defer { for listener in listeners { listener.stop() } }
            let hardware = try live.world.pod("proxy").namespace.hardwareAddress().hexText
            for family in AddressFamily.allCases {
                for pod in [server, other] {
                    try client.namespace.ip([
                        "neigh replace \(pod.address(family)) lladdr \(hardware) dev eth0 nud permanent"
                    ])
                }
                // Policy reads requests to every port of the server.
                let steered = try client.namespace.run { try NetConnection(to: server.address(family), port: port) }
                #expect(try ask(steered, "/admin") == 403)
                // And none to the other pod: the proxy cannot answer in a connection that was not steered to it.
                let before = try foreignPackets(live)
                let stray = try client.namespace.run { try NetSocket(family, SOCK_STREAM) }
                _ = stray.connect(other.address(family), port)
                try NetClock.wait("the drop of the proxy's answer", seconds: 20) {
                    try foreignPackets(live) > before
                }
                #expect(stray.wait(POLLOUT, milliseconds: 0) == 0)
                let connection = try live.connect(family)
                #expect(try ask(connection, "/admin") == 403)
                #expect(try ask(connection, "/shoes") == 200)
            }
            #expect(listeners.allSatisfy { $0.arrivals.isEmpty })
        }

        /// What steering has dropped because it was not from an end of the proxy's connections.
        private static func foreignPackets(_ live: LiveRequestWorld) throws -> Int {
            let text = try live.world.node.command(
                "nft", "list", "counter", "inet", "bulkhead-requests", "packets-of-others")
            return text.firstMatch(of: /packets ([0-9]+)/).flatMap { Int($0.1) } ?? 0
        }

        /// Behind a bridge, the proxy's port is open to others' addresses only while there is a proxy.
        @Test func thePortIsOpenOnlyToAProxy() throws {
            try Self.with(.ebpf, .bridged) { live in
                func isOpen() throws -> Bool {
                    try live.world.node.command("nft", "list", "chain", "bridge", "bulkhead", "source-addresses")
                        .contains("The request proxy sends for others")
                }
                #expect(try isOpen())
                try live.proxy.stop(.decider, SIGKILL)
                try NetClock.wait("the guard to close", seconds: 20) { try !isOpen() }
                try live.proxy.start(.decider)
                try NetClock.wait("the guard to open", seconds: 20) { try isOpen() }
                try live.daemon.delete(Self.policy)
                try NetClock.wait("the guard to close without need", seconds: 20) { try !isOpen() }
            }
        }
    }
}

extension [UInt8] {
    /// As `ip` writes a hardware address.
    fileprivate var hexText: String { map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: ":") }
}
