// SPDX-License-Identifier: Apache-2.0
import CLibNFTNL
import Glibc
import NetworkTypes

/// Turns the terms of a rule into the kernel's expressions, in the form that `nft` writes, so that `nft` can list them.
struct Expressions {
    private let rule: OpaquePointer
    private let family: TableIdentity.Family
    static let register = UInt32(NFT_REG_1.rawValue)

    init(_ rule: OpaquePointer, in family: TableIdentity.Family) {
        self.rule = rule
        self.family = family
    }

    func append(_ term: Term) {
        switch term {
        case .family(let family): isEqual(NFT_META_NFPROTO, UInt8(family == .ipv4 ? NFPROTO_IPV4 : NFPROTO_IPV6))
        case .connectionState(let state): connectionBits(NFT_CT_STATE, state.rawValue, areSet: true)
        case .replyDirection, .originalDirection:
            connection(NFT_CT_DIRECTION, 0)
            compare(NFT_CMP_EQ, [term == .replyDirection ? 1 : 0])
        case .destinationNAT(let isDone): connectionBits(NFT_CT_STATUS, UInt32(IPS_DST_NAT.rawValue), areSet: isDone)
        case .unconfirmed: connectionBits(NFT_CT_STATUS, UInt32(IPS_CONFIRMED.rawValue), areSet: false)
        case .toOwnNode: compare(NFT_CMP_EQ, whole: .outInterface, [0, 0, 0, 0])
        case .portMark(let isThere): portMark(isThere)
        case .headerWords(let count): networkByte(0, mask: 0x0f, NFT_CMP_GT, count)
        case .sourceRouteByte(let offset): networkByte(20 + offset, mask: 0xf5, NFT_CMP_EQ, 0x81)
        case .routingHeader: isThere(UInt8(IPPROTO_ROUTING))
        case .transportProtocol(let number): isEqual(NFT_META_L4PROTO, number.rawValue)
        case .destinationPort(let range): destinationPort(range)
        case .hasDestinationPort: compare(NFT_CMP_GTE, whole: .destinationPort, [0, 0])
        case .member(let fields, let set, let negated):
            lookUp(fields, set, flags: negated ? UInt32(NFT_LOOKUP_F_INV) : 0)
        case .dispatch(let fields, let map): lookUp(fields, map, toVerdict: true)
        case .within(let field, let prefix): compare(NFT_CMP_EQ, field, prefix)
        case .outside(let field, let prefix): compare(NFT_CMP_NEQ, field, prefix)
        case .etherType(let type):
            payload(NFT_PAYLOAD_LL_HEADER, 12, 2, 0)
            compare(NFT_CMP_EQ, [UInt8(type >> 8), UInt8(type & 255)])
        case .masked(let field, let mask, let value):
            load(field, 0)
            if !mask.allSatisfy({ $0 == 0xff }) { bitwise(mask) }
            compare(NFT_CMP_EQ, value)
        case .differs(let field, let value): compare(NFT_CMP_NEQ, whole: field, value)
        case .setMark(let mark): set(mark: mark)
        case .setMarkBits(let owner, let mask, let value): setBits(owner, mask, value)
        case .write(let part, let value): write(part, value)
        case .acceptForHost: acceptForHost()
        case .transparentSocket: transparentSocket()
        case .redirectToProxy(let address, let port): redirect(address, port)
        case .limit(let name): object(UInt32(NFT_OBJECT_LIMIT), name)
        case .count(let name): object(UInt32(NFT_OBJECT_COUNTER), name)
        case .log(let prefix, let group): log(prefix, group)
        case .resetTCP: reject(NFT_REJECT_TCP_RST, code: 0)
        case .rejectProhibited:
            reject(NFT_REJECT_ICMPX_UNREACH, code: UInt8(NFT_REJECT_ICMPX_ADMIN_PROHIBITED.rawValue))
        case .verdict(let verdict): immediate(verdict)
        }
    }

    private func compare(_ comparison: nft_cmp_ops, whole field: Field, _ value: [UInt8]) {
        load(field, 0)
        compare(comparison, value)
    }

    private func isEqual(_ key: nft_meta_keys, _ value: UInt8) {
        meta(key, 0)
        compare(NFT_CMP_EQ, [value])
    }

