// SPDX-License-Identifier: Apache-2.0

/// What a rule asks of an HTTP request: all of its conditions hold. Packets do not show it; the node's proxy does.
public struct RequestMatch: Sendable, Hashable {
    /// Not empty.
    public var conditions: [RequestCondition]
    public init(conditions: [RequestCondition]) { self.conditions = conditions }

    /// Whether a condition is about the request's path, for which ambiguous spellings are refused.
    public var readsPath: Bool { conditions.contains { $0.field == .path } }
}

/// One condition on a field of a request.
public struct RequestCondition: Sendable, Hashable {
    public enum Field: Sendable, Hashable {
        case method
        /// The authority that the request names, without regard to case.
        case host
        /// The path without the query.
        case path
        /// A header by its name in lower case. A request that repeats a header has all its values, joined by commas.
        case header(String)
    }
    public var field: Field
    /// Any of them. Not empty.
    public var values: [RequestValue]
    /// The condition holds if no value matches, a missing header included.
    public var isExcluded: Bool

    public init(_ field: Field, _ values: [RequestValue], isExcluded: Bool = false) {
        self.field = field
        self.values = values
        self.isExcluded = isExcluded
    }
}

/// What a field of a request is compared with.
public enum RequestValue: Sendable, Hashable {
    case text(TextMatch)
    /// A path by its segments.
    case template([PathSegment])
}

/// A segment of a path template (Istio: "URI template").
public enum PathSegment: Sendable, Hashable {
    case literal(String)
    /// `{*}`: exactly one segment, not empty.
    case one
    /// `{**}`: anything after its slash: nothing, or text with or without slashes. At most once in a template, and the
    /// last operator.
    case any
}

extension RequestValue {
    /// The written form.
    public var written: String {
        switch self {
        case .text(let match): match.written
        case .template(let segments): segments.map { "/\($0.written)" }.joined()
        }
    }
}

extension PathSegment {
    fileprivate var written: String {
        switch self {
        case .literal(let text): text
        case .one: "{*}"
        case .any: "{**}"
        }
    }
}

extension RequestMatch: CustomStringConvertible {
    /// "method GET or HEAD; path /admin*; header x-token not present".
    public var description: String { conditions.map(\.description).joined(separator: "; ") }
}

extension RequestCondition: CustomStringConvertible {
    public var description: String { "\(field) \(valueText)" }

    /// "GET or HEAD", "not /admin*".
    public var valueText: String { (isExcluded ? "not " : "") + values.map(\.written).joined(separator: " or ") }
}

extension RequestCondition.Field: CustomStringConvertible {
    public var description: String {
        switch self {
        case .method: "method"
        case .host: "host"
        case .path: "path"
        case .header(let name): "header \(name)"
        }
    }
}
