// SPDX-License-Identifier: Apache-2.0
import NetworkTypes

/// What comes after the IP header and its extensions.
public enum PacketContent: Sendable, Hashable {
    case tcp(sourcePort: UInt16, destinationPort: UInt16, flags: UInt8, payload: [UInt8])
    case udp(sourcePort: UInt16, destinationPort: UInt16, payload: [UInt8])
    /// `chunks` follow the common header; empty: one INIT chunk.
    case sctp(sourcePort: UInt16, destinationPort: UInt16, chunks: [UInt8])
    /// ICMP in IPv4, ICMPv6 in IPv6. `rest` begins with the four bytes after the checksum.
    case icmp(type: UInt8, code: UInt8, rest: [UInt8])
    case other(IPProtocol, [UInt8])

    /// TCP flags.
    public static let syn: UInt8 = 0x02
    public static let ack: UInt8 = 0x10
}

/// An extension header of IPv6 (RFC 8200). Bodies are padded to the length that the header can state.
public enum PacketExtension: Sendable, Hashable {
    case hopByHop([UInt8])
    case routing([UInt8])
    case destinationOptions([UInt8])
    /// RFC 4302; counts its length in other units than the rest.
    case authentication([UInt8])
    /// A header of any number in the common form of RFC 6564.
    case other(UInt8, [UInt8])

    /// As the header before names it.
    public var number: UInt8 {
        switch self {
        case .hopByHop: 0
        case .routing: 43
        case .destinationOptions: 60
        case .authentication: 51
        case .other(let number, _): number
        }
    }

    func bytes(next: UInt8) -> [UInt8] {
        switch self {
        case .hopByHop(let body), .routing(let body), .destinationOptions(let body), .other(_, let body):
            // Length in units of eight bytes, the first not counted.
            let units = (body.count + 2 + 7) / 8
            return [next, UInt8(units - 1)] + body + Array(repeating: 0, count: units * 8 - 2 - body.count)
        case .authentication(let body):
            // Length in units of four bytes, less two; the whole in multiples of eight.
            let units = (body.count + 2 + 7) / 8 * 2
            return [next, UInt8(units - 2)] + body + Array(repeating: 0, count: units * 4 - 2 - body.count)
        }
    }
}

/// Where a fragment belongs. Offset in bytes, a multiple of eight.
public struct PacketFragment: Sendable, Hashable {
    public var offset: Int
    public var more: Bool
    public init(offset: Int, more: Bool) {
        self.offset = offset
        self.more = more
    }
}

/// One IP packet to be built, from the IP header on, with correct lengths and checksums.
public struct Packet: Sendable, Hashable {
    public var source: IPAddress
    public var destination: IPAddress
    public var content: PacketContent
    public var hopLimit: UInt8 = 64
    public var identification: UInt32 = 1
    /// IPv4 options, at most 40 bytes; padded to a multiple of four. IPv6 has none.
    public var options: [UInt8] = []
    /// IPv6 extension headers in order. IPv4 has none.
    public var extensions: [PacketExtension] = []
    /// Written into the header (IPv4) or a fragment header after the extensions (IPv6). The content is not cut.
    public var fragment: PacketFragment?

    public init(source: IPAddress, destination: IPAddress, content: PacketContent) {
        precondition(source.family == destination.family, "a packet has one family")
        self.source = source
        self.destination = destination
        self.content = content
    }

    /// A first packet of a flow: SYN, INIT, echo request, or a few bytes of another protocol.
    public init(flow: Flow, sourcePort: UInt16 = 40000) {
        let port = flow.destinationPort ?? 0
        let content: PacketContent
        switch (flow.ipProtocol, flow.source.family) {
        case (.tcp, _):
            content = .tcp(sourcePort: sourcePort, destinationPort: port, flags: PacketContent.syn, payload: [])
        case (.udp, _): content = .udp(sourcePort: sourcePort, destinationPort: port, payload: [1, 2, 3, 4])
        case (.sctp, _): content = .sctp(sourcePort: sourcePort, destinationPort: port, chunks: [])
        case (.icmp, .ipv4): content = .icmp(type: 8, code: 0, rest: [0, 1, 0, 1, 9, 9])
        case (.icmpv6, .ipv6): content = .icmp(type: 128, code: 0, rest: [0, 1, 0, 1, 9, 9])
        default: content = .other(flow.ipProtocol, Array(repeating: 0x5A, count: 16))
        }
        self.init(source: flow.source, destination: flow.destination, content: content)
    }

    public var ipProtocol: IPProtocol {
        switch content {
        case .tcp: .tcp
        case .udp: .udp
        case .sctp: .sctp
        case .icmp: source.family == .ipv4 ? .icmp : .icmpv6
        case .other(let ipProtocol, _): ipProtocol
        }
    }

    public var bytes: [UInt8] { header(payload: segment) }
}
