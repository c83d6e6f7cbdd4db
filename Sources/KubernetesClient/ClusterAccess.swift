// SPDX-License-Identifier: Apache-2.0

/// How an API server is reached, and as whom. Its certificate is verified always.
public struct ClusterAccess: Sendable, Hashable {
    /// Where the server is.
    public struct Server: Sendable, Hashable, CustomStringConvertible {
        /// A name, or an address without brackets.
        public var host: String
        public var port: Int
        /// What comes before `/api`, without a slash at its end; mostly empty.
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

    /// Something that is written out, or lies in a file, which is read again for each use: others replace it.
    public enum Content: Sendable, Hashable {
        case bytes([UInt8])
        case file(String)
    }

    /// A certificate to show, with its key; PEM.
    public struct ClientCertificate: Sendable, Hashable {
        public var chain: Content
        public var key: Content
        public init(chain: Content, key: Content) {
            self.chain = chain
            self.key = key
        }
    }

    /// Names what this was read from, for errors.
    public var source: String
    public var server: Server
    /// Certificates that the server's has to lead to, PEM; nil: those of the system.
    public var authorities: Content?
    /// The name that the server's certificate has to have; nil: the server's host.
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

/// Why it is not known how to reach the API server, or as whom.
public struct AccessError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The file, or another source such as an environment variable.
    public var source: String
    /// 1-based; 0 where no line can be named.
    public var line: Int
    /// Such as `users[0].user.exec.command`; empty: the source as a whole.
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
