// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import PolicyModel

/// Why a text is not an end, or not ports.
public struct ReachTextError: Error, Sendable, Hashable, CustomStringConvertible {
    public var description: String
}

extension ReachEnd {
    /// Reads `namespace/name`, `namespace/*`, `namespace/label=value,…`, `*/…` for all namespaces, an address, a prefix,
    /// `outside`, `node` or `anywhere`. A name alone is one in `namespace`.
    public init(_ text: some StringProtocol, namespace: String = "default") throws(ReachTextError) {
        switch text {
        case "outside": self = .outside
        case "node", "nodes": self = .nodes
        case "anywhere": self = .anywhere
        case "": throw ReachTextError(description: "an end must not be empty")
        default:
            if let address = try? IPAddress(text) {
                self = .network(CIDR(host: address))
            } else if let prefix = try? CIDR(text) {
                self = .network(prefix)
            } else {
                self = try Self.pods(String(text), namespace)
            }
        }
    }

    private static func pods(_ text: String, _ namespace: String) throws(ReachTextError) -> ReachEnd {
        // Label keys may contain a slash: the namespace ends at the first one.
        let slash = text.firstIndex(of: "/")
        let scope = slash.map { String(text[..<$0]) } ?? namespace
        let rest = slash.map { String(text[text.index(after: $0)...]) } ?? text
        guard !scope.isEmpty, !rest.isEmpty else {
            throw ReachTextError(
                description: "'\(text)' is neither namespace/name, namespace/label=value nor an address")
        }
        let home = scope == "*" ? nil : scope
        if rest == "*" { return .pods(namespace: home, LabelSelector()) }
        if rest.contains(where: { "=!,( ".contains($0) }) {
            return .pods(namespace: home, try LabelSelector(text: rest))
        }
        guard let home, !rest.contains("/") else {
            throw ReachTextError(
                description: "'\(text)' is neither namespace/name, namespace/label=value nor an address")
        }
        return .named(namespace: home, name: rest)
    }

    /// Reads an end with `:PORTS` after it; an IPv6 address then stands in brackets.
    public static func withPorts(
        _ text: String, namespace: String = "default"
    ) throws(ReachTextError) -> (end: ReachEnd, ports: [PortSpan]) {
        if text.hasPrefix("["), let close = text.lastIndex(of: "]") {
            let inside = text[text.index(after: text.startIndex)..<close]
            let rest = text[text.index(after: close)...]
            guard !rest.isEmpty else { return (try ReachEnd(inside, namespace: namespace), PortSpan.all) }
            guard rest.hasPrefix(":") else {
                throw ReachTextError(description: "'\(text)': ports follow ']' after a colon")
            }
            return (try ReachEnd(inside, namespace: namespace), try PortSpan.read(String(rest.dropFirst())))
        }
        let isAddress = (try? IPAddress(text)) != nil || (try? CIDR(text)) != nil
        guard !isAddress, let colon = text.lastIndex(of: ":") else {
            return (try ReachEnd(text, namespace: namespace), PortSpan.all)
        }
        return (
            try ReachEnd(text[..<colon], namespace: namespace),
            try PortSpan.read(String(text[text.index(after: colon)...]))
        )
    }
}

extension PortSpan {
    /// Reads `80`, `80/tcp`, `1-1023/udp`, `tcp` (all its ports), `other` or `icmp` (all protocols without ports), and
    /// lists of them with commas. A port alone is one of TCP.
    public static func read(_ text: String) throws(ReachTextError) -> [PortSpan] {
        var spans: [PortSpan] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) { spans.append(try PortSpan(part)) }
        return normalized(spans)
    }

    private init(_ text: Substring) throws(ReachTextError) {
        let problem = ReachTextError(
            description: "'\(text)' is not a port: write 80, 80/udp, 1-1023/tcp, tcp, udp, sctp or other")
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        if parts.count == 1, parts[0].contains(where: \.isLetter) {
            if ["other", "icmp", "icmpv6"].contains(parts[0].lowercased()) {
                self = .otherProtocols
                return
            }
            guard let ipProtocol = IPProtocol(name: parts[0]), ipProtocol.hasPorts else { throw problem }
            self = .ports(ProtocolPorts(ipProtocol, .all))
            return
        }
        let ipProtocol = parts.count == 1 ? .tcp : parts.count == 2 ? IPProtocol(name: parts[1]) : nil
        let ends = parts[0].split(separator: "-", omittingEmptySubsequences: false)
        guard let ipProtocol, ipProtocol.hasPorts, (1...2).contains(ends.count),
            ends.allSatisfy({ $0.allSatisfy { ("0"..."9").contains($0) } }), let first = UInt16(ends[0]),
            let last = UInt16(ends[ends.count - 1]), first <= last
        else { throw problem }
        self = .ports(ProtocolPorts(ipProtocol, PortRange(first, last)))
    }
}

extension LabelSelector {
    /// Reads a selector as kubectl does: `a=b`, `a!=b`, `a in (b,c)`, `a notin (b,c)`, `a`, `!a`, with commas between.
    public init(text: String) throws(ReachTextError) {
        self.init()
        var depth = 0
        var parts = [""]
        for character in text {
            if character == "(" { depth += 1 }
            if character == ")" { depth -= 1 }
            if character == ",", depth == 0 { parts.append("") } else { parts[parts.count - 1].append(character) }
        }
        for part in parts {
            guard let requirement = Self.requirement(part) else {
                throw ReachTextError(
                    description: "'\(part)' is not a requirement on labels: write key=value, key!=value, key, !key, "
                        + "key in (a,b) or key notin (a,b)")
            }
            matchExpressions.append(requirement)
        }
    }

    private static func requirement(_ text: String) -> LabelRequirement? {
        func make(
            _ key: some StringProtocol, _ condition: LabelRequirement.Operator, _ values: [String]
        ) -> LabelRequirement? {
            let key = key.trimmed
            let isKey = !key.isEmpty && key.allSatisfy { $0.isLetter || $0.isNumber || "-_./".contains($0) }
            let areValues = values.allSatisfy { $0.allSatisfy { $0.isLetter || $0.isNumber || "-_.".contains($0) } }
            return isKey && areValues ? LabelRequirement(key: key, operator: condition, values: values) : nil
        }
        if let open = text.firstIndex(of: "("), text.trimmed.hasSuffix(")"), let close = text.lastIndex(of: ")") {
            let values = text[text.index(after: open)..<close].split(separator: ",").map(\.trimmed)
            let words = text[..<open].split(separator: " ")
            guard words.count == 2, !values.isEmpty else { return nil }
            switch words[1] {
            case "in": return make(words[0], .in, values)
            case "notin": return make(words[0], .notIn, values)
            default: return nil
            }
        }
        if let equals = text.firstIndex(of: "=") {
            let value = text[text.index(after: equals)...].drop { $0 == "=" }.trimmed
            let before = text[..<equals]
            if before.hasSuffix("!") { return make(before.dropLast(), .notIn, [value]) }
            return make(before, .in, [value])
        }
        let name = text.trimmed
        return name.hasPrefix("!") ? make(name.dropFirst(), .doesNotExist, []) : make(name, .exists, [])
    }
}

extension StringProtocol {
    fileprivate var trimmed: String {
        var text = Substring(self)
        while text.first == " " { text.removeFirst() }
        while text.last == " " { text.removeLast() }
        return String(text)
    }
}
