// SPDX-License-Identifier: Apache-2.0
import CLibNFTNL
import CLinuxShim
import Datapath
import Glibc
import Netfilter
import NetworkTypes

/// Reads our table back from the kernel.
enum TableReader {
    /// The table, or nil where there is none.
    static func read(
        _ socket: NetfilterSocket, family: UInt16 = Batch.family
    ) throws(DatapathError) -> KernelTable? {
        guard let flags = try flags(socket, family) else { return nil }
        var table = KernelTable()
        table.flags = flags
        for (name, object) in try objects(socket, family: family) { table.objects[name] = object }
        for (name, fingerprint) in try sets(socket, family) { table.sets[name] = fingerprint }
        for (name, chain) in try chains(socket, family) { table.chains[name] = chain }
        for (chain, rule) in try rules(socket, family) { table.chains[chain]?.rules.append(rule) }
        return table
    }

    private static func type(_ message: Int) -> UInt16 { UInt16(NFNL_SUBSYS_NFTABLES) << 8 | UInt16(message) }

    static func exists(
        _ socket: NetfilterSocket, family: UInt16 = Batch.family
    ) throws(DatapathError) -> Bool {
        try flags(socket, family) != nil
    }

    /// The table's flags; nil where there is no table.
    private static func flags(_ socket: NetfilterSocket, _ family: UInt16) throws(DatapathError) -> UInt32? {
        let name = UInt16(NFTA_TABLE_NAME.rawValue)
        do {
            let found = try socket.ask(
                type(Int(NFT_MSG_GETTABLE)), family: UInt8(family), isDump: false, "look for the table",
                request: { mnl_attr_put_strz($0, name, TableName.table) },
                parse: { _, body in
                    Attributes(body.dropFirst(MemoryLayout<nfgenmsg>.size))
                        .first { $0.type == Int(NFTA_TABLE_FLAGS.rawValue) }?.integer(UInt32.self) ?? 0
                })
            return found.first
        } catch .system(_, ENOENT, _) {
            return nil
        }
    }

    private static func dump<Value>(
        _ message: Int, _ attribute: UInt16, _ what: String, family: UInt16 = Batch.family, socket: NetfilterSocket,
        _ parse: (UnsafePointer<nlmsghdr>) -> Value?
    ) throws(DatapathError) -> [Value] {
        try socket.ask(
            type(message), family: UInt8(family), isDump: true, "list the \(what)",
            request: { mnl_attr_put_strz($0, attribute, TableName.table) }, parse: { header, _ in parse(header) })
    }

    static func objects(
        _ socket: NetfilterSocket, family: UInt16 = Batch.family
    ) throws(DatapathError) -> [(String, KernelTable.Object)] {
        let table = UInt16(NFTA_OBJ_TABLE.rawValue)
        return try dump(Int(NFT_MSG_GETOBJ), table, "objects", family: family, socket: socket) { header in
            let object = nftnl_obj_alloc()
            defer { nftnl_obj_free(object) }
            guard nftnl_obj_nlmsg_parse(header, object) == 0,
                let name = nftnl_obj_get_str(object, UInt16(NFTNL_OBJ_NAME)),
                isOurs(nftnl_obj_get_str(object, UInt16(NFTNL_OBJ_TABLE)))
            else { return nil }
            let kind = nftnl_obj_get_u32(object, UInt16(NFTNL_OBJ_TYPE))
            var length: UInt32 = 0
            let data = nftnl_obj_get_data(object, UInt16(NFTNL_OBJ_USERDATA), &length)
            let userData = UserData(bytes: bytes(data, length))
            var read = KernelTable.Object(fingerprint: "counter", kind: kind, userData: userData)
            if kind == UInt32(NFT_OBJECT_COUNTER) {
                read.counter.packets = nftnl_obj_get_u64(object, UInt16(NFTNL_OBJ_CTR_PKTS))
                read.counter.bytes = nftnl_obj_get_u64(object, UInt16(NFTNL_OBJ_CTR_BYTES))
            } else if kind == UInt32(NFT_OBJECT_LIMIT) {
                read.fingerprint = Fingerprint.limit(
                    rate: nftnl_obj_get_u64(object, UInt16(NFTNL_OBJ_LIMIT_RATE)),
                    unit: nftnl_obj_get_u64(object, UInt16(NFTNL_OBJ_LIMIT_UNIT)),
                    burst: nftnl_obj_get_u32(object, UInt16(NFTNL_OBJ_LIMIT_BURST)))
            } else {
                read.fingerprint = "other"
            }
            return (String(cString: name), read)
        }
    }

    private static func sets(
        _ socket: NetfilterSocket, _ family: UInt16
    ) throws(DatapathError) -> [(String, String)] {
        let table = UInt16(NFTA_SET_TABLE.rawValue)
        return try dump(Int(NFT_MSG_GETSET), table, "sets", family: family, socket: socket) { header in
            let set = nftnl_set_alloc()
            defer { nftnl_set_free(set) }
            guard nftnl_set_nlmsg_parse(header, set) == 0, let name = nftnl_set_get_str(set, UInt16(NFTNL_SET_NAME)),
                isOurs(nftnl_set_get_str(set, UInt16(NFTNL_SET_TABLE)))
            else { return nil }
            var length: UInt32 = 0
            let data = nftnl_set_get_data(set, UInt16(NFTNL_SET_USERDATA), &length)
            let fingerprint = Fingerprint.set(
                keyType: nftnl_set_get_u32(set, UInt16(NFTNL_SET_KEY_TYPE)),
                keyBytes: nftnl_set_get_u32(set, UInt16(NFTNL_SET_KEY_LEN)),
                flags: nftnl_set_get_u32(set, UInt16(NFTNL_SET_FLAGS)),
                timeout: nftnl_set_get_u64(set, UInt16(NFTNL_SET_TIMEOUT)), userData: bytes(data, length))
            return (String(cString: name), fingerprint)
        }
    }