    private func connectionBits(_ key: nft_ct_keys, _ bits: UInt32, areSet: Bool) {
        connection(key, 0)
        bitwise(Self.bytes(bits))
        compare(areSet ? NFT_CMP_NEQ : NFT_CMP_EQ, [0, 0, 0, 0])
    }

    private func portMark(_ isThere: Bool) {
        load(.mark, 0)
        bitwise(Self.bytes(PortMark.mask))
        compare(isThere ? NFT_CMP_EQ : NFT_CMP_NEQ, Self.bytes(PortMark.base))
    }

    /// Compares bits of one byte of the network header.
    private func networkByte(_ offset: Int, mask: UInt8, _ operation: nft_cmp_ops, _ value: UInt8) {
        payload(NFT_PAYLOAD_NETWORK_HEADER, UInt32(offset), 1, 0)
        bitwise([mask])
        compare(operation, [value])
    }

    private func compare(_ operation: nft_cmp_ops, _ field: Field, _ prefix: CIDR) {
        load(field, 0)
        let length = Int(prefix.prefixLength)
        if !prefix.isHost { bitwise(prefix.network.filled(from: 0).masked(to: length).networkBytes) }
        compare(operation, prefix.network.networkBytes)
    }

    func expression(_ name: String, _ fill: (OpaquePointer) -> Void) {
        guard let expression = nftnl_expr_alloc(name) else { fatalError("libnftnl lacks the expression \(name)") }
        fill(expression)
        nftnl_rule_add_expr(rule, expression)
    }

    /// The register of the `slot`-th four bytes, as the kernel names it when it lists rules.
    func register(_ slot: Int) -> UInt32 {
        slot % 4 == 0 ? Self.register + UInt32(slot / 4) : UInt32(NFT_REG32_00.rawValue) + UInt32(slot)
    }

    func meta(_ key: nft_meta_keys, _ slot: Int) {
        expression("meta") {
            nftnl_expr_set_u32($0, UInt16(NFTNL_EXPR_META_KEY), key.rawValue)
            nftnl_expr_set_u32($0, UInt16(NFTNL_EXPR_META_DREG), register(slot))
        }
    }

    private func payload(_ base: nft_payload_bases, _ offset: UInt32, _ length: Int, _ slot: Int) {
        expression("payload") {
            nftnl_expr_set_u32($0, UInt16(NFTNL_EXPR_PAYLOAD_BASE), base.rawValue)
            nftnl_expr_set_u32($0, UInt16(NFTNL_EXPR_PAYLOAD_OFFSET), offset)
            nftnl_expr_set_u32($0, UInt16(NFTNL_EXPR_PAYLOAD_LEN), UInt32(length))
            nftnl_expr_set_u32($0, UInt16(NFTNL_EXPR_PAYLOAD_DREG), register(slot))
        }
    }

    /// Offsets: RFC 791, RFC 8200; ports come first in TCP, UDP and SCTP.
    func load(_ field: Field, _ slot: Int) {
        switch field {
        case .interface: meta(NFT_META_IIF, slot)
        case .outInterface: meta(NFT_META_OIF, slot)
        case .mark: meta(NFT_META_MARK, slot)
        case .connectionMark: connection(NFT_CT_MARK, slot)
        case .nextHop(let family): nextHop(family, slot)
        // IEEE 802.3: after the receiver's.
        case .hardwareSource: payload(NFT_PAYLOAD_LL_HEADER, 6, field.byteCount, slot)
        case .connectionSource(let family, let isReply):
            connection(family == .ipv4 ? NFT_CT_SRC_IP : NFT_CT_SRC_IP6, slot, direction: isReply ? 1 : 0)
        case .connectionID: connection(NFT_CT_ID, slot)
        case .source(let family):
            payload(NFT_PAYLOAD_NETWORK_HEADER, family == .ipv4 ? 12 : 8, field.byteCount, slot)
        case .destination(let family):
            payload(NFT_PAYLOAD_NETWORK_HEADER, family == .ipv4 ? 16 : 24, field.byteCount, slot)
        case .transportProtocol: meta(NFT_META_L4PROTO, slot)
        case .sourcePort: payload(NFT_PAYLOAD_TRANSPORT_HEADER, 0, field.byteCount, slot)
        case .destinationPort: payload(NFT_PAYLOAD_TRANSPORT_HEADER, 2, field.byteCount, slot)
        // RFC 826: after types, lengths, operation and a hardware address of six bytes.
        case .arpSource: payload(NFT_PAYLOAD_NETWORK_HEADER, 14, field.byteCount, slot)
        case .hopLimit: payload(NFT_PAYLOAD_NETWORK_HEADER, 7, field.byteCount, slot)
        case .icmpType, .icmpv4Type: payload(NFT_PAYLOAD_TRANSPORT_HEADER, 0, field.byteCount, slot)
        case .part(let part): payload(part.header.base, UInt32(part.offset), part.byteCount, slot)
        }
    }

