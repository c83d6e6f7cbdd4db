// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import NodeNetwork
import Testing

/// Datagrams byte by byte, little-endian as the machines that run the tests are.
@Suite struct NetlinkParserTests {
    @Test func link() throws {
        let datagram: [UInt8] = [
            72, 0, 0, 0,  // length
            16, 0, 0, 0,  // RTM_NEWLINK, flags
            7, 0, 0, 0, 0, 0, 0, 0,  // sequence, port
            0, 0, 1, 0,  // AF_UNSPEC, pad, ARPHRD_ETHER
            9, 0, 0, 0,  // index
            0x43, 0x10, 1, 0, 0, 0, 0, 0,  // IFF_UP | IFF_BROADCAST | IFF_RUNNING …, change mask
            10, 0, 3, 0,  // attribute of 10 bytes: IFLA_IFNAME
            UInt8(ascii: "v"), UInt8(ascii: "e"), UInt8(ascii: "t"), UInt8(ascii: "h"), UInt8(ascii: "7"), 0, 0, 0,
            8, 0, 10, 0,  // IFLA_MASTER
            5, 0, 0, 0,
            16, 0, 18, 0,  // IFLA_LINKINFO
            9, 0, 1, 0,  // IFLA_INFO_KIND
            UInt8(ascii: "v"), UInt8(ascii: "e"), UInt8(ascii: "t"), UInt8(ascii: "h"), 0, 0, 0, 0,
        ]
        let length = UInt8(datagram.count)
        let messages = try parse([length] + datagram.dropFirst())
        #expect(messages == [.link(Link(index: 9, name: "veth7", kind: "veth", master: 5))])
    }

    @Test func otherEndOfAPair() throws {
        let datagram: [UInt8] = [
            56, 0, 0, 0, 16, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0,  // RTM_NEWLINK
            0, 0, 1, 0, 9, 0, 0, 0, 0x43, 0x10, 1, 0, 0, 0, 0, 0,  // index 9, up
            8, 0, 3, 0, UInt8(ascii: "v"), UInt8(ascii: "9"), 0, 0,  // IFLA_IFNAME
            8, 0, 5, 0, 2, 0, 0, 0,  // IFLA_LINK: index there
            8, 0, 37, 0, 3, 0, 0, 0,  // IFLA_LINK_NETNSID
        ]
        #expect(try parse(datagram) == [.link(Link(index: 9, name: "v9", peerIndex: 2, peerNamespace: 3))])
        // NETNSA_NSID_NOT_ASSIGNED
        let nobody = datagram.dropLast(4) + [0xff, 0xff, 0xff, 0xff]
        #expect(try parse(Array(nobody)) == [.link(Link(index: 9, name: "v9", peerIndex: 2))])
    }

    @Test func linkInAnotherNamespace() throws {
        let datagram: [UInt8] = [
            52, 0, 0, 0, 16, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0,  // RTM_NEWLINK
            0, 0, 1, 0, 2, 0, 0, 0, 0x43, 0x10, 1, 0, 0, 0, 0, 0,  // index 2, up
            8, 0, 46, 0, 3, 0, 0, 0,  // IFLA_TARGET_NETNSID
            10, 0, 1, 0, 2, 0, 0, 0, 0, 7, 0, 0,  // IFLA_ADDRESS
        ]
        #expect(try parse(datagram) == [.peerLink(namespace: 3, link: 2, hardware: 0x0200_0000_0007)])
    }

