// SPDX-License-Identifier: Apache-2.0
import CLibNFTNL
import Datapath
import Netfilter
import NetlinkAttributes
import NetworkTypes
import PolicyModel

/// A packet as nflog reports it.
package struct LoggedPacket: Hashable, Sendable {
    package var mark: EventMark
    /// The input interface; 0 for none.
    package var interfaceIndex: UInt32
    /// The input bridge port; the interface itself if there is none.
    package var portIndex: UInt32
    /// The output bridge port; the interface itself if there is none, 0 for neither.
    package var outPortIndex: UInt32
    package var flow: Flow
    package var sourcePort: UInt16
    /// What an ICMP message says; nil for other protocols.
    package var icmp: ICMPMessage?
    /// When the packet arrived, in nanoseconds since 1970; nil if the kernel does not say (before Linux 5.18, and for
    /// what the node itself sends).
    package var time: Int64?
    /// Counts the messages of the group.
    package var number: UInt32?

    /// Bytes of a packet that are reported.
    static let byteLimit = 128

    /// Reads what follows the netlink header; nil if it is not one of Bulkhead's messages.
    package init?(_ body: UnsafeRawBufferPointer) {
        var prefix = ""
        var packet: UnsafeRawBufferPointer?
        var index: UInt32 = 0
        var port: UInt32?
        var (outIndex, outPort): (UInt32, UInt32?) = (0, nil)
        var moment: (seconds: UInt64, microseconds: UInt64)?
        for attribute in Attributes(body.dropFirst(MemoryLayout<nfgenmsg>.size)) {
            switch attribute.type {
            case Int(NFULA_PREFIX.rawValue): prefix = attribute.text
            case Int(NFULA_PAYLOAD.rawValue): packet = attribute.value.bytes
            case Int(NFULA_IFINDEX_INDEV.rawValue): index = attribute.integer()
            case Int(NFULA_IFINDEX_PHYSINDEV.rawValue): port = attribute.integer()
            case Int(NFULA_IFINDEX_OUTDEV.rawValue): outIndex = attribute.integer()
            case Int(NFULA_IFINDEX_PHYSOUTDEV.rawValue): outPort = attribute.integer()
            case Int(NFULA_TIMESTAMP.rawValue) where attribute.value.bytes.count >= 16:
                // struct nfulnl_msg_packet_timestamp
                let bytes = attribute.value.bytes
                moment = (
                    UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)),
                    UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
                )
            case Int(NFULA_SEQ.rawValue): number = attribute.integer(UInt32.self)
            default: continue
            }
        }
        guard let mark = EventMark(prefix: prefix), let packet, let header = PacketHeader(Array(packet)) else {
            return nil
        }
        self.mark = mark
        interfaceIndex = index
        portIndex = port ?? index
        outPortIndex = outPort ?? outIndex
        flow = header.flow
        sourcePort = header.sourcePort
        icmp = header.icmp
        time = moment.flatMap { moment in
            // Not a number that a broken clock makes overflow.
            guard moment.seconds < 1 << 33, moment.microseconds < 1_000_000 else { return nil }
            return Int64(moment.seconds) * 1_000_000_000 + Int64(moment.microseconds) * 1000
        }
    }
}

/// Addresses, protocol and ports of an IP packet.
struct PacketHeader {
    var flow: Flow
    var sourcePort: UInt16 = 0
    var icmp: ICMPMessage?

    /// Nil for bytes that are not an IP packet.
    init?(_ bytes: [UInt8]) {
        func address(_ range: Range<Int>) -> IPAddress? {
            range.upperBound <= bytes.count ? IPAddress(networkBytes: bytes[range]) : nil
        }
        let transport: (number: UInt8, offset: Int)?
        let source: IPAddress?
        let destination: IPAddress?
        switch bytes.first.map({ $0 >> 4 }) {
        case 4:
            guard bytes.count >= 20 else { return nil }
            transport = (bytes[9], Int(bytes[0] & 15) * 4)
            (source, destination) = (address(12..<16), address(16..<20))
        case 6:
            guard bytes.count >= 40 else { return nil }
            transport = Self.transport(bytes)
            (source, destination) = (address(8..<24), address(24..<40))
        default: return nil
        }
        guard let source, let destination else { return nil }
        var port: UInt16?
        let number = IPProtocol(rawValue: transport?.number ?? bytes[6])
        if let transport, number.hasPorts, transport.offset + 4 <= bytes.count {
            let ports = bytes[transport.offset..<transport.offset + 4].map { UInt16($0) }
            sourcePort = ports[0] << 8 | ports[1]
            port = ports[2] << 8 | ports[3]
        } else if let transport, number == .icmp || number == .icmpv6, transport.offset + 2 <= bytes.count {
            icmp = ICMPMessage(type: bytes[transport.offset], code: bytes[transport.offset + 1])
        }
        flow = Flow(source: source, destination: destination, ipProtocol: number, destinationPort: port)
    }

    /// Walks IPv6 extension headers (RFC 8200, RFC 4302); each step advances by at least eight bytes. Nil if not found.
    private static func transport(_ bytes: [UInt8]) -> (number: UInt8, offset: Int)? {
        var number = bytes[6]
        var offset = 40
        while offset + 2 <= bytes.count {
            switch number {
            case 0, 43, 60, 135, 139, 140: (number, offset) = (bytes[offset], offset + (Int(bytes[offset + 1]) + 1) * 8)
            case 44: (number, offset) = (bytes[offset], offset + 8)
            case 51: (number, offset) = (bytes[offset], offset + (Int(bytes[offset + 1]) + 2) * 4)
            default: return (number, offset)
            }
        }
        return nil
    }
}