    func compare(_ operation: nft_cmp_ops, _ bytes: [UInt8]) {
        expression("cmp") {
            nftnl_expr_set_u32($0, UInt16(NFTNL_EXPR_CMP_SREG), Self.register)
            nftnl_expr_set_u32($0, UInt16(NFTNL_EXPR_CMP_OP), operation.rawValue)
            nftnl_expr_set($0, UInt16(NFTNL_EXPR_CMP_DATA), bytes, UInt32(bytes.count))
        }
    }

    private func destinationPort(_ range: PortRange) {
        func bytes(_ port: UInt16) -> [UInt8] { [UInt8(port >> 8), UInt8(port & 255)] }
        load(.destinationPort, 0)
        guard range.first != range.last else { return compare(NFT_CMP_EQ, bytes(range.first)) }
        compare(NFT_CMP_GTE, bytes(range.first))
        compare(NFT_CMP_LTE, bytes(range.last))
    }

    static func bytes(_ number: UInt32) -> [UInt8] { withUnsafeBytes(of: number) { Array($0) } }

    func connection(_ key: nft_ct_keys, _ slot: Int, direction: UInt8? = nil) {
        expression("ct") {
            nftnl_expr_set_u32($0, UInt16(NFTNL_EXPR_CT_KEY), key.rawValue)
            nftnl_expr_set_u32($0, UInt16(NFTNL_EXPR_CT_DREG), register(slot))
            if let direction { nftnl_expr_set_u8($0, UInt16(NFTNL_EXPR_CT_DIR), direction) }
        }
    }

    /// Whether the packet has an IPv6 extension header of a type.
    private func isThere(_ type: UInt8) {
        expression("exthdr") {
            nftnl_expr_set_u32($0, UInt16(NFTNL_EXPR_EXTHDR_DREG), Self.register)
            nftnl_expr_set_u8($0, UInt16(NFTNL_EXPR_EXTHDR_TYPE), type)
            nftnl_expr_set_u32($0, UInt16(NFTNL_EXPR_EXTHDR_OFFSET), 0)
            nftnl_expr_set_u32($0, UInt16(NFTNL_EXPR_EXTHDR_LEN), 1)
            nftnl_expr_set_u32($0, UInt16(NFTNL_EXPR_EXTHDR_FLAGS), UInt32(NFT_EXTHDR_F_PRESENT.rawValue))
            nftnl_expr_set_u32($0, UInt16(NFTNL_EXPR_EXTHDR_OP), NFT_EXTHDR_OP_IPV6.rawValue)
        }
        compare(NFT_CMP_EQ, [1])
    }

