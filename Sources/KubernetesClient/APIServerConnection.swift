// SPDX-License-Identifier: Apache-2.0
import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import NIOSSL

/// Sends requests to an API server. HTTP/1.1 with one connection per request under way, so that giving up one
/// connection affects no other request.
public actor APIServerConnection {
    public nonisolated let access: ClusterAccess
    private let credentials: Credentials
    private let userAgent: String
    private var client: HTTPClient?
    /// The trust of the client's connections.
    private var trust: Credentials.Trust?

    /// Connections at once: one per resource, and Events.
    private static let connectionLimit = 16

    /// - Parameter userAgent: the name of this program in the server's log.
    public init(_ access: ClusterAccess, userAgent: String) {
        self.access = access
        self.userAgent = userAgent
        credentials = Credentials(access)
    }

    /// What to request.
    struct Request: Sendable {
        var method = HTTPMethod.GET
        /// Path and query.
        var target: String
        var accept = "application/json"
        /// JSON.
        var body: [UInt8]?
    }

    /// Returns the head of the answer; its body follows.
    ///
    /// - Throws: ``AccessError`` if no credentials are available, otherwise the error of the connection.
    func send(_ request: Request) async throws -> HTTPClientResponse {
        let current = try await credentials.current()
        let client = try client(current.trust)
        var sent = HTTPClientRequest(
            url: access.server.url(host: access.serverName ?? access.server.host) + request.target)
        sent.method = request.method
        sent.headers.add(name: "user-agent", value: userAgent)
        sent.headers.add(name: "accept", value: request.accept)
        if let token = current.token { sent.headers.add(name: "authorization", value: "Bearer \(token)") }
        if let body = request.body {
            sent.headers.add(name: "content-type", value: "application/json")
            sent.body = .bytes(body)
        }
        return try await client.execute(sent, deadline: .distantFuture)
    }

    func credentialsRefused() async { await credentials.refused() }

    /// Ends all connections. Send nothing afterward.
    public func shutdown() async {
        let old = client
        client = nil
        try? await old?.shutdown()
    }

    /// A client whose connections use `trust`: a new one if that has changed.
    private func client(_ trust: Credentials.Trust) throws -> HTTPClient {
        if let client, self.trust == trust { return client }
        var configuration = HTTPClient.Configuration(
            tlsConfiguration: try Self.tls(trust, access), redirectConfiguration: .disallow,
            timeout: HTTPClient.Configuration.Timeout(connect: .seconds(10)))
        configuration.httpVersion = .http1Only
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = Self.connectionLimit
        // The caller waits by its own rules.
        configuration.connectionPool.retryConnectionEstablishment = false
        if let name = access.serverName { configuration.dnsOverride[name] = access.server.host }
        configuration.http1_1ConnectionDebugInitializer = { channel in Self.setUp(channel) }
        let old = client
        let new = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        client = new
        self.trust = trust
        // Watches over the old client end and continue over the new one.
        if let old { Task { try? await old.shutdown() } }
        return new
    }

    private static func setUp(_ channel: any Channel) -> EventLoopFuture<Void> {
        // Lists are large.
        let allocator = AdaptiveRecvByteBufferAllocator(minimum: 1 << 10, initial: 4 << 10, maximum: 256 << 10)
        return KeepAlive.set(on: channel)
            .flatMap { channel.setOption(.recvAllocator, value: allocator) }
            .flatMapThrowing { try channel.pipeline.syncOperations.addHandler(ReadPacing(), position: .first) }
    }

    private static func tls(_ trust: Credentials.Trust, _ access: ClusterAccess) throws(AccessError) -> TLSConfiguration
    {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.certificateVerification = .fullVerification
        configuration.minimumTLSVersion = .tlsv12
        if let authorities = trust.authorities {
            let name = access.authorities?.name(in: access.source) ?? access.source
            configuration.trustRoots = .certificates(try certificates(authorities, name))
        } else {
            try SystemAuthorities().require(for: access.source)
        }
        if let chain = trust.chain, let key = trust.key {
            let name = access.certificate?.chain.name(in: access.source) ?? access.source
            configuration.certificateChain = try certificates(chain, name).map { .certificate($0) }
            do {
                configuration.privateKey = .privateKey(try NIOSSLPrivateKey(bytes: key, format: .pem))
            } catch {
                let name = access.certificate?.key.name(in: access.source) ?? access.source
                throw AccessError(source: name, reason: "has no private key in PEM")
            }
        }
        return configuration
    }

    private static func certificates(_ pem: [UInt8], _ source: String) throws(AccessError) -> [NIOSSLCertificate] {
        guard let found = try? NIOSSLCertificate.fromPEMBytes(pem), !found.isEmpty else {
            throw AccessError(source: source, reason: "has no certificate in PEM")
        }
        return found
    }
}
