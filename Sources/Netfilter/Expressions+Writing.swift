// SPDX-License-Identifier: Apache-2.0
import CLibNFTNL
import Glibc
import NetworkTypes

/// Statements that change a packet, its connection's mark, or the socket that receives it.
extension Expressions {
    func set(mark: UInt32) {
        load(Self.bytes(mark), into: Self.register)
        setMeta(NFT_META_MARK)
    }

    /// `value` takes the place of the bits under `mask`; all others stay.
    func setBits(_ owner: MarkOwner, _ mask: UInt32, _ value: UInt32) {
        switch owner {
        case .packet: meta(NFT_META_MARK, 0)
        case .connection: connection(NFT_CT_MARK, 0)
        }
        bitwise(Self.bytes(~mask), flip: Self.bytes(value))
        switch owner {
        case .packet: setMeta(NFT_META_MARK)
        case .connection:
            expression("ct") {
                nftnl_expr_set_u32($0, UInt16(NFTNL_EXPR_CT_KEY), NFT_CT_MARK.rawValue)
                nftnl_expr_set_u32($0, UInt16(NFTNL_EXPR_CT_SREG), Self.register)
            }
        }
    }

    /// Writes bytes of a header that no checksum covers.
    func write(_ part: PacketPart, _ value: [UInt8]) {
        load(value, into: Self.register)
        expression("payload") {
            nftnl_expr_set_u32($0, UInt16(NFTNL_EXPR_PAYLOAD_BASE), part.header.base.rawValue)
            nftnl_expr_set_u32($0, UInt16(NFTNL_EXPR_PAYLOAD_OFFSET), UInt32(part.offset))
            nftnl_expr_set_u32($0, UInt16(NFTNL_EXPR_PAYLOAD_LEN), UInt32(part.byteCount))
            nftnl_expr_set_u32($0, UInt16(NFTNL_EXPR_PAYLOAD_SREG), Self.register)
        }
    }

    func acceptForHost() {
        // PACKET_HOST (linux/if_packet.h).
        load([0], into: Self.register)
        setMeta(NFT_META_PKTTYPE)
    }

    func transparentSocket() {
        expression("socket") {
            nftnl_expr_set_u32($0, UInt16(NFTNL_EXPR_SOCKET_KEY), NFT_SOCKET_TRANSPARENT.rawValue)
            nftnl_expr_set_u32($0, UInt16(NFTNL_EXPR_SOCKET_DREG), Self.register)
        }
        compare(NFT_CMP_EQ, [1])
    }

    func redirect(_ address: IPAddress, _ port: UInt16) {
        let portRegister = Self.register + 1
        load(address.networkBytes, into: Self.register)
        load([UInt8(port >> 8), UInt8(port & 255)], into: portRegister)
        let family = address.family == .ipv4 ? NFPROTO_IPV4 : NFPROTO_IPV6
        expression("tproxy") {
            nftnl_expr_set_u32($0, UInt16(NFTNL_EXPR_TPROXY_FAMILY), UInt32(family))
            nftnl_expr_set_u32($0, UInt16(NFTNL_EXPR_TPROXY_REG_ADDR), Self.register)
            nftnl_expr_set_u32($0, UInt16(NFTNL_EXPR_TPROXY_REG_PORT), portRegister)
        }
    }

    func nextHop(_ family: AddressFamily, _ slot: Int) {
        expression("rt") {
            let key = family == .ipv4 ? NFT_RT_NEXTHOP4 : NFT_RT_NEXTHOP6
            nftnl_expr_set_u32($0, UInt16(NFTNL_EXPR_RT_KEY), key.rawValue)
            nftnl_expr_set_u32($0, UInt16(NFTNL_EXPR_RT_DREG), register(slot))
        }
    }

    private func setMeta(_ key: nft_meta_keys) {
        expression("meta") {
            nftnl_expr_set_u32($0, UInt16(NFTNL_EXPR_META_KEY), key.rawValue)
            nftnl_expr_set_u32($0, UInt16(NFTNL_EXPR_META_SREG), Self.register)
        }
    }

    private func load(_ bytes: [UInt8], into register: UInt32) {
        expression("immediate") {
            nftnl_expr_set_u32($0, UInt16(NFTNL_EXPR_IMM_DREG), register)
            nftnl_expr_set($0, UInt16(NFTNL_EXPR_IMM_DATA), bytes, UInt32(bytes.count))
        }
    }
}
