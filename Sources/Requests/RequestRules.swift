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
    public var rules: [Rule]
    public init(_ rules: [Rule]) { self.rules = rules }

    /// The first rule that matches decides; without one the request is allowed.
    ///
    /// A path that servers read in different ways is refused if a rule reads it. A path with a plain normal form must
    /// get the same answer as written and in that form; else it is refused as well.
    public func answer(_ request: HTTPRequest) -> RequestAnswer {
        guard rules.contains(where: { $0.request?.readsPath ?? false }) else { return answer(as: request) }
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
    case twoHosts = "the target and the host header name different hosts"
    case pathWithTwoAnswers = "the path as written and its normal form have different answers"
}
