// SPDX-License-Identifier: Apache-2.0
import NetworkTypes

extension TableContents: CustomStringConvertible {
    /// The table in nft's language, in an order that `nft -f` accepts; the same text for the same content.
    package var description: String {
        var lines = ["table \(table) {"]
        for object in objects.values.sorted(by: { $0.name < $1.name }) { lines += object.lines }
        let plain = sets.values.filter { !$0.shape.isMap }.sorted { $0.shape.name < $1.shape.name }
        for set in plain { lines += set.lines }
        let maps = sets.values.filter(\.shape.isMap).sorted { $0.shape.name < $1.shape.name }
        for map in maps { lines += map.lines }
        for chain in chains.values.sorted(by: { $0.name < $1.name }) { lines += chain.lines }
        return (lines + ["}"]).joined(separator: "\n") + "\n"
    }
}

extension TableObject {
    fileprivate var lines: [String] {
        var body: [String] = []
        if !comment.isEmpty { body.append("    comment \"\(comment)\"") }
        guard case .limit(let perSecond, let burst) = kind else { return ["  counter \(name) {"] + body + ["  }"] }
        return ["  limit \(name) {"] + body + ["    rate \(perSecond)/second burst \(burst) packets", "  }"]
    }
}

extension TableSet {
    fileprivate var lines: [String] {
        var lines = ["  \(shape.isMap ? "map" : "set") \(shape.name) {"]
        lines.append("    \(shape.typeText)" + (shape.isMap ? " : verdict" : ""))
        if shape.isInterval { lines.append("    flags interval") }
        if !shape.comment.isEmpty { lines.append("    comment \"\(shape.comment)\"") }
        if !members.isEmpty {
            lines.append("    elements = {")
            lines += texts.map { "      \($0)," }
            lines.append("    }")
        }
        return lines + ["  }"]
    }

    private var texts: [String] {
        guard case .elements(let elements) = members else { return members.lines }
        return elements.map { text($0) }.sorted()
    }

    private func text(_ element: SetElement) -> String {
        let last = element.end ?? element.key
        let (first, end) = (shape.values(element.key), shape.values(last))
        let fields = zip(first, end).map { $0 == $1 ? $0 : "\($0)-\($1)" }
        return fields.joined(separator: " . ") + (element.target.map { " : \($0)" } ?? "")
    }

    /// Some members, in `nft`'s language.
    func someTexts(_ limit: Int) -> [String] {
        switch members {
        case .elements(let elements): elements.prefix(limit).map { text($0) }.sorted()
        case .addresses(let addresses): addresses.prefix(limit).sorted().map(\.description)
        case .ranges: Array(members.lines.prefix(limit))
        }
    }
}

extension Members {
    /// One line per member, in order.
    package var lines: [String] {
        switch self {
        case .addresses(let addresses): addresses.sorted().map(\.description)
        case .ranges(let ranges): ranges.map { $0.first == $0.last ? "\($0.first)" : "\($0.first)-\($0.last)" }
        case .elements(let elements):
            elements.map { element in
                let end = element.end.map { "-\($0)" } ?? ""
                return "\(element.key)\(end)" + (element.target.map { " : \($0)" } ?? "")
            }.sorted()
        }
    }
}

extension SetShape {
    /// By names of types, or, for a type without a name, by the expression.
    fileprivate var typeText: String {
        fields.contains(.connectionID)
            ? "typeof " + fields.map(\.text).joined(separator: " . ")
            : "type " + fields.map(\.typeName).joined(separator: " . ")
    }

    /// The values of a key, one per field.
    fileprivate func values(_ key: [UInt8]) -> [String] {
        var rest = key[...]
        return fields.map { field in
            let bytes = rest.prefix(field.byteCount)
            rest = rest.dropFirst((field.byteCount + 3) / 4 * 4)
            return field.valueText(bytes)
        }
    }
}

extension Field {
    /// A value of the field in `nft`'s language.
    fileprivate func valueText(_ bytes: some RandomAccessCollection<UInt8>) -> String {
        let number = bytes.reduce(0) { $0 << 8 | UInt32($1) }
        switch self {
        case .interface, .outInterface, .mark, .connectionMark: return "\(number.byteSwapped)"
        case .source, .destination, .arpSource, .connectionSource, .nextHop:
            return IPAddress(networkBytes: bytes).map(\.description) ?? "?"
        case .hardwareSource:
            return bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: ":")
        case .transportProtocol, .sourcePort, .destinationPort, .icmpType, .icmpv4Type, .hopLimit, .connectionID:
            return "\(number)"
        case .part(let part): return part.text(bytes)
        }
    }

    fileprivate var typeName: String {
        switch self {
        case .interface, .outInterface: "iface_index"
        case .source(let family), .destination(let family), .connectionSource(let family, _), .nextHop(let family):
            "\(family)_addr"
        case .hardwareSource: "ether_addr"
        case .mark, .connectionMark: "mark"
        case .icmpv4Type: "icmp_type"
        case .connectionID: "integer"
        case .transportProtocol: "inet_proto"
        case .sourcePort, .destinationPort: "inet_service"
        case .arpSource: "ipv4_addr"
        case .icmpType: "icmpv6_type"
        case .hopLimit: "integer"
        case .part(let part):
            switch part.kind {
            case .integer: "integer"
            case .hardwareAddress: "ether_addr"
            }
        }
    }

    fileprivate var text: String {
        switch self {
        case .interface: "iif"
        case .outInterface: "oif"
        case .hardwareSource: "ether saddr"
        case .mark: "meta mark"
        case .connectionMark: "ct mark"
        case .nextHop(let family): family == .ipv4 ? "rt ip nexthop" : "rt ip6 nexthop"
        case .icmpv4Type: "icmp type"
        case .connectionSource(let family, let isReply):
            "ct \(isReply ? "reply" : "original") \(family == .ipv4 ? "ip" : "ip6") saddr"
        case .connectionID: "ct id"
        case .source(let family): family == .ipv4 ? "ip saddr" : "ip6 saddr"
        case .destination(let family): family == .ipv4 ? "ip daddr" : "ip6 daddr"
        case .transportProtocol: "meta l4proto"
        case .sourcePort: "th sport"
        case .destinationPort: "th dport"
        case .arpSource: "arp saddr ip"
        case .icmpType: "icmpv6 type"
        case .hopLimit: "ip6 hoplimit"
        case .part(let part): part.text
        }
    }
}

