// SPDX-License-Identifier: Apache-2.0
import CLibNFTNL
import Glibc
import KernelErrors
import NetlinkAttributes

/// Single parts of a table. A packet passes few of them, so that reading these takes much less than the whole table.
extension TableReader {
    private func request<Value>(
        _ message: nf_tables_msg_types, isDump: Bool, _ what: String,
        _ fill: (UnsafeMutablePointer<nlmsghdr>) -> Void,
        _ parse: (UnsafePointer<nlmsghdr>, Attributes) -> Value?
    ) throws(KernelError) -> [Value] {
        try socket.ask(
            UInt16(NFNL_SUBSYS_NFTABLES) << 8 | UInt16(message.rawValue), family: UInt8(table.family.number),
            isDump: isDump, "read \(what) of the table \(table)", request: fill,
            parse: { header, body in parse(header, Attributes(body.dropFirst(MemoryLayout<nfgenmsg>.size))) })
    }

    /// The chains that hooks call, in the order in which each hook does. Nil: there is no table.
    package func baseChains() throws(KernelError) -> [KernelBaseChain]? {
        guard let flags = try flags() else { return nil }
        guard flags & UInt32(NFT_TABLE_F_DORMANT.rawValue) == 0 else { return [] }
        let chains = try request(NFT_MSG_GETCHAIN, isDump: true, "the chains") {
            mnl_attr_put_strz($0, UInt16(NFTA_CHAIN_TABLE.rawValue), table.name)
        } _: { _, attributes in
            baseChain(attributes)
        }
        return chains.sorted { ($0.hook, $0.priority) < ($1.hook, $1.priority) }
    }

    private func baseChain(_ attributes: Attributes) -> KernelBaseChain? {
        var chain = KernelBaseChain(name: "", hook: 0, priority: 0, drops: false, type: "")
        var (isOurs, isHooked) = (false, false)
        for attribute in attributes {
            switch attribute.type {
            case Int(NFTA_CHAIN_TABLE.rawValue): isOurs = attribute.text == table.name
            case Int(NFTA_CHAIN_NAME.rawValue): chain.name = attribute.text
            case Int(NFTA_CHAIN_TYPE.rawValue): chain.type = attribute.text
            case Int(NFTA_CHAIN_POLICY.rawValue): chain.drops = attribute.integer(UInt32.self) == UInt32(NF_DROP)
            case Int(NFTA_CHAIN_HOOK.rawValue):
                isHooked = true
                for part in attribute.nested {
                    if part.type == Int(NFTA_HOOK_HOOKNUM.rawValue) { chain.hook = part.integer() }
                    if part.type == Int(NFTA_HOOK_PRIORITY.rawValue) { chain.priority = part.integer() }
                }
            default: continue
            }
        }
        return isOurs && isHooked ? chain : nil
    }

    /// The rules of one chain, in order.
    package func rules(of chain: String) throws(KernelError) -> [KernelRule] {
        try request(NFT_MSG_GETRULE, isDump: true, "the chain \(chain)") {
            mnl_attr_put_strz($0, UInt16(NFTA_RULE_TABLE.rawValue), table.name)
            mnl_attr_put_strz($0, UInt16(NFTA_RULE_CHAIN.rawValue), chain)
        } _: { header, _ in
            guard let rule = nftnl_rule_alloc() else { return nil }
            defer { nftnl_rule_free(rule) }
            guard nftnl_rule_nlmsg_parse(header, rule) == 0,
                let found = nftnl_rule_get_str(rule, UInt16(NFTNL_RULE_CHAIN)), String(cString: found) == chain
            else { return nil }
            return KernelRule(
                handle: nftnl_rule_get_u64(rule, UInt16(NFTNL_RULE_HANDLE)),
                expressions: ExpressionReader.expressions(of: rule))
        }
    }

