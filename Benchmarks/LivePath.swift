// SPDX-License-Identifier: Apache-2.0
import Glibc
import NetworkKit
import NetworkTypes

/// Both ends of the flows, driven by one thread: each packet goes all the way within the send call.
final class LivePath {
    enum Kind: String, CaseIterable {
        case udp = "UDP"
        case tcp = "TCP"
    }

    private let client: NetPod
    private let server: NetPod
    private let udp: (client: NetSocket, server: NetSocket)
    private let tcp: (client: NetSocket, server: NetSocket)
    private let raw: NetSocket
    private var nextPort: UInt16 = 20_000

    private static let port: UInt16 = 6000
    /// About one millisecond: many slices pass without an interruption.
    private static let packetsPerSlice = 256
    private static let slicesPerTurn = 48
    private static let newFlowsPerSlice = 512

    init(_ world: NetWorld) throws {
        let (client, server) = (world.pod("client"), world.pod("server"))
        self.client = client
        self.server = server
        let listener = try server.namespace.run { try NetSocket(.ipv4, SOCK_STREAM) }
        try listener.bind(server.v4, Self.port)
        try listener.listen()
        udp.server = try server.namespace.run { try NetSocket(.ipv4, SOCK_DGRAM) }
        try udp.server.bind(server.v4, Self.port)
        udp.client = try client.namespace.run { try NetSocket(.ipv4, SOCK_DGRAM) }
        try udp.client.bind(client.v4, Self.port)
        // Both connected: the answer makes the flow an established one.
        guard udp.client.connect(server.v4, Self.port) == 0, udp.server.connect(client.v4, Self.port) == 0 else {
            throw NetError.system("connect UDP", errno)
        }
        tcp.client = try client.namespace.run { try NetSocket(.ipv4, SOCK_STREAM) }
        _ = tcp.client.connect(server.v4, Self.port)
        guard listener.wait(POLLIN, milliseconds: 1000) != 0, let accepted = listener.accept() else {
            throw NetError.timeout("TCP connection")
        }
        tcp.server = accepted.connection
        for socket in [tcp.client, tcp.server] { socket.setOption(Int32(IPPROTO_TCP), TCP_NODELAY, 1) }
        raw = try client.namespace.run { try NetSocket(.ipv4, SOCK_RAW, ipProtocol: 255) }
    }

    /// Nanoseconds a packet, several slices: a number there and back each time, two packets.
    func slice(_ kind: Kind) throws -> [Double] {
        let (client, server) = kind == .udp ? udp : tcp
        let byte = [UInt8](repeating: 1, count: 64)
        return try NetThread.run {
            try Self.goBeforeOthers()
            try exchange(byte, client, server, times: 256)
            return try (0..<Self.slicesPerTurn).map { _ in
                let start = NetClock.now
                try exchange(byte, client, server, times: Self.packetsPerSlice / 2)
                return Double(NetClock.now - start) / Double(Self.packetsPerSlice)
            }
        }
    }

    /// Nanoseconds a datagram, each the first one of a flow of its own.
    func newFlows(slices: Int) throws -> [Double] {
        try NetThread.run {
            try Self.goBeforeOthers()
            return try (0..<slices).map { _ in
                nextPort += 1
                let sink = try server.namespace.run { try NetSocket(.ipv4, SOCK_DGRAM) }
                try sink.bind(server.v4, nextPort)
                let packets = (0..<Self.newFlowsPerSlice).map { number in
                    let datagram = NetBytes.udp(
                        from: client.v4, UInt16(1024 + number), to: server.v4, nextPort, payload: [1])
                    return NetBytes.ip(from: client.v4, to: server.v4, protocol: 17, payload: datagram)
                }
                let start = NetClock.now
                for packet in packets { raw.send(packet, to: server.v4) }
                let time = Double(NetClock.now - start) / Double(packets.count)
                let arrived = (0..<packets.count).prefix { _ in sink.discard() }.count
                guard arrived == packets.count else {
                    throw NetError.missing("\(packets.count - arrived) of \(packets.count) datagrams")
                }
                return time
            }
        }
    }

    /// Other work of the machine must not be measured: the thread keeps its processor until it waits.
    private static func goBeforeOthers() throws {
        var parameters = sched_param(sched_priority: 1)
        let failure = pthread_setschedparam(pthread_self(), SCHED_FIFO, &parameters)
        guard failure == 0 else { throw NetError.system("pthread_setschedparam", failure) }
    }

    private func exchange(_ bytes: [UInt8], _ client: NetSocket, _ server: NetSocket, times: Int) throws {
        for _ in 0..<times {
            try pass(bytes, client, server)
            try pass(bytes, server, client)
        }
    }

    private func pass(_ bytes: [UInt8], _ from: NetSocket, _ to: NetSocket) throws {
        let code = from.send(bytes)
        guard code == 0 else { throw NetError.system("send", code) }
        while !to.discard() {
            guard to.wait(POLLIN, milliseconds: 1000) != 0 else { throw NetError.timeout("a packet") }
        }
    }
}
