// SPDX-License-Identifier: Apache-2.0
import Documents
import NetworkTypes
import PolicyModel

/// Why something that Istio's policies may name cannot be known here, in words.
enum Unreadable: String {
    case token = "no token is verified"
    case clientHeader = "no header is trusted to name the client's address"
    case tls = "TLS is not read"
    case envoy = "there is no Envoy"
}

extension AuthorizationCondition.Key {
    /// The attributes of Istio's that can be known here, without those that have a name in brackets.
    static let plain: [String: AuthorizationCondition.Key] = [
        "source.ip": .sourceIP, "source.namespace": .sourceNamespace, "source.principal": .sourcePrincipal,
        "source.serviceAccount": .sourceServiceAccount, "destination.ip": .destinationIP,
        "destination.port": .destinationPort,
    ]

    /// The attribute's name as Istio writes it.
    public var name: String {
        switch self {
        case .sourceIP: "source.ip"
        case .sourceNamespace: "source.namespace"
        case .sourcePrincipal: "source.principal"
        case .sourceServiceAccount: "source.serviceAccount"
        case .destinationIP: "destination.ip"
        case .destinationPort: "destination.port"
        case .header(let name): "request.headers[\(name)]"
        case .unreadable(let name): name
        }
    }
}

/// An attribute of `when`, and why its value cannot be known, if it cannot.
struct AuthorizationAttribute {
    var key: AuthorizationCondition.Key
    var unreadable: String?
}

extension DecodingContext {
    mutating func filledString(_ node: DocumentNode) -> String? {
        guard let text = string(node) else { return nil }
        if text.isEmpty { fail(node, "must not be empty") }
        return text.isEmpty ? nil : text
    }

    mutating func attribute(_ node: DocumentNode) -> AuthorizationAttribute? {
        guard let text = filledString(node) else { return nil }
        if let key = AuthorizationCondition.Key.plain[text] { return AuthorizationAttribute(key: key) }
        let name = text.prefix { $0 != "[" }
        let unreadable: Unreadable
        switch name {
        case "request.headers": return header(text, node).map { AuthorizationAttribute(key: .header($0)) }
        case "request.auth.principal", "request.auth.audiences", "request.auth.presenter": unreadable = .token
        case "remote.ip": unreadable = .clientHeader
        case "connection.sni": unreadable = .tls
        case "request.auth.claims": unreadable = .token
        case _ where name.hasPrefix("experimental.envoy.filters."): unreadable = .envoy
        default:
            failUnknownAttribute(text, node)
            return nil
        }
        let needsBrackets = name == "request.auth.claims" || unreadable == .envoy
        guard bracketed(text, node, isNeeded: needsBrackets) else { return nil }
        return AuthorizationAttribute(key: .unreadable(text), unreadable: unreadable.rawValue)
    }

    private mutating func failUnknownAttribute(_ text: String, _ node: DocumentNode) {
        switch text.prefix(while: { $0 != "[" }) {
        case "destination.namespace":
            fail(node, "attribute \(text.boundedForMessage) is replaced by the policy's namespace")
        case "destination.labels":
            fail(node, "attribute \(text.boundedForMessage) is replaced by the policy's selector")
        default:
            let known = AuthorizationCondition.Key.plain.keys.sorted()
            fail(
                node, "attribute '\(text.boundedForMessage)' is unknown",
                hint: NearestName.find(text, among: known + ["request.headers[NAME]"]).map { "did you mean \($0)?" })
        }
    }

    /// Whether a key has a name in brackets, and only if it needs one.
    private mutating func bracketed(_ text: String, _ node: DocumentNode, isNeeded: Bool) -> Bool {
        guard isNeeded else {
            if text.contains("[") { fail(node, "attribute '\(text.boundedForMessage)' has no name in brackets") }
            return !text.contains("[")
        }
        let inner = text.drop { $0 != "[" }
        if inner.count > 2, inner.hasSuffix("]") { return true }
        fail(node, "attribute '\(text.boundedForMessage)' needs a name in brackets: 'attribute[name]'")
        return false
    }

    /// The name of `request.headers[NAME]` in lower case.
    private mutating func header(_ text: String, _ node: DocumentNode) -> String? {
        guard bracketed(text, node, isNeeded: true) else { return nil }
        let name = text.drop { $0 != "[" }.dropFirst().dropLast()
        // RFC 9110, section 5.6.2.
        let marks = Set("!#$%&'*+-.^_`|~".utf8)
        guard name.utf8.allSatisfy({ $0.isASCIILetter || $0.isASCIIDigit || marks.contains($0) }) else {
            fail(node, "'\(String(name).boundedForMessage)' is not the name of a header")
            return nil
        }
        return name.lowercased()
    }

    mutating func value(_ node: DocumentNode, of attribute: AuthorizationAttribute) -> String? {
        switch attribute.key {
        case .sourceIP, .destinationIP: addressBlockText(node)
        case .sourceNamespace: namespacePattern(node)
        case .sourcePrincipal: principal(node)
        case .sourceServiceAccount: serviceAccount(node)
        case .destinationPort: portText(node).map { "\($0)" }
        case .unreadable("remote.ip"): addressBlockText(node)
        case .header, .unreadable: filledString(node)
        }
    }

