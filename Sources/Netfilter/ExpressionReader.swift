// SPDX-License-Identifier: Apache-2.0
import CLibNFTNL
import Glibc

/// Reads the expressions of a rule from libnftnl's form.
enum ExpressionReader {
    static func expressions(of rule: OpaquePointer) -> [KernelExpression] {
        var read: [KernelExpression] = []
        let expressions = nftnl_expr_iter_create(rule)
        defer { nftnl_expr_iter_destroy(expressions) }
        while let expression = nftnl_expr_iter_next(expressions) {
            let name = text(expression, NFTNL_EXPR_NAME)
            read.append(self.read(name, expression) ?? .unknown(name))
        }
        return read
    }

    /// Nil for what Bulkhead never writes.
    private static func read(_ name: String, _ expression: OpaquePointer) -> KernelExpression? {
        switch name {
        case "meta": meta(expression)
        case "ct": connection(expression)
        case "payload": payload(expression)
        case "exthdr": extensionHeader(expression)
        case "cmp": compare(expression)
        case "range": range(expression)
        case "bitwise": bitwise(expression)
        case "lookup": lookUp(expression)
        case "objref": object(expression)
        case "counter": .counter
        case "log": .log(prefix: text(expression, NFTNL_EXPR_LOG_PREFIX))
        case "reject": .reject
        case "immediate": verdict(expression)
        default: nil
        }
    }

    private static func meta(_ expression: OpaquePointer) -> KernelExpression? {
        guard let to = register(expression, NFTNL_EXPR_META_DREG) else { return nil }
        return .meta(number(expression, NFTNL_EXPR_META_KEY), to: to)
    }

    private static func connection(_ expression: OpaquePointer) -> KernelExpression? {
        guard let to = register(expression, NFTNL_EXPR_CT_DREG) else { return nil }
        let direction =
            isSet(expression, NFTNL_EXPR_CT_DIR) ? nftnl_expr_get_u8(expression, UInt16(NFTNL_EXPR_CT_DIR)) : 0
        return .connection(number(expression, NFTNL_EXPR_CT_KEY), direction: direction, to: to)
    }

    private static func payload(_ expression: OpaquePointer) -> KernelExpression? {
        guard let to = register(expression, NFTNL_EXPR_PAYLOAD_DREG) else { return nil }
        return .payload(
            number(expression, NFTNL_EXPR_PAYLOAD_BASE), offset: Int(number(expression, NFTNL_EXPR_PAYLOAD_OFFSET)),
            byteCount: Int(number(expression, NFTNL_EXPR_PAYLOAD_LEN)), to: to)
    }

    private static func extensionHeader(_ expression: OpaquePointer) -> KernelExpression? {
        guard let to = register(expression, NFTNL_EXPR_EXTHDR_DREG),
            number(expression, NFTNL_EXPR_EXTHDR_OP) == NFT_EXTHDR_OP_IPV6.rawValue,
            number(expression, NFTNL_EXPR_EXTHDR_FLAGS) == NFT_EXTHDR_F_PRESENT.rawValue
        else { return nil }
        return .extensionHeader(nftnl_expr_get_u8(expression, UInt16(NFTNL_EXPR_EXTHDR_TYPE)), to: to)
    }

    private static func compare(_ expression: OpaquePointer) -> KernelExpression? {
        guard let from = register(expression, NFTNL_EXPR_CMP_SREG) else { return nil }
        return .compare(
            number(expression, NFTNL_EXPR_CMP_OP), from: from, bytes(expression, NFTNL_EXPR_CMP_DATA))
    }

    private static func range(_ expression: OpaquePointer) -> KernelExpression? {
        guard let from = register(expression, NFTNL_EXPR_RANGE_SREG) else { return nil }
        return .range(
            isOutside: number(expression, NFTNL_EXPR_RANGE_OP) == NFT_RANGE_NEQ.rawValue, from: from,
            bytes(expression, NFTNL_EXPR_RANGE_FROM_DATA), bytes(expression, NFTNL_EXPR_RANGE_TO_DATA))
    }

