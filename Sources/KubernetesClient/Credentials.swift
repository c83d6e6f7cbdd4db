// SPDX-License-Identifier: Apache-2.0
import Glibc
import NIOPosix

/// The current credentials: files and programs are read again when they change or expire.
actor Credentials {
    /// What one request needs.
    struct Current: Sendable {
        var token: String?
        var trust: Trust
    }

    /// The trust of a TLS connection; a different one needs new connections.
    struct Trust: Sendable, Hashable {
        /// PEM; nil for those of the system.
        var authorities: [UInt8]?
        var chain: [UInt8]?
        var key: [UInt8]?
    }

    private let access: ClusterAccess
    /// The last result of the plugin.
    private var credential: CredentialPlugin.Credential?
    /// A run of the plugin for which all callers wait.
    private var run: Task<CredentialPlugin.Credential, any Error>?

    /// Seconds before its expiry at which a credential is replaced.
    private static let margin: Int64 = 20

    init(_ access: ClusterAccess) { self.access = access }

    /// - Throws: ``AccessError``.
    func current() async throws -> Current {
        let given = try await pluginCredential()
        let access = access
        return try await Self.blocking {
            let certificate = given?.certificate ?? access.certificate
            var current = Current(token: given?.token, trust: Trust())
            if let token = access.token { current.token = try token.readToken(token.name(in: access.source)) }
            current.trust.authorities = try access.authorities?.read()
            current.trust.chain = try certificate?.chain.read()
            current.trust.key = try certificate?.key.read()
            return current
        }
    }

    /// The server has refused them: the plugin's result is dropped.
    func refused() { credential = nil }

    private func pluginCredential() async throws -> CredentialPlugin.Credential? {
        guard let plugin = access.plugin else { return nil }
        if let credential, credential.expires.map({ $0 - Self.margin > Int64(time(nil)) }) ?? true { return credential }
        if let run { return try await run.value }
        let access = access
        let started = Task { try await Self.blocking { try plugin.run(for: access) } }
        run = started
        defer { run = nil }
        let given = try await started.value
        credential = given
        return given
    }

    /// Files and programs block.
    private static func blocking<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
        try await NIOThreadPool.singleton.runIfActive(body)
    }
}