    /// IFLA_LINKINFO of a kind with one attribute of two bytes in its data.
    private func tunnel(_ kind: String, _ attribute: UInt8, _ value: [UInt8]) throws -> TunnelEnd? {
        var name = Array(kind.utf8)
        while name.count % 4 != 0 { name.append(0) }
        let data: [UInt8] = [UInt8(8 + value.count), 0, 2, 0, UInt8(4 + value.count), 0, attribute, 0] + value
        let padding = [UInt8](repeating: 0, count: (4 - data.count % 4) % 4)
        let info = [UInt8(4 + kind.utf8.count), 0, 1, 0] + name + data + padding
        let body: [UInt8] =
            [0, 0, 1, 0, 9, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0] + [UInt8(4 + info.count), 0, 18, 0] + info
        let header: [UInt8] = [UInt8(16 + body.count), 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        guard case .link(let link) = try parse(header + body).first else { return nil }
        return link.tunnel
    }

    @Test func tunnels() throws {
        #expect(try tunnel("vxlan", 15, [0x21, 0x18]) == TunnelEnd(udpPorts: [8472]))
        #expect(try tunnel("geneve", 5, [0x17, 0xc1]) == TunnelEnd(udpPorts: [6081]))
        #expect(try tunnel("gre", 17, [0x15, 0xb3]) == TunnelEnd(udpPorts: [5555], protocols: [47]))
        #expect(try tunnel("ipip", 18, [0, 0]) == TunnelEnd(protocols: [4]))
        #expect(try tunnel("sit", 18, [0x15, 0xb3]) == TunnelEnd(udpPorts: [5555], protocols: [4, 41]))
        #expect(try tunnel("ip6tnl", 9, [41]) == TunnelEnd(protocols: [41]))
        #expect(try tunnel("wireguard", 1, [0]) == TunnelEnd())
        #expect(try tunnel("veth", 15, [0x21, 0x18]) == nil)
        #expect(throws: NodeNetworkError.self) { try tunnel("vxlan", 15, [1]) }
    }

    @Test func portOfEncapsulation() throws {
        let answer: [UInt8] = [
            1, 1, 0, 0,  // FOU_CMD_ADD, version
            6, 0, 1, 0, 0x15, 0xb3, 0, 0,  // FOU_ATTR_PORT
            5, 0, 3, 0, 4, 0, 0, 0,  // FOU_ATTR_IPPROTO
        ]
        func port(_ bytes: [UInt8]) throws -> UInt16? {
            try bytes.withUnsafeBytes { try EncapsulationPorts.port(answer: $0) }
        }
        #expect(try port(answer) == 5555)
        #expect(try port(Array(answer.prefix(4))) == nil)
        #expect(throws: NodeNetworkError.self) { try port(Array(answer.prefix(9))) }
    }

    @Test func addressInAnotherNamespace() throws {
        let datagram: [UInt8] = [
            40, 0, 0, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  // RTM_NEWADDR
            2, 24, 0, 0, 2, 0, 0, 0,  // AF_INET, /24, flags, scope, link 2
            8, 0, 10, 0, 3, 0, 0, 0,  // IFA_TARGET_NETNSID
            8, 0, 2, 0, 10, 0, 0, 7,  // IFA_LOCAL
        ]
        let address = LinkAddress(link: 2, address: try IPAddress("10.0.0.7"), prefixLength: 24)
        #expect(try parse(datagram) == [.peerAddress(namespace: 3, address)])
    }

    /// `struct ndmsg` with NDA_DST 10.0.0.7 and NDA_LLADDR 02:00:00:00:00:07 on link 4.
    private func neighbor(type: UInt8 = 28, state: UInt8 = 2) -> [UInt8] {
        [48, 0, 0, 0, type, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
            + [2, 0, 0, 0, 4, 0, 0, 0, state, 0, 0, 1]  // AF_INET, padding, link, state, flags, RTN_UNICAST
            + [8, 0, 1, 0, 10, 0, 0, 7]  // NDA_DST
            + [10, 0, 2, 0, 2, 0, 0, 0, 0, 7, 0, 0]  // NDA_LLADDR
    }

    @Test func neighbors() throws {
        let address = try IPAddress("10.0.0.7")
        let known = Neighbor(link: 4, address: address, hardware: 0x0200_0000_0007)
        #expect(try parse(neighbor()) == [.neighbor(known)])
        #expect(try parse(neighbor(type: 29)) == [.neighborRemoved(known)])
        let unknown = Neighbor(link: 4, address: address, hardware: 0)
        #expect(try parse(neighbor(state: 0x20)) == [.neighborRemoved(unknown)])  // NUD_FAILED
        var nowhere = neighbor()
        nowhere[20] = 0
        #expect(throws: NodeNetworkError.invalid(what: "neighbor's link", value: 0)) { try parse(nowhere) }
    }

    @Test func forwardingEntries() throws {
        func entry(type: UInt8 = 28, state: UInt8 = 2) -> [UInt8] {
            [48, 0, 0, 0, type, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
                + [7, 0, 0, 0, 5, 0, 0, 0, state, 0, 0, 0]  // AF_BRIDGE, port 5
                + [10, 0, 2, 0, 2, 0, 0, 0, 0, 7, 0, 0]  // NDA_LLADDR
                + [8, 0, 9, 0, 4, 0, 0, 0]  // NDA_MASTER: the bridge
        }
        let learned = ForwardingEntry(bridge: 4, port: 5, hardware: 0x0200_0000_0007)
        #expect(try parse(entry()) == [.forwarding(learned)])
        #expect(try parse(entry(type: 29)) == [.forwardingRemoved(learned)])
        #expect(try parse(entry(state: 0x80)) == [.other])  // NUD_PERMANENT: the port's own
    }

    private let newAddress4: [UInt8] = [
        40, 0, 0, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  // RTM_NEWADDR
        2, 24, 0, 0, 3, 0, 0, 0,  // AF_INET, /24, flags, scope, link 3
        8, 0, 1, 0, 10, 0, 0, 9,  // IFA_ADDRESS: the far end
        8, 0, 2, 0, 10, 0, 0, 1,  // IFA_LOCAL: our own
    ]
    private let removedAddress6: [UInt8] =
        [
            44, 0, 0, 0, 21, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  // RTM_DELADDR
            10, 64, 0, 0, 3, 0, 0, 0,  // AF_INET6, /64
            20, 0, 1, 0,  // IFA_ADDRESS
        ] + [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]

    @Test func addressOfBothFamilies() throws {
        #expect(
            try parse(newAddress4 + removedAddress6) == [
                .address(LinkAddress(link: 3, address: try IPAddress("10.0.0.1"), prefixLength: 24)),
                .addressRemoved(LinkAddress(link: 3, address: try IPAddress("fd00::1"), prefixLength: 64)),
            ])
    }

    /// Header and RTA_DST, RTA_OIF of a unicast route to 10.0.0.7.
    private func route(
        type: UInt8 = 24, flags: UInt8 = 0, length: UInt8 = 32, table: UInt8 = 254, kind: UInt8 = 1,
        more: [UInt8] = []
    ) -> [UInt8] {
        [UInt8(44 + more.count), 0, 0, 0, type, 0, 0, flags, 0, 0, 0, 0, 0, 0, 0, 0]
            // Family, lengths, TOS, table, protocol, scope, type, flags.
            + [2, length, 0, 0, table, 3, 0, kind, 0, 0, 0, 0]
            + [8, 0, 1, 0, 10, 0, 0, 7]  // RTA_DST
            + [8, 0, 4, 0, 6, 0, 0, 0]  // RTA_OIF 6
            + more
    }

    private let toSeven = Route(destination: CIDR(IPAddress(v4: 0x0a00_0007), prefixLength: 32), links: [6])

    @Test func routes() throws {
        #expect(try parse(route()) == [.route(toSeven, replaces: false)])
        #expect(try parse(route(type: 25)) == [.routeRemoved(toSeven)])
        var behindRouter = toSeven
        behindRouter.hasGateway = true
        behindRouter.metric = 100
        let gateway: [UInt8] = [8, 0, 5, 0, 10, 0, 0, 1, 8, 0, 6, 0, 100, 0, 0, 0]  // RTA_GATEWAY, RTA_PRIORITY
        #expect(try parse(route(more: gateway)) == [.route(behindRouter, replaces: false)])
    }

    @Test func replacingRoute() throws {
        // The upper byte of the flags: NLM_F_REPLACE is 0x100, NLM_F_CREATE 0x400.
        #expect(try parse(route(flags: 1)) == [.route(toSeven, replaces: true)])
        #expect(try parse(route(flags: 4)) == [.route(toSeven, replaces: false)])
    }

    @Test func nextHops() throws {
        let hops: [UInt8] = [
            36, 0, 9, 0,  // RTA_MULTIPATH
            16, 0, 0, 0, 8, 0, 0, 0, 8, 0, 5, 0, 10, 0, 0, 1,  // next hop by device 8 with RTA_GATEWAY
            16, 0, 0, 0, 7, 0, 0, 0, 8, 0, 5, 0, 10, 0, 0, 2,
        ]
        let expected = Route(destination: toSeven.destination, links: [6, 7, 8], hasGateway: true)
        #expect(try parse(route(more: hops)) == [.route(expected, replaces: false)])
    }

    @Test func otherRoutesSayNothing() throws {
        #expect(try parse(route(table: 255)) == [.other])  // local table, but no local route
        #expect(try parse(route(table: 252, kind: 2)) == [.other])  // RTN_LOCAL of another table
        #expect(try parse(route(kind: 6)) == [.other])  // RTN_BLACKHOLE
        let table: [UInt8] = [8, 0, 15, 0, 0, 1, 0, 0]  // RTA_TABLE 256
        #expect(try parse(route(table: 252, more: table)) == [.other])
    }

    @Test func localRoutes() throws {
        let local = LocalRoute(destination: toSeven.destination, link: 6)
        for kind in [2, 4] as [UInt8] {  // RTN_LOCAL, RTN_ANYCAST
            #expect(try parse(route(table: 255, kind: kind)) == [.localRoute(local)])
        }
        #expect(try parse(route(type: 25, table: 254, kind: 2)) == [.localRouteRemoved(local)])
    }

    @Test func endOfDumpAndRefusal() throws {
        let done: [UInt8] = [20, 0, 0, 0, 3, 0, 2, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        #expect(try parse(done) == [.dumpDone(sequence: 9, interrupted: false)])
        var interrupted = done
        interrupted[6] |= 0x10  // NLM_F_DUMP_INTR
        #expect(try parse(interrupted) == [.dumpDone(sequence: 9, interrupted: true)])
        let refused: [UInt8] = [20, 0, 0, 0, 2, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]
        #expect(try parse(refused) == [.refused(sequence: 9, code: 1)])
    }

    @Test func badLengths() {
        #expect(throws: NodeNetworkError.invalid(what: "message length", value: 0)) {
            try parse([0, 0, 0, 0] + [UInt8](repeating: 0, count: 12))
        }
        #expect(throws: NodeNetworkError.truncated(what: "message 24", needed: 44, available: 40)) {
            try parse(Array(route().dropLast(4)))
        }
        var attribute = route()
        attribute[28] = 3  // shorter than its own header
        #expect(throws: NodeNetworkError.invalid(what: "attribute length", value: 3)) { try parse(attribute) }
        attribute[28] = 200
        #expect(throws: NodeNetworkError.truncated(what: "attribute 1", needed: 212, available: 28)) {
            try parse(attribute)
        }
        #expect(throws: NodeNetworkError.invalid(what: "prefix length", value: 33)) { try parse(route(length: 33)) }
    }

    /// Whatever the bytes, it ends, and with messages or a typed error.
    @Test func damagedBytes() {
        var random = SystemRandomNumberGenerator()
        let routes = route(more: [8, 0, 5, 0, 10, 0, 0, 1]) + route(type: 25)
        let whole = routes + neighbor() + newAddress4 + removedAddress6
        for _ in 0..<20_000 {
            var bytes = whole
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                bytes[Int.random(in: bytes.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            let cut = Array(bytes.prefix(Int.random(in: 0...bytes.count, using: &random)))
            let messages = try? parse(cut)
            #expect((messages?.count ?? 0) <= cut.count / 16)
        }
    }

    private func parse(_ bytes: [UInt8]) throws -> [NetworkMessage] {
        try bytes.withUnsafeBytes { try NetlinkParser.parse($0) }
    }
}
