// SPDX-License-Identifier: Apache-2.0
import PolicyModel

extension RequestMatch {
    public func matches(_ request: HTTPRequest) -> Bool { conditions.allSatisfy { $0.matches(request) } }
}

extension RequestCondition {
    func matches(_ request: HTTPRequest) -> Bool {
        guard let text = field.text(of: request) else { return isExcluded }
        return values.contains { $0.matches(text) } != isExcluded
    }
}

extension RequestCondition.Field {
    /// Nil: the request has no such field.
    fileprivate func text(of request: HTTPRequest) -> String? {
        switch self {
        case .method: request.method
        case .host: request.host.lowercased()
        case .path: request.path
        case .header(let name): request.headers[name]
        }
    }
}

extension RequestValue {
    fileprivate func matches(_ text: String) -> Bool {
        switch self {
        case .text(let match): match.matches(text)
        case .template: false
        }
    }
}