    /// How the kernel looks up keys of one set.
    package func set(_ name: String) throws(KernelError) -> KernelSet {
        let found = try request(NFT_MSG_GETSET, isDump: false, "the set \(name)") {
            mnl_attr_put_strz($0, UInt16(NFTA_SET_TABLE.rawValue), table.name)
            mnl_attr_put_strz($0, UInt16(NFTA_SET_NAME.rawValue), name)
        } _: { _, attributes in
            Self.set(attributes)
        }
        guard let set = found.first else { throw .corrupt("the table \(table) has no set \(name)") }
        return set
    }

    private static func set(_ attributes: Attributes) -> KernelSet {
        var (keyBytes, flags) = (UInt32(0), UInt32(0))
        var fields: [Int] = []
        for attribute in attributes {
            switch attribute.type {
            case Int(NFTA_SET_KEY_LEN.rawValue): keyBytes = attribute.integer()
            case Int(NFTA_SET_FLAGS.rawValue): flags = attribute.integer()
            case Int(NFTA_SET_DESC.rawValue):
                for list in attribute.nested where list.type == Int(NFTA_SET_DESC_CONCAT.rawValue) {
                    for field in list.nested {
                        for length in field.nested where length.type == Int(NFTA_SET_FIELD_LEN.rawValue) {
                            fields.append(Int(length.integer(UInt32.self)))
                        }
                    }
                }
            default: continue
            }
        }
        return KernelSet(
            keyBytes: Int(keyBytes), isInterval: flags & UInt32(NFT_SET_INTERVAL.rawValue) != 0, fieldBytes: fields)
    }

    /// All elements of a set.
    func elements(of set: String) throws(KernelError) -> [KernelElement] {
        try request(NFT_MSG_GETSETELEM, isDump: true, "the members of \(set)") {
            ElementWriter.target(set, of: table, $0)
        } _: { _, attributes in
            ElementReader.elements(attributes)
        }.flatMap { $0 }
    }

    /// The element of a set of single keys that the kernel finds for a key.
    func element(of set: String, for key: [UInt8]) throws(KernelError) -> KernelElement? {
        do throws(KernelError) {
            return try request(NFT_MSG_GETSETELEM, isDump: false, "a member of \(set)") {
                var writer = ElementWriter(set, of: table, $0)
                writer.put(SetElement(key: key), withData: false)
                writer.finish()
            } _: { _, attributes in
                ElementReader.elements(attributes)
            }.flatMap { $0 }.first
        } catch .system(_, ENOENT, _) {
            return nil
        }
    }

    /// Sets a named counter to zero.
    package func restartCounter(_ name: String) throws(KernelError) {
        _ = try request(NFT_MSG_GETOBJ_RESET, isDump: false, "and restart the counter \(name)") {
            mnl_attr_put_strz($0, UInt16(NFTA_OBJ_TABLE.rawValue), table.name)
            mnl_attr_put_strz($0, UInt16(NFTA_OBJ_NAME.rawValue), name)
            mnl_attr_put_u32($0, UInt16(NFTA_OBJ_TYPE.rawValue), UInt32(NFT_OBJECT_COUNTER).bigEndian)
        } _: { _, _ in
            true
        }
    }

    /// The bytes that the owner of a named object keeps with it.
    package func mark(of object: String, _ kind: UInt32) throws(KernelError) -> [UInt8] {
        try request(NFT_MSG_GETOBJ, isDump: false, "the object \(object)") {
            mnl_attr_put_strz($0, UInt16(NFTA_OBJ_TABLE.rawValue), table.name)
            mnl_attr_put_strz($0, UInt16(NFTA_OBJ_NAME.rawValue), object)
            mnl_attr_put_u32($0, UInt16(NFTA_OBJ_TYPE.rawValue), kind.bigEndian)
        } _: { _, attributes in
            attributes.first { $0.type == Int(NFTA_OBJ_USERDATA.rawValue) }.flatMap {
                UserData(bytes: Array($0.value.bytes)).value(of: UserData.mark).map { Array($0) }
            }
        }.first ?? []
    }
}