    /// A port number in a string, as Istio has it.
    mutating func portText(_ node: DocumentNode) -> UInt16? {
        guard let text = filledString(node) else { return nil }
        guard text.utf8.allSatisfy(\.isASCIIDigit), let port = UInt16(text) else {
            fail(node, "'\(text.boundedForMessage)' is not a port number in 0...65535")
            return nil
        }
        return port
    }

    /// An address, or a prefix of addresses.
    mutating func addressBlock(_ node: DocumentNode) -> CIDR? {
        guard let text = filledString(node) else { return nil }
        do throws(AddressError) {
            return try CIDR(addressOrPrefix: text)
        } catch {
            fail(node, "\(error)")
            return nil
        }
    }

    mutating func addressBlockText(_ node: DocumentNode) -> String? { addressBlock(node) == nil ? nil : node.string }

    /// `<trust domain>/ns/<namespace>/sa/<account>`, or a part of it with `*` before or after.
    mutating func principal(_ node: DocumentNode) -> String? {
        guard let text = identityPattern(node) else { return nil }
        guard !text.hasPrefix("spiffe://") else {
            fail(node, "a principal begins with the trust domain", hint: "leave out spiffe://")
            return nil
        }
        return text
    }

    mutating func namespacePattern(_ node: DocumentNode) -> String? {
        guard let text = identityPattern(node) else { return nil }
        guard !text.utf8.contains(UInt8(ascii: "/")) else {
            fail(node, "the name of a namespace has no '/'", hint: "an identity is written under principals")
            return nil
        }
        return text
    }

    /// No part of an identity has a `*`, so that one elsewhere would match nothing, or not what was meant.
    private mutating func identityPattern(_ node: DocumentNode) -> String? {
        guard let text = filledString(node) else { return nil }
        let inner = text.hasPrefix("*") ? text.dropFirst() : text.hasSuffix("*") ? text.dropLast() : text[...]
        guard !inner.utf8.contains(UInt8(ascii: "*")) else {
            fail(node, "'\(text.boundedForMessage)' may have one '*', at its beginning or at its end")
            return nil
        }
        return text
    }

    /// `account` or `namespace/account`, without wildcards.
    mutating func serviceAccount(_ node: DocumentNode) -> String? {
        guard let text = filledString(node) else { return nil }
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        let account = parts[parts.count - 1]
        if text.utf8.contains(UInt8(ascii: "*")) {
            fail(node, "a service account may not have a '*'", hint: "use principals for patterns")
        } else if parts.count > 2 || parts.contains("") {
            fail(node, "'\(text.boundedForMessage)' is not 'account' or 'namespace/account'")
        } else if parts.count == 2, let problem = NameRules.dnsLabel(parts[0]) {
            fail(node, "namespace \(problem)")
        } else if let problem = NameRules.dnsSubdomain(account) {
            fail(node, "service account \(problem)")
        } else {
            return text
        }
        return nil
    }

    mutating func pathPattern(_ node: DocumentNode) -> String? {
        guard let text = filledString(node) else { return nil }
        if RequestValue(path: text) != nil { return text }
        fail(
            node, "'\(text.boundedForMessage)' is not a path template",
            hint: "segments are text, '{*}' or at most one '{**}', which no '{*}' follows")
        return nil
    }
}

extension CIDR {
    /// Reads a prefix, or an address as the prefix that holds it alone.
    ///
    /// - Throws: ``AddressError``.
    package init(addressOrPrefix text: String) throws(AddressError) {
        if text.utf8.contains(UInt8(ascii: "/")) {
            try self.init(text)
        } else {
            _ = try IPAddress(text)
            // Refuses IPv4 in IPv6 form.
            try self.init("\(text)/\(text.utf8.contains(UInt8(ascii: ":")) ? 128 : 32)")
        }
    }
}

extension RequestValue {
    /// What a path is compared with, from its written form. Nil: a template with `{*}` or `{**}` that is not valid.
    ///
    /// A template begins with a slash. Each of its segments is text without braces and stars, or one of the two
    /// operators; `{**}` is the last of them.
    package init?(path text: String) {
        guard text.contains("{*}") || text.contains("{**}") else {
            self = .text(TextMatch(written: text))
            return
        }
        guard text.hasPrefix("/") else { return nil }
        var segments: [PathSegment] = []
        for part in text.dropFirst().split(separator: "/", omittingEmptySubsequences: false) {
            switch part {
            case _ where segments.contains(.any) && (part == "{*}" || part == "{**}"): return nil
            case "{*}": segments.append(.one)
            case "{**}": segments.append(.any)
            case _ where part.contains(where: { "{}*".contains($0) }): return nil
            default: segments.append(.literal(String(part)))
            }
        }
        self = .template(segments)
    }
}
