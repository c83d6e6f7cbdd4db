// SPDX-License-Identifier: Apache-2.0
import PolicyModel

/// The rules of authorization that match a flow by its peer and port, in order of evaluation.
public struct RequestRules: Sendable, Hashable {
    public struct Rule: Sendable, Hashable {
        public var action: RuleAction
        /// Nil: every request.
        public var request: RequestMatch?
        public init(action: RuleAction, request: RequestMatch? = nil) {
            self.action = action
            self.request = request
        }
    }
    public let rules: [Rule]
    private let readsPath: Bool
    private let readsHost: Bool
    /// The headers, by name in lower case, that rules read.
    private let headers: Set<String>

    public init(_ rules: [Rule]) {
        self.rules = rules
        let fields = Set(rules.lazy.flatMap { $0.request?.conditions ?? [] }.map(\.field))
        headers = Set(fields.compactMap { if case .header(let name) = $0 { name } else { nil } })
        readsPath = rules.contains { $0.request?.readsPath ?? false }
        readsHost = fields.contains(.host) || headers.contains("host")
    }

    /// The first rule that matches decides; without one the request is allowed.
    ///
    /// What servers read in different ways is refused if a rule reads it. A path with a plain normal form must get the
    /// same answer as written and in that form; else it is refused as well. `CONNECT` is refused wherever requests are
    /// read: it would open a channel in which nothing reads them.
    public func answer(_ request: HTTPRequest) -> RequestAnswer {
        if let problem = problem(of: request) { return .refuse(problem) }
        guard readsPath else { return answer(as: request) }
        switch PathForms(request.path) {
        case .ambiguous(let problem): return .refuse(problem)
        case .plain: return answer(as: request)
        case .normalized(let path):
            var other = request
            other.path = path
            let (written, normal) = (answer(as: request), answer(as: other))
            if written.isAllowed == normal.isAllowed { return normal }
            return .refuse(.pathWithTwoAnswers)
        }
    }

    private func problem(of request: HTTPRequest) -> RequestProblem? {
        // Where the first rule decides about all requests, the flow passes unread.
        guard rules.first?.request != nil else { return nil }
        if request.method == "CONNECT" { return .tunnel }
        if readsHost, !request.host.utf8.allSatisfy(\.isOfHost) { return .malformedHost }
        let isWhole = headers.allSatisfy { name in !(request.headers[name]?.utf8.contains(0) ?? false) }
        return isWhole ? nil : .nullByte
    }

    private func answer(as request: HTTPRequest) -> RequestAnswer {
        for (index, rule) in rules.enumerated() where rule.request?.matches(request) ?? true {
            return rule.action == .deny ? .deny(rule: index) : .allow(rule: index)
        }
        return .allow(rule: nil)
    }
}

/// The answer for one request.
public enum RequestAnswer: Sendable, Hashable {
    /// By this rule, or because no rule matches.
    case allow(rule: Int?)
    case deny(rule: Int)
    /// Not decided by a rule: the request cannot be read in one way.
    case refuse(RequestProblem)

    public var isAllowed: Bool { if case .allow = self { true } else { false } }
}

/// Why a request is refused before any rule decides.
public enum RequestProblem: String, Error, Sendable, Hashable, CaseIterable {
    case encodedSeparator = "the path has an encoded slash, backslash or null byte"
    case backslash = "the path has a backslash"
    case emptySegment = "the path has an empty segment (//)"
    case parameters = "the path has parameters (;)"
    case notUTF8 = "the path is not UTF-8"
    case malformedEscape = "the path has a malformed percent escape"
    case aboveRoot = "the path leads above its root"
    case notAPath = "the target is not a path"
    case tunnel = "CONNECT would open a channel whose requests are not read"
    case malformedHost = "the host is not a name or an address, with or without a port"
    case nullByte = "a header that a rule reads has a null byte"
    case twoHosts = "the target and the host header name different hosts"
    case pathWithTwoAnswers = "the path as written and its normal form have different answers"
}

extension UInt8 {
    /// Whether it may be in a host's name or address (RFC 3986, section 3.2.2, without escapes and delimiters) or port.
    var isOfHost: Bool {
        switch self {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
            UInt8(ascii: "~"), UInt8(ascii: ":"), UInt8(ascii: "["), UInt8(ascii: "]"):
            true
        default: false
        }
    }
}