    /// NFT_BITWISE_MASK_XOR, which older headers call NFT_BITWISE_BOOL.
    private static let maskAndFlip: UInt32 = 0

    private static func bitwise(_ expression: OpaquePointer) -> KernelExpression? {
        guard let from = register(expression, NFTNL_EXPR_BITWISE_SREG),
            let to = register(expression, NFTNL_EXPR_BITWISE_DREG),
            number(expression, NFTNL_EXPR_BITWISE_OP) == maskAndFlip
        else { return nil }
        let (mask, flip) = (bytes(expression, NFTNL_EXPR_BITWISE_MASK), bytes(expression, NFTNL_EXPR_BITWISE_XOR))
        return mask.count == flip.count ? .bitwise(from: from, to: to, mask: mask, flip: flip) : nil
    }

    private static func lookUp(_ expression: OpaquePointer) -> KernelExpression? {
        guard let from = register(expression, NFTNL_EXPR_LOOKUP_SREG) else { return nil }
        let givesVerdict = isSet(expression, NFTNL_EXPR_LOOKUP_DREG)
        guard !givesVerdict || number(expression, NFTNL_EXPR_LOOKUP_DREG) == NFT_REG_VERDICT.rawValue else {
            return nil
        }
        let flags = isSet(expression, NFTNL_EXPR_LOOKUP_FLAGS) ? number(expression, NFTNL_EXPR_LOOKUP_FLAGS) : 0
        return .lookUp(
            text(expression, NFTNL_EXPR_LOOKUP_SET), from: from, isNegated: flags & UInt32(NFT_LOOKUP_F_INV) != 0,
            givesVerdict: givesVerdict)
    }

    private static func object(_ expression: OpaquePointer) -> KernelExpression? {
        guard isSet(expression, NFTNL_EXPR_OBJREF_IMM_NAME) else { return nil }
        return .object(
            number(expression, NFTNL_EXPR_OBJREF_IMM_TYPE), text(expression, NFTNL_EXPR_OBJREF_IMM_NAME))
    }

    private static func verdict(_ expression: OpaquePointer) -> KernelExpression? {
        guard number(expression, NFTNL_EXPR_IMM_DREG) == NFT_REG_VERDICT.rawValue else { return nil }
        let code = Int32(bitPattern: number(expression, NFTNL_EXPR_IMM_VERDICT))
        return ChainVerdict(code: code, chain: text(expression, NFTNL_EXPR_IMM_CHAIN)).map { .verdict($0) }
    }

    // MARK: Attributes

    private static func isSet(_ expression: OpaquePointer, _ attribute: some BinaryInteger) -> Bool {
        nftnl_expr_is_set(expression, UInt16(attribute))
    }

    private static func number(_ expression: OpaquePointer, _ attribute: some BinaryInteger) -> UInt32 {
        nftnl_expr_get_u32(expression, UInt16(attribute))
    }

    private static func text(_ expression: OpaquePointer, _ attribute: some BinaryInteger) -> String {
        nftnl_expr_get_str(expression, UInt16(attribute)).map { String(cString: $0) } ?? ""
    }

    private static func bytes(_ expression: OpaquePointer, _ attribute: some BinaryInteger) -> [UInt8] {
        var length: UInt32 = 0
        guard let data = nftnl_expr_get(expression, UInt16(attribute), &length) else { return [] }
        return Array(UnsafeRawBufferPointer(start: data, count: Int(length)))
    }

    /// Nil: there is none, or it is the one of verdicts.
    private static func register(_ expression: OpaquePointer, _ attribute: some BinaryInteger) -> Int? {
        guard isSet(expression, attribute) else { return nil }
        let number = Int(number(expression, attribute))
        let first32 = Int(NFT_REG32_00.rawValue)
        if (1...4).contains(number) { return (number - 1) * 16 }
        return (first32..<first32 + 16).contains(number) ? (number - first32) * 4 : nil
    }
}
