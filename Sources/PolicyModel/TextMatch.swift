// SPDX-License-Identifier: Apache-2.0

/// A condition on one text, as Istio's AuthorizationPolicy writes it: `a`, `a*`, `*a`, `*`.
public enum TextMatch: Sendable, Hashable {
    case exact(String)
    /// Starts with this text; never empty.
    case prefix(String)
    /// Ends with this text; never empty.
    case suffix(String)
    /// Any text that is not empty.
    case present

    /// Reads the written form. A `*` anywhere else than first or last is an ordinary character, and of two at the ends
    /// the first one counts, as in Istio.
    public init(written text: String) {
        if text == "*" {
            self = .present
        } else if text.hasPrefix("*") {
            self = .suffix(String(text.dropFirst()))
        } else if text.hasSuffix("*") {
            self = .prefix(String(text.dropLast()))
        } else {
            self = .exact(text)
        }
    }

    /// Compares bytes: two texts that only look alike to a person are different.
    public func matches(_ text: String) -> Bool {
        switch self {
        case .exact(let wanted): text.utf8.elementsEqual(wanted.utf8)
        case .prefix(let start): text.utf8.starts(with: start.utf8)
        case .suffix(let end): text.utf8.reversed().starts(with: end.utf8.reversed())
        case .present: !text.isEmpty
        }
    }

    /// The written form.
    public var written: String {
        switch self {
        case .exact(let text): text
        case .prefix(let text): "\(text)*"
        case .suffix(let text): "*\(text)"
        case .present: "*"
        }
    }
}
