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
        case .exact(let text):
            guard text.hasPrefix(start) else { return nil }
            let parts = text.dropFirst(start.count).split(separator: "/", omittingEmptySubsequences: false)
            guard parts.count == 3, parts[1] == "sa", !parts[0].isEmpty, !parts[2].isEmpty else { return nil }
            return PodIdentity(namespace: .exact(String(parts[0])), account: .exact(String(parts[2])))
        case .prefix(let text): return Self.identities(from: text, start)
        case .suffix(let text): return Self.identities(upTo: text, start)
        }
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
