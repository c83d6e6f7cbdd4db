// SPDX-License-Identifier: Apache-2.0
import CLibNFTNL
import CLinuxShim
import Glibc
import Netfilter
import NetworkTypes

extension Batch {
    private static let create = NLM_F_CREATE

    mutating func addTable() {
        append(Int(NFT_MSG_NEWTABLE), Self.create, "add the table") { header in
            let table = nftnl_table_alloc()
            defer { nftnl_table_free(table) }
            nftnl_table_set_str(table, UInt16(NFTNL_TABLE_NAME), TableName.table)
            UserData.comment("Bulkhead: network policy of this node's pods").withBytes {
                nftnl_table_set_data(table, UInt16(NFTNL_TABLE_USERDATA), $0, $1)
            }
            nftnl_table_nlmsg_build_payload(header, table)
        }
    }

    mutating func removeTable() {
        append(Int(NFT_MSG_DELTABLE), 0, "remove the table") { header in
            mnl_attr_put_strz(header, UInt16(NFTA_TABLE_NAME.rawValue), TableName.table)
        }
    }

    mutating func add(_ object: TableObject) {
        append(Int(NFT_MSG_NEWOBJ), Self.create, "add the object \(object.name)") { header in
            let new = nftnl_obj_alloc()
            defer { nftnl_obj_free(new) }
            nftnl_obj_set_str(new, UInt16(NFTNL_OBJ_TABLE), TableName.table)
            nftnl_obj_set_str(new, UInt16(NFTNL_OBJ_NAME), object.name)
            nftnl_obj_set_u32(new, UInt16(NFTNL_OBJ_TYPE), object.kind.number)
            if case .limit(let perSecond, let burst) = object.kind {
                nftnl_obj_set_u64(new, UInt16(NFTNL_OBJ_LIMIT_RATE), perSecond)
                nftnl_obj_set_u64(new, UInt16(NFTNL_OBJ_LIMIT_UNIT), 1)
                nftnl_obj_set_u32(new, UInt16(NFTNL_OBJ_LIMIT_BURST), burst)
            }
            let data = object.userData
            if !data.isEmpty {
                data.withBytes { nftnl_obj_set_data(new, UInt16(NFTNL_OBJ_USERDATA), $0, $1) }
            }
            nftnl_obj_nlmsg_build_payload(header, new)
        }
    }

    mutating func remove(_ object: TableObject) {
        append(Int(NFT_MSG_DELOBJ), 0, "remove the object \(object.name)") { header in
            mnl_attr_put_strz(header, UInt16(NFTA_OBJ_TABLE.rawValue), TableName.table)
            mnl_attr_put_strz(header, UInt16(NFTA_OBJ_NAME.rawValue), object.name)
            mnl_attr_put_u32(header, UInt16(NFTA_OBJ_TYPE.rawValue), object.kind.number.bigEndian)
        }
    }

    mutating func declare(_ chain: TableChain) {
        append(Int(NFT_MSG_NEWCHAIN), Self.create, "add the chain \(chain.name)") { header in
            let new = nftnl_chain_alloc()
            defer { nftnl_chain_free(new) }
            nftnl_chain_set_str(new, UInt16(NFTNL_CHAIN_TABLE), TableName.table)
            nftnl_chain_set_str(new, UInt16(NFTNL_CHAIN_NAME), chain.name)
            if chain.isBase {
                nftnl_chain_set_str(new, UInt16(NFTNL_CHAIN_TYPE), "filter")
                nftnl_chain_set_u32(new, UInt16(NFTNL_CHAIN_HOOKNUM), chain.hook.number)
                nftnl_chain_set_s32(new, UInt16(NFTNL_CHAIN_PRIO), chain.hook.priority)
                nftnl_chain_set_u32(new, UInt16(NFTNL_CHAIN_POLICY), UInt32(NF_ACCEPT))
            }
            let data = UserData.comment(chain.comment)
            if !data.isEmpty {
                data.withBytes { nftnl_chain_set_data(new, UInt16(NFTNL_CHAIN_USERDATA), $0, $1) }
            }
            nftnl_chain_nlmsg_build_payload(header, new)
        }
    }

    /// Removes all rules of a chain.
    mutating func clear(_ chain: String) {
        append(Int(NFT_MSG_DELRULE), 0, "clear the chain \(chain)") { header in
            mnl_attr_put_strz(header, UInt16(NFTA_RULE_TABLE.rawValue), TableName.table)
            mnl_attr_put_strz(header, UInt16(NFTA_RULE_CHAIN.rawValue), chain)
        }
    }

    mutating func removeChain(_ chain: String) {
        append(Int(NFT_MSG_DELCHAIN), 0, "remove the chain \(chain)") { header in
            mnl_attr_put_strz(header, UInt16(NFTA_CHAIN_TABLE.rawValue), TableName.table)
            mnl_attr_put_strz(header, UInt16(NFTA_CHAIN_NAME.rawValue), chain)
        }
    }

    mutating func add(_ rule: TableRule, to chain: String) {
        append(Int(NFT_MSG_NEWRULE), Self.create | NLM_F_APPEND, "add a rule to the chain \(chain)") { header in
            let new = rule.allocate(in: chain)
            defer { nftnl_rule_free(new) }
            nftnl_rule_nlmsg_build_payload(header, new)
        }
    }
}

extension TableChain {
    /// Before the filters of others, and where no other hook of ours stands.
    static let priority: Int32 = -7
}

extension TableChain.Hook {
    var number: UInt32 {
        switch self {
        case .forward: NF_INET_FORWARD.rawValue
        case .input: NF_INET_LOCAL_IN.rawValue
        case .output: NF_INET_LOCAL_OUT.rawValue
        case .bridgePrerouting: 0  // NF_BR_PRE_ROUTING
        case .bridgeForward, .bridgeForwardEnd: 2  // NF_BR_FORWARD
        }
    }

    var priority: Int32 {
        switch self {
        case .forward, .input, .output: TableChain.priority
        // Before the bridge hands packets to the hooks of IPv4 and IPv6 (NF_BR_PRI_BRNF).
        case .bridgePrerouting: -250
        // At 0 and just before (NF_BR_PRI_BRNF) the bridge does so with what it forwards.
        case .bridgeForward: -10
        case .bridgeForwardEnd: 10
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
        if let rule { data.append(UserData.ruleMark, rule.bytes) }
        return data
    }
}

extension TableRule {
    /// The rule as libnftnl holds it; the caller frees it.
    func allocate(in chain: String) -> OpaquePointer {
        let rule = nftnl_rule_alloc()!
        nftnl_rule_set_u32(rule, UInt16(NFTNL_RULE_FAMILY), UInt32(Batch.family))
        nftnl_rule_set_str(rule, UInt16(NFTNL_RULE_TABLE), TableName.table)
        nftnl_rule_set_str(rule, UInt16(NFTNL_RULE_CHAIN), chain)
        let expressions = Expressions(rule)
        for term in terms { expressions.append(term) }
        let data = UserData.comment(comment)
        if !data.isEmpty { data.withBytes { _ = nftnl_rule_set_data(rule, UInt16(NFTNL_RULE_USERDATA), $0, $1) } }
        return rule
    }
}
