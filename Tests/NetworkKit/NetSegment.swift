// SPDX-License-Identifier: Apache-2.0
import Glibc
import NetworkTypes

/// One TCP segment in its IP packet (RFC 9293), as anyone may write it.
public struct NetSegment: Sendable, Hashable {
    public struct Flags: OptionSet, Sendable, Hashable {
        public let rawValue: UInt8
        public init(rawValue: UInt8) { self.rawValue = rawValue }
        public static let fin = Flags(rawValue: 0x01)
        public static let syn = Flags(rawValue: 0x02)
        public static let rst = Flags(rawValue: 0x04)
        public static let push = Flags(rawValue: 0x08)
        public static let ack = Flags(rawValue: 0x10)
    }

    public var source: IPAddress
    public var sourcePort: UInt16
    public var destination: IPAddress
    public var destinationPort: UInt16
    public var flags: Flags
    public var sequence: UInt32 = 0
    public var acknowledgment: UInt32 = 0
    public var payload: [UInt8] = []

    public init(
        from source: IPAddress, _ sourcePort: UInt16, to destination: IPAddress, _ destinationPort: UInt16,
        _ flags: Flags
    ) {
        self.source = source
        self.sourcePort = sourcePort
        self.destination = destination
        self.destinationPort = destinationPort
        self.flags = flags
    }

    /// The sequence number after this segment.
    public var end: UInt32 {
        sequence &+ UInt32(payload.count) &+ (flags.isDisjoint(with: [.syn, .fin]) ? 0 : 1)
    }

    /// The segment that would follow this one in its direction.
    public func next(_ flags: Flags, _ payload: [UInt8] = []) -> NetSegment {
        var next = self
        next.sequence = end
        next.flags = flags
        next.payload = payload
        return next
    }

    /// Header and payload, with the checksum.
    private var bytes: [UInt8] {
        var header = NetBytes.big(sourcePort) + NetBytes.big(destinationPort)
        header += NetBytes.big(sequence) + NetBytes.big(acknowledgment)
        header += [0x50, flags.rawValue, 0xff, 0xff, 0, 0, 0, 0]
        let pseudo = NetBytes.of(source) + NetBytes.of(destination) + [0, 6]
        let length = NetBytes.big(UInt16(header.count + payload.count))
        header.replaceSubrange(
            16..<18, with: NetBytes.big(NetBytes.checksum(pseudo + length + header + payload)))
        return header + payload
    }

    /// The whole packet.
    public var packet: [UInt8] { NetBytes.ip(from: source, to: destination, protocol: 6, payload: bytes) }

    /// Sends it from the calling thread's namespace, whatever the source address is.
    public func send() throws { try NetSpoof.send(packet: packet, to: destination) }

    /// Sends it in an Ethernet frame by `eth0` of the calling thread's namespace.
    public func send(in frame: (from: [UInt8], to: [UInt8])) throws {
        let type: [UInt8] = source.family == .ipv4 ? [0x08, 0x00] : [0x86, 0xdd]
        try NetSpoof.send(frame: frame.to + frame.from + type + packet, by: "eth0")
    }

    /// Sends it as two fragments: the first with `firstBytes` bytes (a multiple of eight) of header and payload.
    public func sendFragments(firstBytes: Int) throws {
        let (bytes, identification) = (bytes, UInt16.random(in: 1...(.max)))
        for (part, offset) in [(bytes.prefix(firstBytes), 0), (bytes.dropFirst(firstBytes), firstBytes)] {
            let isFirst = offset == 0
            let packet: [UInt8]
            if source.family == .ipv4 {
                packet = NetBytes.ip(
                    from: source, to: destination, protocol: 6, payload: Array(part), identification: identification,
                    fragment: UInt16(offset / 8) | (isFirst ? 0x2000 : 0))
            } else {
                // RFC 8200, 4.5: next header, reserved, offset and the flag of more fragments, identification.
                let field = NetBytes.big(UInt16(offset) | (isFirst ? 1 : 0)) + NetBytes.big(UInt32(identification))
                packet = NetBytes.ip(from: source, to: destination, protocol: 44, payload: [6, 0] + field + part)
            }
            try NetSpoof.send(packet: packet, to: destination)
        }
    }

    /// Reads a packet; nil: it holds no TCP segment right behind its IP header.
    init?(packet: ArraySlice<UInt8>) {
        let packet = Array(packet)
        func address6(_ offset: Int) -> IPAddress {
            IPAddress(
                v6High: NetBytes.integer(packet[offset..<(offset + 8)]),
                low: NetBytes.integer(packet[(offset + 8)..<(offset + 16)]))
        }
        let (header, size): (Int, Int)
        if packet.count >= 40, packet[0] >> 4 == 4, packet[9] == 6 {
            (header, size) = (Int(packet[0] & 15) * 4, Int(NetBytes.integer(packet[2..<4]) as UInt16))
            source = IPAddress(v4: NetBytes.integer(packet[12..<16]))
            destination = IPAddress(v4: NetBytes.integer(packet[16..<20]))
        } else if packet.count >= 60, packet[0] >> 4 == 6, packet[6] == 6 {
            (header, size) = (40, 40 + Int(NetBytes.integer(packet[4..<6]) as UInt16))
            (source, destination) = (address6(8), address6(24))
        } else {
            return nil
        }
        guard packet.count >= max(size, header + 20) else { return nil }
        let tcp = Array(packet[header..<size])
        sourcePort = NetBytes.integer(tcp[0..<2])
        destinationPort = NetBytes.integer(tcp[2..<4])
        sequence = NetBytes.integer(tcp[4..<8])
        acknowledgment = NetBytes.integer(tcp[8..<12])
        flags = Flags(rawValue: tcp[13])
        payload = Array(tcp.dropFirst(Int(tcp[12] >> 4) * 4))
    }
}

/// Sees the TCP segments that pass the interfaces of the namespace that its maker was in, both ways.
public final class NetTap: Sendable {
    private let descriptor: Int32

    public init() throws {
        // ETH_P_ALL, in network order; without the link's header.
        descriptor = socket(Int32(AF_PACKET), Int32(SOCK_DGRAM.rawValue | SOCK_NONBLOCK.rawValue), Int32(0x0300))
        guard descriptor >= 0 else { throw NetError.system("open a packet socket", errno) }
        var size: Int32 = 8 << 20
        // As much as any user may have; as much as wanted only for the machine's root.
        setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &size, socklen_t(MemoryLayout<Int32>.size))
    }

    deinit { close(descriptor) }

    /// The segments since the last call, in order.
    public func segments() -> [NetSegment] { packets().compactMap { NetSegment(packet: $0[...]) } }

    /// The packets since the last call, in order, from their network header on.
    func packets() -> [[UInt8]] {
        var packets: [[UInt8]] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 17)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            guard count >= 0 else { return packets }
            packets.append(Array(buffer[..<count]))
        }
    }
}
