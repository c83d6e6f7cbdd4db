// SPDX-License-Identifier: Apache-2.0
import NetworkTypes

/// A field of a packet, from which sets' keys are built.
package enum Field: Hashable, Sendable {
    case interface
    case source(AddressFamily)
    case destination(AddressFamily)
    case transportProtocol
    case sourcePort
    case destinationPort
    /// Address of an ARP packet's sender.
    case arpSource
    case icmpType
    /// Of IPv6.
    case hopLimit
    case icmpv4Type
    /// The output interface; 0 if the packet is for the node itself.
    case outInterface
    /// Hardware address of an Ethernet frame's sender.
    case hardwareSource
    case mark
    /// The mark of the packet's connection.
    case connectionMark
    /// The address to which the packet's route sends it: a router's, or the destination itself. Only after routing.
    case nextHop(AddressFamily)
    /// The source of the first packet of the packet's connection, or of the first reply.
    case connectionSource(AddressFamily, isReply: Bool = false)
    /// The value of `ct id` for the packet's connection.
    case connectionID
    /// A part of the packet that has no case of its own.
    case part(PacketPart)

    /// Bytes of the value itself; in a key of several fields each is padded to a multiple of four.
    package var byteCount: Int {
        switch self {
        case .interface, .outInterface, .mark, .connectionMark, .arpSource, .connectionID: 4
        case .source(let family), .destination(let family), .connectionSource(let family, _), .nextHop(let family):
            family.bitWidth / 8
        case .hardwareSource: 6
        case .transportProtocol, .icmpType, .icmpv4Type, .hopLimit: 1
        case .sourcePort, .destinationPort: 2
        case .part(let part): part.byteCount
        }
    }

    /// A rule that reads this field must match this family first.
    package var family: AddressFamily? {
        switch self {
        case .source(let family), .destination(let family), .nextHop(let family): family
        default: nil
        }
    }
}

/// A part of a packet: where it is, how long it is, and how `nft` writes it.
package struct PacketPart: Hashable, Sendable {
    package enum Header: Hashable, Sendable { case link, network, transport }

    /// `nft`'s type of the value.
    package enum Kind: Hashable, Sendable { case integer, hardwareAddress }

    package var header: Header
    /// Bytes from the start of the header.
    package var offset: Int
    package var byteCount: Int
    package var kind: Kind
    /// In `nft`'s language.
    package var text: String

    package init(_ text: String, _ header: Header, at offset: Int, byteCount: Int, kind: Kind = .integer) {
        self.text = text
        self.header = header
        self.offset = offset
        self.byteCount = byteCount
        self.kind = kind
    }

    /// A value in `nft`'s language.
    func text(_ bytes: some Collection<UInt8>) -> String {
        let digits = bytes.map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }
        return digits.joined(separator: byteCount == 6 ? ":" : "")
    }
}
