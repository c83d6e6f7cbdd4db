// SPDX-License-Identifier: Apache-2.0
import Netfilter

/// The parts that only bridged frames are checked for.
extension Field {
    static let hardwareDestination = part(
        PacketPart("ether daddr", .link, at: 0, byteCount: 6, kind: .hardwareAddress))
    /// Hardware address of an ARP packet's sender (RFC 826).
    static let arpHardware = part(
        PacketPart("arp saddr ether", .network, at: 8, byteCount: 6, kind: .hardwareAddress))
    /// Version and length of an IPv4 header, one byte.
    static let internetHeader = part(PacketPart("@nh,0,8", .network, at: 0, byteCount: 1))
    /// Bytes after the fixed IPv6 header.
    static let payloadLength = part(PacketPart("ip6 length", .network, at: 4, byteCount: 2))
    /// Protocol number in the fixed IPv6 header: that of an extension header, if there is one.
    static let nextHeader = part(PacketPart("ip6 nexthdr", .network, at: 6, byteCount: 1))
    /// Target address of a neighbor solicitation or advertisement (RFC 4861, 4.3 and 4.4).
    static let discoveryTarget = part(PacketPart("@th,64,128", .transport, at: 8, byteCount: 16))
    /// Type and length of its first option.
    static let discoveryOption = part(PacketPart("@th,192,16", .transport, at: 24, byteCount: 2))
    /// The hardware address in that.
    static let discoveryHardware = part(PacketPart("@th,208,48", .transport, at: 26, byteCount: 6))
    /// Type and length of a router solicitation's first option (RFC 4861, 4.1).
    static let routerOption = part(PacketPart("@th,64,16", .transport, at: 8, byteCount: 2))
    /// The hardware address in that.
    static let routerHardware = part(PacketPart("@th,80,48", .transport, at: 10, byteCount: 6))
}
