// SPDX-License-Identifier: Apache-2.0
import CLibNFTNL
import Glibc

extension Batch {
    private static let create = NLM_F_CREATE

    mutating func addTable() {
        append(NFT_MSG_NEWTABLE, Self.create, "add the table") { header, table in
            let new = nftnl_table_alloc()
            defer { nftnl_table_free(new) }
            nftnl_table_set_str(new, UInt16(NFTNL_TABLE_NAME), table.name)
            UserData.comment(table.comment).store { nftnl_table_set_data(new, UInt16(NFTNL_TABLE_USERDATA), $0, $1) }
            nftnl_table_nlmsg_build_payload(header, new)
        }
    }

    mutating func add(_ object: TableObject) {
        append(NFT_MSG_NEWOBJ, Self.create, "add the object \(object.name)") { header, table in
            let new = nftnl_obj_alloc()
            defer { nftnl_obj_free(new) }
            nftnl_obj_set_str(new, UInt16(NFTNL_OBJ_TABLE), table.name)
            nftnl_obj_set_str(new, UInt16(NFTNL_OBJ_NAME), object.name)
            nftnl_obj_set_u32(new, UInt16(NFTNL_OBJ_TYPE), object.kind.number)
            if case .limit(let perSecond, let burst) = object.kind {
                nftnl_obj_set_u64(new, UInt16(NFTNL_OBJ_LIMIT_RATE), perSecond)
                nftnl_obj_set_u64(new, UInt16(NFTNL_OBJ_LIMIT_UNIT), 1)
                nftnl_obj_set_u32(new, UInt16(NFTNL_OBJ_LIMIT_BURST), burst)
            }
            object.userData.store { nftnl_obj_set_data(new, UInt16(NFTNL_OBJ_USERDATA), $0, $1) }
            nftnl_obj_nlmsg_build_payload(header, new)
        }
    }

    mutating func declare(_ chain: TableChain) {
        append(NFT_MSG_NEWCHAIN, Self.create, "add the chain \(chain.name)") { header, table in
            let new = nftnl_chain_alloc()
            defer { nftnl_chain_free(new) }
            nftnl_chain_set_str(new, UInt16(NFTNL_CHAIN_TABLE), table.name)
            nftnl_chain_set_str(new, UInt16(NFTNL_CHAIN_NAME), chain.name)
            if let hook = chain.hook {
                nftnl_chain_set_str(new, UInt16(NFTNL_CHAIN_TYPE), "filter")
                nftnl_chain_set_u32(new, UInt16(NFTNL_CHAIN_HOOKNUM), hook.number)
                nftnl_chain_set_s32(new, UInt16(NFTNL_CHAIN_PRIO), hook.priority)
                nftnl_chain_set_u32(new, UInt16(NFTNL_CHAIN_POLICY), UInt32(NF_ACCEPT))
            }
            UserData.comment(chain.comment).store { nftnl_chain_set_data(new, UInt16(NFTNL_CHAIN_USERDATA), $0, $1) }
            nftnl_chain_nlmsg_build_payload(header, new)
        }
    }

    /// `number` distinguishes the sets of one transaction.
    mutating func declare(_ shape: SetShape, number: UInt32) {
        append(NFT_MSG_NEWSET, Self.create, "add the set \(shape.name)") { header, table in
            let set = nftnl_set_alloc()
            defer { nftnl_set_free(set) }
            nftnl_set_set_str(set, UInt16(NFTNL_SET_TABLE), table.name)
            nftnl_set_set_str(set, UInt16(NFTNL_SET_NAME), shape.name)
            nftnl_set_set_u32(set, UInt16(NFTNL_SET_ID), number)
            nftnl_set_set_u32(set, UInt16(NFTNL_SET_FLAGS), shape.flags)
            nftnl_set_set_u32(set, UInt16(NFTNL_SET_KEY_TYPE), shape.keyType)
            nftnl_set_set_u32(set, UInt16(NFTNL_SET_KEY_LEN), UInt32(shape.keyBytes))
            if shape.isMap {
                nftnl_set_set_u32(set, UInt16(NFTNL_SET_DATA_TYPE), SetShape.verdictType)
                nftnl_set_set_u32(set, UInt16(NFTNL_SET_DATA_LEN), 16)
            }
            if shape.isInterval, shape.fields.count > 1 {
                let lengths = shape.fields.map { UInt8($0.byteCount) }
                _ = nftnl_set_set_data(set, UInt16(NFTNL_SET_DESC_CONCAT), lengths, UInt32(lengths.count))
            }
            shape.userData.store { _ = nftnl_set_set_data(set, UInt16(NFTNL_SET_USERDATA), $0, $1) }
            nftnl_set_nlmsg_build_payload(header, set)
        }
    }