    /// Keeps the bits under `mask`, then turns over those of `flip`.
    func bitwise(_ mask: [UInt8], flip: [UInt8]? = nil) {
        let size = UInt32(mask.count)
        let flip = flip ?? [UInt8](repeating: 0, count: mask.count)
        expression("bitwise") { expression in
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_BITWISE_SREG), Self.register)
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_BITWISE_DREG), Self.register)
            nftnl_expr_set_u32(expression, UInt16(NFTNL_EXPR_BITWISE_LEN), size)
            nftnl_expr_set(expression, UInt16(NFTNL_EXPR_BITWISE_MASK), mask, size)
            nftnl_expr_set(expression, UInt16(NFTNL_EXPR_BITWISE_XOR), flip, size)
        }
    }

    private func lookUp(_ fields: [Field], _ set: String, flags: UInt32 = 0, toVerdict: Bool = false) {
        if family == .inet, fields.contains(.hardwareSource) {
            // Packets of other interfaces have no such header; ARPHRD_ETHER. Bridged frames all have it.
            meta(NFT_META_IFTYPE, 0)
            compare(NFT_CMP_EQ, withUnsafeBytes(of: UInt16(1)) { Array($0) })
        }
        var slot = 0
        for field in fields {
            load(field, slot)
            slot += (field.byteCount + 3) / 4
        }
        expression("lookup") {
            nftnl_expr_set_u32($0, UInt16(NFTNL_EXPR_LOOKUP_SREG), Self.register)
            nftnl_expr_set_str($0, UInt16(NFTNL_EXPR_LOOKUP_SET), set)
            nftnl_expr_set_u32($0, UInt16(NFTNL_EXPR_LOOKUP_FLAGS), flags)
            if toVerdict { nftnl_expr_set_u32($0, UInt16(NFTNL_EXPR_LOOKUP_DREG), NFT_REG_VERDICT.rawValue) }
        }
    }

    private func object(_ type: UInt32, _ name: String) {
        expression("objref") {
            nftnl_expr_set_u32($0, UInt16(NFTNL_EXPR_OBJREF_IMM_TYPE), type)
            nftnl_expr_set_str($0, UInt16(NFTNL_EXPR_OBJREF_IMM_NAME), name)
        }
    }

    /// Bytes of a dropped packet that are reported: IPv6 with some extension headers and the ports.
    private static let loggedBytes: UInt32 = 128

    private func log(_ prefix: String, _ group: UInt16) {
        expression("log") {
            nftnl_expr_set_str($0, UInt16(NFTNL_EXPR_LOG_PREFIX), prefix)
            nftnl_expr_set_u16($0, UInt16(NFTNL_EXPR_LOG_GROUP), group)
            nftnl_expr_set_u32($0, UInt16(NFTNL_EXPR_LOG_SNAPLEN), Self.loggedBytes)
        }
    }

    private func reject(_ type: nft_reject_types, code: UInt8) {
        expression("reject") {
            nftnl_expr_set_u32($0, UInt16(NFTNL_EXPR_REJECT_TYPE), type.rawValue)
            nftnl_expr_set_u8($0, UInt16(NFTNL_EXPR_REJECT_CODE), code)
        }
    }

    private func immediate(_ verdict: ChainVerdict) {
        expression("immediate") {
            nftnl_expr_set_u32($0, UInt16(NFTNL_EXPR_IMM_DREG), NFT_REG_VERDICT.rawValue)
            nftnl_expr_set_u32($0, UInt16(NFTNL_EXPR_IMM_VERDICT), UInt32(bitPattern: verdict.code))
            if let chain = verdict.chain { nftnl_expr_set_str($0, UInt16(NFTNL_EXPR_IMM_CHAIN), chain) }
        }
    }
}

extension PacketPart.Header {
    var base: nft_payload_bases {
        switch self {
        case .link: NFT_PAYLOAD_LL_HEADER
        case .network: NFT_PAYLOAD_NETWORK_HEADER
        case .transport: NFT_PAYLOAD_TRANSPORT_HEADER
        }
    }
}

extension ChainVerdict {
    /// The kernel's number of the verdict (linux/netfilter.h, enum nft_verdicts).
    var code: Int32 {
        switch self {
        case .accept: NF_ACCEPT
        case .drop: NF_DROP
        case .leave: NFT_RETURN.rawValue
        case .jump: NFT_JUMP.rawValue
        case .go: NFT_GOTO.rawValue
        }
    }

    /// Nil for verdicts that Bulkhead never writes.
    init?(code: Int32, chain: String) {
        switch code {
        case NF_ACCEPT: self = .accept
        case NF_DROP: self = .drop
        case NFT_RETURN.rawValue: self = .leave
        case NFT_JUMP.rawValue: self = .jump(chain)
        case NFT_GOTO.rawValue: self = .go(chain)
        default: return nil
        }
    }
}
