// SPDX-License-Identifier: Apache-2.0
import PolicyCompiler
import PolicyModel
import Requests

/// Whether two lists of authorization rules give every request the same answer.
enum RequestComparison {
    case equal
    /// For a request that was found.
    case different
    /// The rules differ, and no request was found for which the answers do.
    case unknown

    /// Requests that are tried at most.
    private static let limit = 4096

    static func compare(_ old: [LazyProgram.RequestRule], _ new: [LazyProgram.RequestRule]) -> RequestComparison {
        if runs(old) == runs(new) { return .equal }
        let rules = (RequestRules(old.map(\.asRule)), RequestRules(new.map(\.asRule)))
        for request in candidates(old + new)
        where rules.0.answer(request).isAllowed != rules.1.answer(request).isAllowed {
            return .different
        }
        return .unknown
    }

    private struct Run: Equatable {
        var action: RuleAction
        var requests: Set<RequestMatch?>
    }

    /// Neighboring rules with one action may be in any order, and a rule after one for every request means nothing.
    private static func runs(_ rules: [LazyProgram.RequestRule]) -> [Run] {
        var runs: [Run] = []
        for rule in rules {
            if runs.last?.action == rule.action {
                runs[runs.count - 1].requests.insert(rule.request)
            } else {
                runs.append(Run(action: rule.action, requests: [rule.request]))
            }
            if rule.request == nil { break }
        }
        return runs
    }

    /// Requests that meet and that miss each condition, in all combinations up to a limit.
    private static func candidates(_ rules: [LazyProgram.RequestRule]) -> [HTTPRequest] {
        var requests = [HTTPRequest(method: "GET", host: "example.com", path: "/")]
        var values: [RequestCondition.Field: Set<String>] = [:]
        for condition in rules.flatMap({ $0.request?.conditions ?? [] }) {
            let examples = condition.values.flatMap { $0.examples(condition.field) }
            values[condition.field, default: []].formUnion(examples)
        }
        for (field, examples) in values.sorted(by: { $0.key.description < $1.key.description }) {
            var more: [HTTPRequest] = []
            for request in requests {
                for example in examples.sorted() {
                    guard requests.count + more.count < limit else { break }
                    more.append(request.with(field, example))
                }
            }
            requests += more
        }
        return requests
    }
}

extension LazyProgram.RequestRule {
    fileprivate var asRule: RequestRules.Rule { RequestRules.Rule(action: action, request: request) }
}

extension RequestValue {
    /// Texts that match.
    fileprivate func examples(_ field: RequestCondition.Field) -> [String] {
        switch self {
        case .template(let segments): return [segments.map { "/\($0.example)" }.joined()]
        case .text(.exact(let text)): return [text]
        case .text(.prefix(let start)): return [start, "\(start)x"]
        // For a path, what a `*` stands for must keep it a path.
        case .text(.suffix(let end)): return field == .path ? ["/x\(end)", "/x/\(end)"] : [end, "x\(end)"]
        case .text(.present): return [field == .path ? "/x" : "x"]
        }
    }
}

extension PathSegment {
    fileprivate var example: String {
        switch self {
        case .literal(let text): text
        case .one, .any: "x"
        }
    }
}

extension HTTPRequest {
    fileprivate func with(_ field: RequestCondition.Field, _ value: String) -> HTTPRequest {
        var request = self
        switch field {
        case .method: request.method = value
        case .host: request.host = value
        case .path: request.path = value
        case .header(let name): request.headers[name] = value
        }
        return request
    }
}
