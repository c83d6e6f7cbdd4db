// SPDX-License-Identifier: Apache-2.0
import PolicyModel
import Requests

extension NearestRequest {
    /// The rule with the fewest conditions that a request does not meet, among those that allow. Nil: none reads
    /// requests.
    ///
    /// - Parameter rules: in order of evaluation; the first of several equals counts.
    init?(among rules: [(ProgramRule, RuleIdentity)], to request: HTTPRequest) {
        var best: (unmet: [RequestCondition], rule: RuleIdentity)?
        for (rule, identity) in rules where rule.action == .allow {
            let unmet = (rule.request?.conditions ?? []).filter { !RequestMatch(conditions: [$0]).matches(request) }
            if !unmet.isEmpty, unmet.count < best?.unmet.count ?? Int.max { best = (unmet, identity) }
        }
        guard let best else { return nil }
        self.init(rule: best.rule, unmet: best.unmet[0], value: best.unmet[0].field.value(in: request))
    }
}

extension RequestCondition.Field {
    /// Nil: the request has no such field.
    fileprivate func value(in request: HTTPRequest) -> String? {
        switch self {
        case .method: request.method
        case .host: request.host
        case .path: request.path
        case .header(let name): request.headers[name]
        }
    }
}

extension ProgramRule {
    /// Why it decides about a request that it matches.
    var reason: DecisionReason { request.map { .requestRule($0) } ?? .rule }
}
