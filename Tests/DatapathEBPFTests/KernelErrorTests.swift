// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import DatapathEBPF
import Glibc
import NetworkKit
import NetworkTypes
import PolicyModel
import Testing

/// ICMP errors on real packets: those related to an allowed flow pass, in both directions and through destination NAT;
/// others are flows of their own. The policy lets UDP 80 into the server, and nothing else in or out of it.
@Suite struct KernelErrorTests {
    private static func withPolicy(
        _ services: [NetService] = [], _ proxy: NetProxyMode = .nftables,
        _ body: (NetWorld, inout EBPFDatapath) throws -> Void
    ) throws {
        try NetWorld.with(pods: ["server", "client"], services: services, proxy: proxy) { world in
            try world.node.run {
                var datapath = EBPFDatapath(bpffs: world.bpffs)
                _ = try datapath.open()
                try datapath.setListening(true)
                _ = try datapath.resync(KernelLiveTests.policy(world))
                try body(world, &datapath)
                #expect(try datapath.counters().inconsistent == 0)
            }
        }
    }

    /// The client asks, and is gone before the answer comes: its kernel tells the server so, with an error in the
    /// flow's original direction about a packet of the reply's. Returns the error that the server's socket saw.
    private static func errorAboutAReply(
        _ world: NetWorld, _ family: AddressFamily, asking address: IPAddress, _ port: UInt16,
        beforeTheAnswer: () throws -> Void = {}
    ) throws -> Int32 {
        let (server, client) = (world.pod("server"), world.pod("client"))
        let socket = try server.namespace.run { try NetSocket(family, SOCK_DGRAM) }
        try socket.bind(server.address(family), 80)
        let asker: IPAddress
        let askerPort: UInt16
        do {
            let question = try client.namespace.run { try NetSocket(family, SOCK_DGRAM) }
            #expect(question.connect(address, port) == 0 && question.send([1]) == 0)
            #expect(socket.wait(POLLIN, milliseconds: 1000) != 0)
            guard case .bytes(_, let source, let port) = socket.receive() else { throw NetError.missing("a question") }
            (asker, askerPort) = (source, port)
        }
        #expect(asker == client.address(family))
        try beforeTheAnswer()
        #expect(socket.connect(asker, askerPort) == 0 && socket.send([2]) == 0)
        _ = socket.wait(POLLIN, milliseconds: 500)
        return socket.pendingError
    }

    @Test func anErrorAboutAReplyPasses() throws {
        try Self.withPolicy { world, _ in
            for family in AddressFamily.allCases {
                let server = world.pod("server").address(family)
                let code = try Self.errorAboutAReply(world, family, asking: server, 80)
                #expect(code == ECONNREFUSED, "\(family)")
            }
        }
    }

    /// Neither the reply nor an error about it passes once the flow is no longer allowed.
    @Test func anErrorAboutARevokedFlowIsDropped() throws {
        try Self.withPolicy { world, datapath in
            let server = world.pod("server").v4
            var denying = KernelLiveTests.policy(world)
            for (id, var program) in denying.programs where program.direction == .ingress {
                program.cells = program.cells.map { _ in Cell(.deny, by: RuleID(rawValue: 2)) }
                denying.programs[id] = program
            }
            let code = try Self.errorAboutAReply(world, .ipv4, asking: server, 80) {
                _ = try datapath.resync(denying)
            }
            #expect(code == 0)
        }
    }

    /// An error about a flow that never was: judged as ICMP of its own, which the server's ingress denies.
    @Test func anErrorAboutNothingIsDropped() throws {
        try Self.withPolicy { world, datapath in
            let (server, client) = (world.pod("server"), world.pod("client"))
            let socket = try server.namespace.run { try NetSocket(.ipv4, SOCK_DGRAM) }
            try socket.bind(server.v4, 80)
            #expect(socket.connect(client.v4, 5555) == 0)
            let quoted = NetBytes.ip(
                from: server.v4, to: client.v4, protocol: 17,
                payload: NetBytes.udp(from: server.v4, 80, to: client.v4, 5555, payload: [1]))
            let rest = [0, 0, 0, 0] + quoted
            // Destination unreachable, port unreachable (RFC 792).
            let message = [3, 3] + NetBytes.big(NetBytes.checksum([3, 3, 0, 0] + rest)) + rest
            let packet = NetBytes.ip(from: client.v4, to: server.v4, protocol: 1, payload: message)
            let before = try datapath.ruleCounters()[RuleID(rawValue: 2)]?.packets ?? 0
            try client.namespace.run { try NetSpoof.send(packet: packet, to: server.v4) }
            _ = socket.wait(POLLIN, milliseconds: 300)
            #expect(socket.pendingError == 0)
            #expect(try datapath.ruleCounters()[RuleID(rawValue: 2)]?.packets == before + 1)
        }
    }

    @Test(arguments: NetProxyMode.allCases) func errorsPassThroughDestinationNAT(proxy: NetProxyMode) throws {
        let services = [
            NetService(.udp, port: 8080, targetPort: 80, backends: ["server"]),
            NetService(.udp, port: 8081, targetPort: 81, backends: ["server"]),
        ]
        try Self.withPolicy(services, proxy) { world, _ in
            let client = world.pod("client")
            for family in AddressFamily.allCases {
                func service(_ number: Int) -> IPAddress {
                    family == .ipv4 ? NetAddressing.service(number) : NetAddressing.service6(number)
                }
                // Without a listener: the server's error names the client's packet as it was after the translation.
                func ask(_ probe: NetProbe) throws -> NetOutcome { try client.namespace.run { try probe.run() } }
                #expect(try ask(NetProbe(.udp, to: service(0), port: 8080)) == .refused)
                #expect(try ask(NetProbe(.udp, to: service(1), port: 8081)) == .timeout)
                let code = try Self.errorAboutAReply(world, family, asking: service(0), 8080)
                #expect(code == ECONNREFUSED, "\(family)")
            }
        }
    }
}
