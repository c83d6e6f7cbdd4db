// SPDX-License-Identifier: Apache-2.0
import NetworkTypes

/// What is in the bytes of a packet, read independently of builder and datapath.
public struct DecodedPacket: Sendable, Hashable {
    public var source: IPAddress
    public var destination: IPAddress
    /// Nil where the transport header cannot be found: a later fragment, a chain of headers that is cut off, ports
    /// that are cut off. "No next header" (59) counts as a protocol without ports.
    public var transport: Transport?
    public var fragment: PacketFragment?
    public var hopLimit: UInt8
    /// Extension headers walked, fragment headers among them.
    public var extensionCount = 0

    public struct Transport: Sendable, Hashable {
        public var ipProtocol: IPProtocol
        /// From the start of the packet, in bytes.
        public var offset: Int
        /// TCP, UDP and SCTP only.
        public var sourcePort: UInt16?
        public var destinationPort: UInt16?
        /// ICMP in IPv4 and ICMPv6 in IPv6 only.
        public var icmpType: UInt8?

        public init(ipProtocol: IPProtocol, offset: Int) {
            self.ipProtocol = ipProtocol
            self.offset = offset
        }
    }

    /// The question that the packet asks, when it is the first of its flow. Nil without transport header.
    public var flow: Flow? {
        transport.map {
            Flow(
                source: source, destination: destination, ipProtocol: $0.ipProtocol,
                destinationPort: $0.destinationPort)
        }
    }

    /// Nil where there is no IP header.
    public init?(_ bytes: [UInt8]) {
        guard let first = bytes.first else { return nil }
        switch first >> 4 {
        case 4: self.init(v4: bytes)
        case 6: self.init(v6: bytes)
        default: return nil
        }
    }

    private init?(v4 bytes: [UInt8]) {
        let headerLength = Int(bytes[0] & 0x0F) * 4
        guard headerLength >= 20, bytes.count >= headerLength, let total = bytes.load16(2),
            Int(total) >= headerLength, let flags = bytes.load16(6), let from = bytes.load32(12),
            let to = bytes.load32(16)
        else { return nil }
        source = IPAddress(v4: from)
        destination = IPAddress(v4: to)
        hopLimit = bytes[8]
        let offset = Int(flags & 0x1FFF) * 8
        if offset > 0 || flags & 0x2000 != 0 { fragment = PacketFragment(offset: offset, more: flags & 0x2000 != 0) }
        guard offset == 0 else { return }
        // What lies behind the stated length is padding of the link, not packet.
        let inside = Array(bytes.prefix(Int(total)))
        transport = Self.transport(inside, IPProtocol(rawValue: bytes[9]), at: headerLength, icmp: .icmp)
    }

    private init?(v6 bytes: [UInt8]) {
        guard bytes.count >= 40, let stated = bytes.load16(4), let sourceHigh = bytes.load64(8),
            let sourceLow = bytes.load64(16), let destinationHigh = bytes.load64(24),
            let destinationLow = bytes.load64(32)
        else { return nil }
        source = IPAddress(v6High: sourceHigh, low: sourceLow)
        destination = IPAddress(v6High: destinationHigh, low: destinationLow)
        hopLimit = bytes[7]
        // A stated length of 0 before a hop-by-hop header is a jumbogram (RFC 2675).
        let isJumbo = stated == 0 && bytes[6] == 0
        let inside = isJumbo ? bytes : Array(bytes.prefix(40 + Int(stated)))
        walk(inside, first: bytes[6])
    }

    /// Along the extension headers that Linux knows as such (RFC 8200 section 4, RFC 4302).
    private mutating func walk(_ bytes: [UInt8], first: UInt8) {
        var next = first
        var offset = 40
        while true {
            switch next {
            case 0, 43, 60:
                guard offset + 2 <= bytes.count else { return }
                let length = (Int(bytes[offset + 1]) + 1) * 8
                next = bytes[offset]
                offset += length
                extensionCount += 1
            case 44:
                guard offset + 8 <= bytes.count, let field = bytes.load16(offset + 2) else { return }
                fragment = PacketFragment(offset: Int(field & 0xFFF8), more: field & 1 == 1)
                guard field & 0xFFF8 == 0 else { return }
                next = bytes[offset]
                offset += 8
                extensionCount += 1
            default:
                transport = Self.transport(bytes, IPProtocol(rawValue: next), at: offset, icmp: .icmpv6)
                return
            }
        }
    }

    private static func transport(
        _ bytes: [UInt8], _ ipProtocol: IPProtocol, at offset: Int, icmp: IPProtocol
    ) -> Transport? {
        guard offset <= bytes.count else { return nil }
        var transport = Transport(ipProtocol: ipProtocol, offset: offset)
        if ipProtocol.hasPorts {
            guard let sourcePort = bytes.load16(offset), let port = bytes.load16(offset + 2) else { return nil }
            transport.sourcePort = sourcePort
            transport.destinationPort = port
        } else if ipProtocol == icmp, offset < bytes.count {
            transport.icmpType = bytes[offset]
        }
        return transport
    }

    /// The bytes without what lies behind the length that the IP header states: so the kernel hands packets on.
    public static func trimmed(_ bytes: [UInt8]) -> [UInt8] {
        guard let first = bytes.first else { return bytes }
        if first >> 4 == 4, let total = bytes.load16(2), Int(total) >= Int(first & 15) * 4 {
            return Array(bytes.prefix(Int(total)))
        }
        if first >> 4 == 6, bytes.count >= 40, let stated = bytes.load16(4), stated != 0 || bytes[6] != 0 {
            return Array(bytes.prefix(40 + Int(stated)))
        }
        return bytes
    }

    /// Whether all checksums that the packet has are right; false too where it has none that can be checked whole.
    public static func checksumsAreRight(_ bytes: [UInt8]) -> Bool {
        guard let packet = DecodedPacket(bytes), let transport = packet.transport, packet.fragment == nil else {
            return false
        }
        if packet.source.family == .ipv4 {
            let header = Array(bytes.prefix(Int(bytes[0] & 0x0F) * 4))
            guard PacketChecksum.internet(header) == 0 else { return false }
        }
        let segment = Array(bytes[transport.offset...])
        // In the other family ICMP and ICMPv6 are protocols like any other, without a checksum that we know.
        if transport.ipProtocol == (packet.source.family == .ipv4 ? .icmpv6 : .icmp) { return true }
        switch transport.ipProtocol {
        case .tcp, .udp, .icmpv6:
            return PacketChecksum.transport(
                segment, transport.ipProtocol, source: packet.source, destination: packet.destination) == 0
        case .icmp: return PacketChecksum.internet(segment) == 0
        case .sctp:
            guard let stored = segment.load32(8) else { return false }
            return PacketChecksum.sctp(Array(segment[..<8]) + [0, 0, 0, 0] + segment[12...]) == stored
        default: return true
        }
    }
}
