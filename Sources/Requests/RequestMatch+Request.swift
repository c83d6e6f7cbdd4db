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
        case .text(let match): return match.matches(text)
        case .template(let template):
            let slash = UInt8(ascii: "/")
            guard text.utf8.first == slash else { return false }
            let path = text.utf8.dropFirst().split(separator: slash, omittingEmptySubsequences: false)
            guard let any = template.firstIndex(of: .any) else {
                return path.count == template.count && zip(template, path).allSatisfy { $0.matches($1) }
            }
            // `{**}` stands for at least one segment, which may be empty: `/a/{**}` matches `/a/` and not `/a`.
            let (before, after) = (template[..<any], template[(any + 1)...])
            return path.count > before.count + after.count && zip(before, path).allSatisfy { $0.matches($1) }
                && zip(after, path.suffix(after.count)).allSatisfy { $0.matches($1) }
        }
    }
}

extension PathSegment {
    fileprivate func matches(_ text: Substring.UTF8View) -> Bool {
        switch self {
        case .literal(let wanted): text.elementsEqual(wanted.utf8)
        case .one: !text.isEmpty
        case .any: true
        }
    }
}
