// SPDX-License-Identifier: Apache-2.0
import CLibNFTNL
import CLinuxShim

/// What bridged frames alone are looked at for.
package enum FramePart: Hashable, Sendable {
    case outInterface
    case hardwareSource
    case hardwareDestination
    /// Hardware address of an ARP packet's sender (RFC 826).
    case arpHardware
    case mark
    /// Version and length of an IPv4 header, one byte.
    case internetHeader
    /// Protocol number in the fixed IPv6 header: of an extension header, where there is one.
    case nextHeader
    /// Bytes behind the fixed IPv6 header.
    case payloadLength
    /// Target address of a neighbour solicitation or advertisement (RFC 4861, 4.3 and 4.4).
    case discoveryTarget
    /// Type and length of its first option.
    case discoveryOption
    /// The hardware address in that.
    case discoveryHardware
    /// Type and length of a router solicitation's first option (RFC 4861, 4.1).
    case routerOption
    /// The hardware address in that.
    case routerHardware

    var byteCount: Int {
        switch self {
        case .outInterface, .mark: 4
        case .hardwareSource, .hardwareDestination, .arpHardware, .discoveryHardware, .routerHardware: 6
        case .internetHeader, .nextHeader: 1
        case .payloadLength, .discoveryOption, .routerOption: 2
        case .discoveryTarget: 16
        }
    }

    enum Place {
        case meta(nft_meta_keys)
        case header(nft_payload_bases, UInt32)
    }

    var place: Place {
        switch self {
        case .outInterface: .meta(NFT_META_OIF)
        case .mark: .meta(NFT_META_MARK)
        case .hardwareDestination: .header(NFT_PAYLOAD_LL_HEADER, 0)
        case .hardwareSource: .header(NFT_PAYLOAD_LL_HEADER, 6)
        case .arpHardware: .header(NFT_PAYLOAD_NETWORK_HEADER, 8)
        case .internetHeader: .header(NFT_PAYLOAD_NETWORK_HEADER, 0)
        case .payloadLength: .header(NFT_PAYLOAD_NETWORK_HEADER, 4)
        case .nextHeader: .header(NFT_PAYLOAD_NETWORK_HEADER, 6)
        case .discoveryTarget, .routerOption: .header(NFT_PAYLOAD_TRANSPORT_HEADER, 8)
        case .routerHardware: .header(NFT_PAYLOAD_TRANSPORT_HEADER, 10)
        case .discoveryOption: .header(NFT_PAYLOAD_TRANSPORT_HEADER, 24)
        case .discoveryHardware: .header(NFT_PAYLOAD_TRANSPORT_HEADER, 26)
        }
    }

    /// `nft`'s number of the type (its enum datatypes).
    var typeNumber: UInt32 {
        switch self {
        case .outInterface: 20
        case .hardwareSource, .hardwareDestination, .arpHardware: 9
        case .mark: 19
        default: 5
        }
    }

    var typeName: String {
        switch typeNumber {
        case 20: "iface_index"
        case 9: "ether_addr"
        case 19: "mark"
        default: "integer"
        }
    }

    /// In `nft`'s language.
    var text: String {
        switch self {
        case .outInterface: "oif"
        case .hardwareSource: "ether saddr"
        case .hardwareDestination: "ether daddr"
        case .arpHardware: "arp saddr ether"
        case .mark: "meta mark"
        case .internetHeader: "@nh,0,8"
        case .nextHeader: "ip6 nexthdr"
        case .payloadLength: "ip6 length"
        case .discoveryTarget: "@th,64,128"
        case .discoveryOption: "@th,192,16"
        case .discoveryHardware: "@th,208,48"
        case .routerOption: "@th,64,16"
        case .routerHardware: "@th,80,48"
        }
    }

    /// A value in `nft`'s language.
    func text(_ bytes: some Collection<UInt8>) -> String {
        let digits = bytes.map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }
        return digits.joined(separator: byteCount == 6 ? ":" : "")
    }
}
