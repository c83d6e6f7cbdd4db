// SPDX-License-Identifier: Apache-2.0
import PolicyModel

extension TextMatch {
    /// The pods of which `<trust domain>/ns/<namespace>/sa/<account>` matches. Nil: none.
    ///
    /// Neither a namespace nor an account has a slash, so a pattern says exactly which part of an identity it reads.
    func identities(inTrustDomain domain: String) -> PodIdentity? {
        let start = "\(domain)/ns/"
        switch self {
        case .present: return PodIdentity()
        case .exact(let text): return Self.identity(text, start)
        case .prefix(let text): return Self.identities(from: text, start)
        case .suffix(let text): return Self.identities(upTo: text, start)
        }
    }

    /// A principal in full: by far the most frequent form. Bytes are faster than characters.
    private static func identity(_ text: String, _ start: String) -> PodIdentity? {
        let bytes = text.utf8
        guard bytes.starts(with: start.utf8) else { return nil }
        let rest = bytes.dropFirst(start.utf8.count)
        guard let end = rest.firstIndex(of: UInt8(ascii: "/")), end > rest.startIndex else { return nil }
        let tail = rest[end...]
        guard tail.starts(with: "/sa/".utf8) else { return nil }
        let account = tail.dropFirst(4)
        guard !account.isEmpty, !account.contains(UInt8(ascii: "/")) else { return nil }
        return PodIdentity(
            namespace: .exact(String(Substring(rest[..<end]))), account: .exact(String(Substring(account))))
    }

    private static func identities(from text: String, _ start: String) -> PodIdentity? {
        if start.hasPrefix(text) { return PodIdentity() }
        guard text.hasPrefix(start) else { return nil }
        let rest = text.dropFirst(start.count)
        let namespace = String(rest.prefix { $0 != "/" })
        if namespace.count == rest.count { return PodIdentity(namespace: .prefix(namespace)) }
        guard !namespace.isEmpty else { return nil }
        let tail = String(rest.dropFirst(namespace.count))
        let middle = "/sa/"
        if middle.hasPrefix(tail) { return PodIdentity(namespace: .exact(namespace)) }
        guard tail.hasPrefix(middle) else { return nil }
        let account = String(tail.dropFirst(middle.count))
        return account.contains("/")
            ? nil : PodIdentity(namespace: .exact(namespace), account: .prefix(account))
    }

    private static func identities(upTo text: String, _ start: String) -> PodIdentity? {
        guard let slash = text.lastIndex(of: "/") else { return PodIdentity(account: .suffix(text)) }
        let account = String(text[text.index(after: slash)...])
        guard !account.isEmpty else { return nil }
        let before = String(text[...slash])
        let middle = "/sa/"
        if middle.hasSuffix(before) { return PodIdentity(account: .exact(account)) }
        guard before.hasSuffix(middle) else { return nil }
        let place = before.dropLast(middle.count)
        guard let inner = place.lastIndex(of: "/") else {
            return PodIdentity(namespace: .suffix(String(place)), account: .exact(account))
        }
        let namespace = String(place[place.index(after: inner)...])
        guard !namespace.isEmpty, start.hasSuffix(String(place[...inner])) else { return nil }
        return PodIdentity(namespace: .exact(namespace), account: .exact(account))
    }
}