    mutating func add(_ rule: TableRule, to chain: String) {
        append(NFT_MSG_NEWRULE, Self.create | NLM_F_APPEND, "add a rule to the chain \(chain)") { header, table in
            let new = rule.allocate(in: chain, of: table)
            defer { nftnl_rule_free(new) }
            nftnl_rule_nlmsg_build_payload(header, new)
        }
    }

    mutating func removeTable() {
        append(NFT_MSG_DELTABLE, 0, "remove the table") { header, table in
            mnl_attr_put_strz(header, UInt16(NFTA_TABLE_NAME.rawValue), table.name)
        }
    }

    mutating func remove(_ object: TableObject) {
        append(NFT_MSG_DELOBJ, 0, "remove the object \(object.name)") { header, table in
            mnl_attr_put_strz(header, UInt16(NFTA_OBJ_TABLE.rawValue), table.name)
            mnl_attr_put_strz(header, UInt16(NFTA_OBJ_NAME.rawValue), object.name)
            mnl_attr_put_u32(header, UInt16(NFTA_OBJ_TYPE.rawValue), object.kind.number.bigEndian)
        }
    }

    /// Removes all rules of a chain.
    mutating func clear(_ chain: String) {
        append(NFT_MSG_DELRULE, 0, "clear the chain \(chain)") { header, table in
            mnl_attr_put_strz(header, UInt16(NFTA_RULE_TABLE.rawValue), table.name)
            mnl_attr_put_strz(header, UInt16(NFTA_RULE_CHAIN.rawValue), chain)
        }
    }

    mutating func removeChain(_ chain: String) {
        append(NFT_MSG_DELCHAIN, 0, "remove the chain \(chain)") { header, table in
            mnl_attr_put_strz(header, UInt16(NFTA_CHAIN_TABLE.rawValue), table.name)
            mnl_attr_put_strz(header, UInt16(NFTA_CHAIN_NAME.rawValue), chain)
        }
    }

    mutating func removeSet(_ name: String) {
        append(NFT_MSG_DELSET, 0, "remove the set \(name)") { header, table in
            mnl_attr_put_strz(header, UInt16(NFTA_SET_TABLE.rawValue), table.name)
            mnl_attr_put_strz(header, UInt16(NFTA_SET_NAME.rawValue), name)
        }
    }
}

extension TableObject.Kind {
    var number: UInt32 {
        switch self {
        case .counter: UInt32(NFT_OBJECT_COUNTER)
        case .limit: UInt32(NFT_OBJECT_LIMIT)
        }
    }
}

extension TableObject {
    var userData: UserData {
        var data = UserData.comment(comment)
        if !mark.isEmpty { data.append(UserData.mark, mark) }
        return data
    }
}

extension TableRule {
    /// The rule in libnftnl's form; the caller frees it.
    func allocate(in chain: String, of table: TableIdentity) -> OpaquePointer {
        let rule = nftnl_rule_alloc()!
        nftnl_rule_set_u32(rule, UInt16(NFTNL_RULE_FAMILY), UInt32(table.family.number))
        nftnl_rule_set_str(rule, UInt16(NFTNL_RULE_TABLE), table.name)
        nftnl_rule_set_str(rule, UInt16(NFTNL_RULE_CHAIN), chain)
        let expressions = Expressions(rule, in: table.family)
        for term in terms { expressions.append(term) }
        UserData.comment(comment).store { _ = nftnl_rule_set_data(rule, UInt16(NFTNL_RULE_USERDATA), $0, $1) }
        return rule
    }
}