    private static func chains(
        _ socket: NetfilterSocket, _ family: UInt16
    ) throws(DatapathError) -> [(String, KernelTable.Chain)] {
        let table = UInt16(NFTA_CHAIN_TABLE.rawValue)
        return try dump(Int(NFT_MSG_GETCHAIN), table, "chains", family: family, socket: socket) { header in
            let chain = nftnl_chain_alloc()
            defer { nftnl_chain_free(chain) }
            guard nftnl_chain_nlmsg_parse(header, chain) == 0,
                let name = nftnl_chain_get_str(chain, UInt16(NFTNL_CHAIN_NAME)),
                isOurs(nftnl_chain_get_str(chain, UInt16(NFTNL_CHAIN_TABLE)))
            else { return nil }
            var hook: String?
            if nftnl_chain_is_set(chain, UInt16(NFTNL_CHAIN_HOOKNUM)) {
                let number = nftnl_chain_get_u32(chain, UInt16(NFTNL_CHAIN_HOOKNUM))
                let priority = nftnl_chain_get_s32(chain, UInt16(NFTNL_CHAIN_PRIO))
                let policy = nftnl_chain_get_u32(chain, UInt16(NFTNL_CHAIN_POLICY))
                let type = nftnl_chain_get_str(chain, UInt16(NFTNL_CHAIN_TYPE)).map { String(cString: $0) } ?? ""
                hook = "\(type) \(number) \(priority) \(policy)"
            }
            var length: UInt32 = 0
            let data = nftnl_chain_get_data(chain, UInt16(NFTNL_CHAIN_USERDATA), &length)
            let fingerprint = Fingerprint.chain(hook: hook, userData: bytes(data, length))
            return (String(cString: name), KernelTable.Chain(fingerprint: fingerprint))
        }
    }

    private static func rules(
        _ socket: NetfilterSocket, _ family: UInt16
    ) throws(DatapathError) -> [(String, [UInt8])] {
        let table = UInt16(NFTA_RULE_TABLE.rawValue)
        return try dump(Int(NFT_MSG_GETRULE), table, "rules", family: family, socket: socket) { header in
            let rule = nftnl_rule_alloc()!
            defer { nftnl_rule_free(rule) }
            guard nftnl_rule_nlmsg_parse(header, rule) == 0,
                let chain = nftnl_rule_get_str(rule, UInt16(NFTNL_RULE_CHAIN)),
                isOurs(nftnl_rule_get_str(rule, UInt16(NFTNL_RULE_TABLE)))
            else { return nil }
            return (String(cString: chain), Fingerprint.rule(rule))
        }
    }

    /// The kernel filters most dumps by table, but not all of them in every version.
    private static func isOurs(_ table: UnsafePointer<CChar>?) -> Bool {
        table.map { String(cString: $0) } == TableName.table
    }

    private static func bytes(_ data: UnsafeRawPointer?, _ length: UInt32) -> [UInt8] {
        data.map { Array(UnsafeRawBufferPointer(start: $0, count: Int(length))) } ?? []
    }

    /// The members of a set; nil when they are none that a plan could have.
    static func members(
        of shape: SetShape, _ socket: NetfilterSocket, family: UInt16 = Batch.family
    ) throws(DatapathError) -> Members? {
        let elements = try socket.ask(
            type(Int(NFT_MSG_GETSETELEM)), family: UInt8(family), isDump: true,
            "list the members of \(shape.name)", request: { ElementWriter.target(shape.name, $0) },
            parse: { _, body in ElementReader.elements(body.dropFirst(MemoryLayout<nfgenmsg>.size)) }
        ).flatMap { $0 }
        return shape.members(elements)
    }
}

extension Fingerprint {
    /// Of a rule as libnftnl holds it: its expressions in libnftnl's words, and its user data.
    static func rule(_ rule: OpaquePointer) -> [UInt8] {
        var text: [UInt8] = []
        let expressions = nftnl_expr_iter_create(rule)
        defer { nftnl_expr_iter_destroy(expressions) }
        while let expression = nftnl_expr_iter_next(expressions) {
            let name = nftnl_expr_get_str(expression, UInt16(NFTNL_EXPR_NAME))
            text.append(UInt8(ascii: "["))
            if let name { text += UnsafeRawBufferPointer(start: name, count: strlen(name)) }
            text.append(UInt8(ascii: " "))
            withUnsafeTemporaryAllocation(of: CChar.self, capacity: 1024) { line in
                nftnl_expr_snprintf(line.baseAddress, line.count, expression, UInt32(NFTNL_OUTPUT_DEFAULT), 0)
                text += UnsafeRawBufferPointer(start: line.baseAddress, count: strlen(line.baseAddress!))
            }
            text.append(UInt8(ascii: "]"))
        }
        var length: UInt32 = 0
        if let data = nftnl_rule_get_data(rule, UInt16(NFTNL_RULE_USERDATA), &length) {
            text += UnsafeRawBufferPointer(start: data, count: Int(length))
        }
        return text
    }
}
