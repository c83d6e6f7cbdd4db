// SPDX-License-Identifier: Apache-2.0
import Documents
import FoundationEssentials
import Glibc

/// A program that returns credentials (client.authentication.k8s.io ExecCredential).
public struct CredentialPlugin: Sendable, Hashable {
    static let versions = ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"]

    /// Where it is configured, for errors.
    public var source: String
    public var field: String
    public var apiVersion: String
    /// A path, or a name that is looked up in PATH.
    public var command: String
    public var arguments: [String] = []
    /// In addition to this process's environment.
    public var environment: [String: String] = [:]
    /// What to do if the program is missing.
    public var hint: String?
    /// Whether the program gets information about the cluster.
    public var wantsCluster = false

    public init(source: String, field: String, apiVersion: String, command: String) {
        self.source = source
        self.field = field
        self.apiVersion = apiVersion
        self.command = command
    }

    /// What the program returned.
    struct Credential: Sendable, Hashable {
        var token: String?
        var certificate: ClusterAccess.ClientCertificate?
        /// The time of expiry in seconds since 1970; nil if it is valid until refused.
        var expires: Int64?
    }

    private func error(_ reason: String) -> AccessError {
        AccessError(source: source, field: field, reason: "\(command): \(reason)")
    }

    /// Runs the program and reads its output. Blocks until it ends.
    func run(for access: ClusterAccess) throws(AccessError) -> Credential {
        var variables = ProcessInfo.processInfo.environment.merging(environment) { _, own in own }
        variables["KUBERNETES_EXEC_INFO"] = try information(access)
        let output: [UInt8]
        do throws(ChildProcess.Failure) {
            output = try ChildProcess.output(of: [command] + arguments, environment: variables)
        } catch let failure {
            throw error(words(failure))
        }
        return try credential(output)
    }

    private func words(_ failure: ChildProcess.Failure) -> String {
        switch failure {
        case .notStarted(let code): String(cString: strerror(code)) + (hint.map { "; \($0)" } ?? "")
        case .late(let seconds): "did not end within \(seconds) seconds"
        case .tooMuch(let limit): "printed more than \(limit) bytes"
        case .failed(let status): "failed with status \(status)"
        }
    }

    private func information(_ access: ClusterAccess) throws(AccessError) -> String {
        struct Information: Encodable {
            struct Spec: Encodable {
                struct Cluster: Encodable {
                    var server: String
                    var certificateAuthorityData: String?
                    var tlsServerName: String?
                    enum CodingKeys: String, CodingKey {
                        case server
                        case certificateAuthorityData = "certificate-authority-data"
                        case tlsServerName = "tls-server-name"
                    }
                }
                var interactive = false
                var cluster: Cluster?
            }
            var apiVersion: String
            var kind = "ExecCredential"
            var spec = Spec()
        }
        var information = Information(apiVersion: apiVersion)
        if wantsCluster {
            information.spec.cluster = Information.Spec.Cluster(
                server: "\(access.server)",
                certificateAuthorityData: try access.authorities.map { authorities throws(AccessError) in
                    Data(try authorities.read()).base64EncodedString()
                }, tlsServerName: access.serverName)
        }
        guard let json = try? JSONEncoder().encode(information) else {
            throw error("cannot receive information about the cluster")
        }
        return String(decoding: json, as: UTF8.self)
    }

    /// Reads an ExecCredential.
    func credential(_ output: [UInt8]) throws(AccessError) -> Credential {
        let document: DocumentNode
        do {
            document = try JSONReader.read(output)
        } catch let failure {
            throw error("its output is not JSON: \(failure)")
        }
        let root = ConfigurationNode(node: document, file: "the output of \(command)", path: "")
        guard try root.required("kind").string() == "ExecCredential" else {
            throw try root.required("kind").error("must be ExecCredential")
        }
        let version = try root.required("apiVersion")
        guard try version.string() == apiVersion else { throw version.error("must be \(apiVersion)") }
        let status = try root.required("status")
        var credential = Credential(token: try status.string("token"))
        if let chain = try status.string("clientCertificateData") {
            let key = try status.required("clientKeyData").string()
            credential.certificate = ClusterAccess.ClientCertificate(
                chain: .bytes(Array(chain.utf8)), key: .bytes(Array(key.utf8)))
        }
        if credential.token == nil, credential.certificate == nil {
            throw status.error("has neither token nor certificate")
        }
        if let expires = status["expirationTimestamp"] {
            guard let seconds = Timestamp.seconds(try expires.string()) else {
                throw expires.error("is not a timestamp")
            }
            credential.expires = seconds
        }
        return credential
    }
}
