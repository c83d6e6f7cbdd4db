// SPDX-License-Identifier: Apache-2.0
import Glibc
import NetworkTypes
import PacketKit

/// A flow by what its packets bear.
public struct NetFlow: Sendable, Hashable {
    public var ipProtocol: IPProtocol
    public var source: IPAddress
    public var destination: IPAddress
    /// Both 0 without ports.
    public var sourcePort: UInt16
    public var destinationPort: UInt16
    /// The identifier of ICMP echo, by which connection tracking tells flows apart; otherwise 0.
    public var identifier: UInt16 = 0

    public init(
        _ ipProtocol: IPProtocol, _ source: IPAddress, _ sourcePort: UInt16, _ destination: IPAddress,
        _ destinationPort: UInt16
    ) {
        self.ipProtocol = ipProtocol
        self.source = source
        self.destination = destination
        self.sourcePort = sourcePort
        self.destinationPort = destinationPort
    }

    /// The same without what only the packet knows.
    public var withoutIdentifier: NetFlow {
        var flow = self
        flow.identifier = 0
        return flow
    }

    /// Reads a packet from its IP header on, without IPv6 extension headers; nil for anything but TCP, UDP and ICMP echo
    /// requests.
    init?(packet: [UInt8]) {
        let transport: ArraySlice<UInt8>
        if packet.count >= 28, packet[0] >> 4 == 4 {
            ipProtocol = IPProtocol(rawValue: packet[9])
            source = IPAddress(v4: NetBytes.integer(packet[12..<16]))
            destination = IPAddress(v4: NetBytes.integer(packet[16..<20]))
            transport = packet[(Int(packet[0] & 15) * 4)...]
        } else if packet.count >= 48, packet[0] >> 4 == 6 {
            ipProtocol = IPProtocol(rawValue: packet[6])
            source = IPAddress(v6High: NetBytes.integer(packet[8..<16]), low: NetBytes.integer(packet[16..<24]))
            destination = IPAddress(v6High: NetBytes.integer(packet[24..<32]), low: NetBytes.integer(packet[32..<40]))
            transport = packet[40...]
        } else {
            return nil
        }
        guard transport.count >= 8 else { return nil }
        let first = transport.startIndex
        (sourcePort, destinationPort) = (0, 0)
        switch ipProtocol {
        case .tcp, .udp:
            sourcePort = NetBytes.integer(transport[first..<first + 2])
            destinationPort = NetBytes.integer(transport[first + 2..<first + 4])
        case .icmp where transport[first] == 8, .icmpv6 where transport[first] == 128:
            identifier = NetBytes.integer(transport[first + 4..<first + 6])
        default: return nil
        }
    }
}

extension NetTap {
    /// The flows of the packets since the last call that go to one of these addresses.
    public func flows(to addresses: Set<IPAddress>) -> Set<NetFlow> {
        Set(packets().compactMap { NetFlow(packet: $0) }.filter { addresses.contains($0.destination) })
    }
}

/// Short flows of a client, all different, and what a capture at both ends says of them.
public struct NetFlowLoad: Sendable {
    /// Flows whose packets arrived.
    public var arrived: Set<NetFlow> = []
    /// Flows whose packets left the client and did not arrive.
    public var stopped: Set<NetFlow> = []

    /// Sends them from the pod `client` of the world: TCP and UDP to these ports of `server`, ICMP echo to `server` and
    /// `free`, `count` of each in both families.
    public init(_ count: Int, in world: NetWorld, ports: [UInt16]) throws {
        let (client, server, free) = (world.pod("client"), world.pod("server"), world.pod("free"))
        let ends = Set([server, free].flatMap { [$0.v4, $0.v6] })
        let tapped = try [client, server, free].map { pod in try pod.namespace.run { try NetTap() } }
        let before = try client.namespace.run { try Self.send(count, to: server, free, ports) }
        // The last packet of each end is there once a later one, of a socket of its own, is.
        var (sent, got): (Set<NetFlow>, Set<NetFlow>) = ([], [])
        try NetClock.wait("the capture of \(before) flows", seconds: 20) {
            sent.formUnion(tapped[0].flows(to: ends))
            got.formUnion(tapped[1].flows(to: [server.v4, server.v6]))
            got.formUnion(tapped[2].flows(to: [free.v4, free.v6]))
            return sent.count >= before / 2 && got.contains { $0.destination == free.v6 }
        }
        arrived = got
        stopped = sent.subtracting(got)
    }

    /// Sends one datagram to each of so many ports, from one socket of the calling thread's namespace.
    public static func flood(_ count: Int, to destination: IPAddress, from first: Int = 1) throws {
        let socket = try NetSocket(destination.family, SOCK_DGRAM)
        for port in first..<first + count {
            _ = socket.send([0], to: destination, UInt16(port))
            // The receiving side has room for a thousand packets.
            if port % 200 == 0 { usleep(2000) }
        }
    }

    private static func send(
        _ count: Int, to server: NetPod, _ free: NetPod, _ ports: [UInt16]
    ) throws -> Int {
        var sent = 0
        for _ in 0..<count {
            for family in AddressFamily.allCases {
                let echo = family == .ipv4 ? IPProtocol.icmp : .icmpv6
                var probes = [NetProbe(echo, to: server.address(family)), NetProbe(echo, to: free.address(family))]
                for port in ports {
                    probes += [.tcp, .udp].map { NetProbe($0, to: server.address(family), port: port) }
                }
                for var probe in probes {
                    // An answer is not waited for: the capture says what arrived.
                    probe.milliseconds = 1
                    _ = try probe.run()
                    sent += 1
                }
            }
        }
        return sent
    }
}
