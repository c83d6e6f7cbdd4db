// SPDX-License-Identifier: Apache-2.0

/// How to reach an API server, and with which credentials. Its certificate is always verified.
public struct ClusterAccess: Sendable, Hashable {
    /// Where the server is.
    public struct Server: Sendable, Hashable, CustomStringConvertible {
        /// A name, or an address without brackets.
        public var host: String
        public var port: Int
        /// The path before `/api`, without a trailing slash; usually empty.
        public var path: String
        public init(host: String, port: Int = 443, path: String = "") {
            self.host = host
            self.port = port
            self.path = path
        }

        public var description: String { url(host: host) }

        func url(host: String) -> String {
            "https://\(host.contains(":") ? "[\(host)]" : host):\(port)\(path)"
        }
    }

    /// A value that is given directly, or lies in a file that is read again for each use because others replace it.
    public enum Content: Sendable, Hashable {
        case bytes([UInt8])
        case file(String)
    }

    /// The client's certificate with its key; PEM.
    public struct ClientCertificate: Sendable, Hashable {
        public var chain: Content
        public var key: Content
        public init(chain: Content, key: Content) {
            self.chain = chain
            self.key = key
        }
    }

    /// Where this was read, for errors.
    public var source: String
    public var server: Server
    /// Certificates by which the server's certificate must be signed, PEM; nil for those of the system.
    public var authorities: Content?
    /// The name that the server's certificate must have; nil for the server's host.
    public var serverName: String?
    public var certificate: ClientCertificate?
    /// A bearer token.
    public var token: Content?
    public var plugin: CredentialPlugin?

    public init(source: String, server: Server) {
        self.source = source
        self.server = server
    }
}

/// Why it is unknown how to reach the API server, or with which credentials.
public struct AccessError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The file, or another source such as an environment variable.
    public var source: String
    /// Counted from 1; 0 if no line can be named.
    public var line: Int
    /// For example `users[0].user.exec.command`; empty for the source as a whole.
    public var field: String
    public var reason: String

    public init(source: String, line: Int = 0, field: String = "", reason: String) {
        self.source = source
        self.line = line
        self.field = field
        self.reason = reason
    }

    public var description: String {
        let place = line > 0 ? "\(source):\(line)" : source
        return field.isEmpty ? "\(place): \(reason)" : "\(place): \(field): \(reason)"
    }
}
