// SPDX-License-Identifier: Apache-2.0
import Requests

/// The HTTP request of a question, as a person gives it.
public struct RequestQuestion: Sendable, Hashable {
    public var method: String?
    public var host: String?
    public var path: String?
    /// Names and values, in order; a name may occur several times.
    public var headers: [Header] = []

    public struct Header: Sendable, Hashable {
        public var name: String
        public var value: String
        public init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    public init() {}

    /// Whether nothing of a request is given: the question is about the flow as a whole.
    public var isEmpty: Bool { self == RequestQuestion() }

    /// The fields' names, in questions and on the command line.
    public static let fields = ["method", "path", "host", "headers"]

    /// The request, with GET for a missing method and `/` for a missing path; nil if nothing of it is given. The query
    /// and the fragment of the path are cut off, as no rule reads them.
    ///
    /// - Throws: ``RequestQuestionError``.
    public func request() throws(RequestQuestionError) -> HTTPRequest? {
        guard !isEmpty else { return nil }
        let method = method ?? "GET"
        guard Self.isToken(method) else { throw .method(method) }
        let path = path ?? "/"
        guard path.utf8.first == UInt8(ascii: "/") || path == "*", Self.isVisible(path) else { throw .path(path) }
        let host = host ?? ""
        guard Self.isVisible(host), !host.contains("/") else { throw .host(host) }
        var headers: [String: String] = [:]
        for header in self.headers {
            guard Self.isToken(header.name) else { throw .headerName(header.name) }
            guard Self.isText(header.value) else { throw .headerValue(header.name) }
            let name = header.name.lowercased()
            guard name != "host" else { throw .hostHeader }
            headers[name] = headers[name].map { "\($0),\(header.value)" } ?? header.value
        }
        return HTTPRequest(
            method: method, host: host, path: String(path.prefix { $0 != "?" && $0 != "#" }), headers: headers)
    }

    /// RFC 9110, section 5.6.2.
    private static func isToken(_ text: String) -> Bool {
        !text.isEmpty
            && text.utf8.allSatisfy {
                (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0)
                    || "!#$%&'*+-.^_`|~".utf8.contains($0)
            }
    }

    /// Without spaces and control characters.
    private static func isVisible(_ text: String) -> Bool { text.utf8.allSatisfy { $0 > 32 && $0 != 127 } }

    /// Without line ends and control characters.
    private static func isText(_ text: String) -> Bool {
        text.utf8.allSatisfy { ($0 >= 32 && $0 != 127) || $0 == UInt8(ascii: "\t") }
    }
}

/// What is wrong with the request of a question.
public enum RequestQuestionError: Error, Sendable, Hashable, CustomStringConvertible {
    case method(String)
    case path(String)
    case host(String)
    case headerName(String)
    case headerValue(String)
    case hostHeader

    public var description: String {
        switch self {
        case .method(let text): "the method '\(text)' is not one word such as GET"
        case .path(let text): "the path '\(text)' must begin with / and have no spaces or control characters"
        case .host(let text): "the host '\(text)' must be a host's name or address, with or without a port"
        case .headerName(let text): "'\(text)' is not the name of a header"
        case .headerValue(let name): "the value of the header '\(name)' has line ends or control characters"
        case .hostHeader: "the header 'host' is given as the host"
        }
    }
}