extension TableChain {
    fileprivate var lines: [String] {
        var lines = ["  chain \(name) {"]
        if !comment.isEmpty { lines.append("    comment \"\(comment)\"") }
        if let hook {
            lines.append("    type filter hook \(hook.name) priority \(hook.priority); policy accept;")
        }
        return lines + rules.map { "    \($0)" } + ["  }"]
    }
}

extension TableRule: CustomStringConvertible {
    package var description: String {
        let text = terms.map(\.description).joined(separator: " ")
        return comment.isEmpty ? text : "\(text) comment \"\(comment)\""
    }
}

extension Term: CustomStringConvertible {
    package var description: String {
        switch self {
        case .family(let family): "meta nfproto \(family)"
        case .connectionState(let state): "ct state \(state.text)"
        case .replyDirection: "ct direction reply"
        case .originalDirection: "ct direction original"
        case .destinationNAT(let isDone): isDone ? "ct status dnat" : "ct status ! dnat"
        case .unconfirmed: "ct status ! confirmed"
        case .toOwnNode: "oif 0"
        case .portMark(let isThere): "meta mark & \(PortMark.mask) \(isThere ? "==" : "!=") \(PortMark.base)"
        case .headerWords(let count): "ip hdrlength > \(count)"
        case .sourceRouteByte(let offset): "@nh,\((20 + offset) * 8),8 & 0xf5 == 0x81"
        case .routingHeader: "exthdr rt exists"
        case .transportProtocol(let number): "meta l4proto \(number.rawValue)"
        case .destinationPort(let range): "th dport \(range)"
        case .hasDestinationPort: "th dport >= 0"
        case .member(let fields, let set, let negated): "\(Self.text(fields)) \(negated ? "!= " : "")@\(set)"
        case .dispatch(let fields, let map): "\(Self.text(fields)) vmap @\(map)"
        case .within(let field, let prefix): "\(field.text) \(prefix)"
        case .outside(let field, let prefix): "\(field.text) != \(prefix)"
        case .etherType(let type): "ether type \(type)"
        case .masked(let field, let mask, let value):
            mask.allSatisfy { $0 == 0xff } && (value.count == 1 || field == .sourcePort)
                ? "\(field.text) \(value.reduce(0) { $0 << 8 | Int($1) })" : "\(field.text) & \(mask) == \(value)"
        case .differs(let field, let value): "\(field.text) != \(field.valueText(value))"
        case .setMark(let mark): "meta mark set \(mark)"
        case .setMarkBits(let owner, let mask, let value):
            "\(owner.text) set \(owner.text) & \(~mask)" + (value == 0 ? "" : " ^ \(value)")
        case .write(let part, let value): "\(part.text) set \(part.text(value))"
        case .acceptForHost: "meta pkttype set host"
        case .transparentSocket: "socket transparent 1"
        case .redirectToProxy(let address, let port):
            address.family == .ipv4 ? "tproxy ip to \(address):\(port)" : "tproxy ip6 to [\(address)]:\(port)"
        case .limit(let name): "limit name \"\(name)\""
        case .count(let name): "counter name \"\(name)\""
        case .log(let prefix, let group): "log prefix \"\(prefix)\" group \(group) snaplen 128"
        case .resetTCP: "reject with tcp reset"
        case .rejectProhibited: "reject with icmpx admin-prohibited"
        case .verdict(let verdict): verdict.description
        }
    }

    private static func text(_ fields: [Field]) -> String { fields.map(\.text).joined(separator: " . ") }
}

extension MarkOwner {
    fileprivate var text: String {
        switch self {
        case .packet: "meta mark"
        case .connection: "ct mark"
        }
    }
}

extension ChainVerdict: CustomStringConvertible {
    package var description: String {
        switch self {
        case .accept: "accept"
        case .drop: "drop"
        case .leave: "return"
        case .jump(let chain): "jump \(chain)"
        case .go(let chain): "goto \(chain)"
        }
    }
}
