// SPDX-License-Identifier: Apache-2.0
import CLibNFTNL
import Glibc
import KernelErrors
import NetlinkAttributes
import NetworkTypes

/// Reads one table from the kernel.
package struct TableReader {
    package let table: TableIdentity
    package let socket: NetfilterSocket

    package init(_ table: TableIdentity, _ socket: NetfilterSocket) {
        self.table = table
        self.socket = socket
    }

    /// The table, or nil if there is none.
    package func read() throws(KernelError) -> KernelTable? {
        guard let flags = try flags() else { return nil }
        var read = KernelTable()
        read.flags = flags
        for (name, object) in try objects() { read.objects[name] = object }
        for (name, fingerprint) in try sets() { read.sets[name] = fingerprint }
        for (name, chain) in try chains() { read.chains[name] = chain }
        for (chain, rule) in try rules() { read.chains[chain]?.rules.append(rule) }
        return read
    }

    package func exists() throws(KernelError) -> Bool { try flags() != nil }

    /// Counts the transactions in this network namespace, of all tables together.
    package static func generation(_ socket: NetfilterSocket) throws(KernelError) -> UInt32 {
        let answers = try socket.ask(
            type(NFT_MSG_GETGEN), family: 0, isDump: false, "read the generation", request: { _ in },
            parse: { _, body in
                Attributes(body.dropFirst(MemoryLayout<nfgenmsg>.size))
                    .first { $0.type == Int(NFTA_GEN_ID) }?.integer(UInt32.self)
            })
        guard let generation = answers.first else { throw .corrupt("the kernel reported no generation") }
        return generation
    }

    private static func type(_ message: nf_tables_msg_types) -> UInt16 {
        UInt16(NFNL_SUBSYS_NFTABLES) << 8 | UInt16(message.rawValue)
    }

    /// The table's flags; nil if there is no table.
    func flags() throws(KernelError) -> UInt32? {
        do {
            let found = try socket.ask(
                Self.type(NFT_MSG_GETTABLE), family: UInt8(table.family.number), isDump: false, "look for the table",
                request: { mnl_attr_put_strz($0, UInt16(NFTA_TABLE_NAME.rawValue), table.name) },
                parse: { _, body in
                    Attributes(body.dropFirst(MemoryLayout<nfgenmsg>.size))
                        .first { $0.type == Int(NFTA_TABLE_FLAGS.rawValue) }?.integer(UInt32.self) ?? 0
                })
            return found.first
        } catch .system(_, ENOENT, _) {
            return nil
        }
    }

    private func dump<Value>(
        _ message: nf_tables_msg_types, _ attribute: UInt32, _ what: String,
        _ parse: (UnsafePointer<nlmsghdr>) -> Value?
    ) throws(KernelError) -> [Value] {
        try socket.ask(
            Self.type(message), family: UInt8(table.family.number), isDump: true, "list the \(what)",
            request: { mnl_attr_put_strz($0, UInt16(attribute), table.name) }, parse: { header, _ in parse(header) })
    }

    /// The table's objects by name.
    package func objects() throws(KernelError) -> [(String, KernelTable.Object)] {
        try dump(NFT_MSG_GETOBJ, NFTA_OBJ_TABLE.rawValue, "objects") { header in
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

    private func sets() throws(KernelError) -> [(String, String)] {
        try dump(NFT_MSG_GETSET, NFTA_SET_TABLE.rawValue, "sets") { header in
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

    private func chains() throws(KernelError) -> [(String, KernelTable.Chain)] {
        try dump(NFT_MSG_GETCHAIN, NFTA_CHAIN_TABLE.rawValue, "chains") { header in
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
            return (String(cString: name), KernelTable.Chain(fingerprint: fingerprint, isBase: hook != nil))
        }
    }

    /// Each rule with its chain: its content as bytes that can be compared.
    package func rules() throws(KernelError) -> [(String, [UInt8])] {
        try dump(NFT_MSG_GETRULE, NFTA_RULE_TABLE.rawValue, "rules") { header in
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
    private func isOurs(_ name: UnsafePointer<CChar>?) -> Bool {
        name.map { String(cString: $0) } == table.name
    }

    private func bytes(_ data: UnsafeRawPointer?, _ length: UInt32) -> [UInt8] {
        data.map { Array(UnsafeRawBufferPointer(start: $0, count: Int(length))) } ?? []
    }

    /// The members of a set; nil if no plan could have them.
    package func members(of shape: SetShape) throws(KernelError) -> Members? {
        let elements = try socket.ask(
            Self.type(NFT_MSG_GETSETELEM), family: UInt8(table.family.number), isDump: true,
            "list the members of \(shape.name)", request: { ElementWriter.target(shape.name, of: table, $0) },
            parse: { _, body in ElementReader.elements(body.dropFirst(MemoryLayout<nfgenmsg>.size)) }
        ).flatMap { $0 }
        return shape.members(elements)
    }
}

extension Fingerprint {
    /// A rule in libnftnl's form: its expressions in libnftnl's words, and its user data.
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
