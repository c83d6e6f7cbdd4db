// SPDX-License-Identifier: Apache-2.0
import APIServerKit
import Foundation
import KubernetesClient
import Testing

/// As whom, and whom: tokens, certificates, plugins, and servers that are not what they say.
/// One test at a time: each waits for answers and timers, which a busy machine delays.
@Suite(.serialized) struct CredentialTests {
    private func access(_ server: APIServer, user: String, host: String = "127.0.0.1") throws -> ClusterAccess {
        try Kubeconfig.read(Array(server.kubeconfig(user: user, host: host).utf8), file: "config")
    }

    /// Follows until all is known.
    private func complete(_ access: ClusterAccess) async throws {
        try await FollowedCluster.with(access) { try await $0.waitUntilComplete() }
    }

    /// Tries for a while, and answers why it failed.
    private func failure(_ access: ClusterAccess) async throws -> String {
        var text = ""
        try await FollowedCluster.with(access) { cluster in
            try await cluster.wait("a failure") { ($0.watch("pods")?.status?.failures ?? 0) > 1 }
            text = cluster.watch("pods")?.status?.lastFailure.map { "\($0)" } ?? ""
            #expect(!cluster.isComplete && cluster.current.stages.isEmpty)
        }
        return text
    }

    @Test func aTokenIsReadAgain() async throws {
        let server = try APIServer()
        server.accept(tokens: ["one"])
        let files = try TemporaryFiles(["token": "one\n", "ca.crt": APIServerCertificates.authority])
        let environment = ["KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": "\(server.port)"]
        let access = try ClusterAccess.inCluster(environment: environment, directory: files.path)
        try await FollowedCluster.with(access) { cluster in
            try await cluster.waitUntilComplete()
            server.accept(tokens: ["two"])
            server.breakConnections()
            try await cluster.wait("the refusal") {
                $0.watch("pods")?.status?.lastFailure?.description.contains("401") ?? false
            }
            try files.write("two\n", "token")
            try server.apply(ClusterFollowerTests.namespace("new"))
            try await cluster.wait("a namespace") { $0.has("new") }
        }
    }

    /// An empty machine, such as a small container: the connection's own error does not say what is missing.
    @Test func aMachineWithoutAuthoritiesIsNamed() throws {
        let files = try TemporaryFiles(["empty.crt": "", "some.crt": APIServerCertificates.authority])
        let nothing = "\(files.path)/nothing"
        let none = SystemAuthorities(files: ["\(files.path)/empty.crt", nothing], directory: nothing)
        let error = #expect(throws: AccessError.self) { try none.require(for: "config") }
        #expect(error?.source == "config" && error?.reason.contains("install the package ca-certificates") == true)
        try SystemAuthorities(files: [nothing, "\(files.path)/some.crt"], directory: nothing).require(for: "config")
        try SystemAuthorities(files: [nothing], directory: files.path).require(for: "config")
    }

    @Test func authoritiesAreReadAgain() async throws {
        let server = try APIServer()
        let files = try TemporaryFiles(["token": "t", "ca.crt": APIServerCertificates.client])
        let environment = ["KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": "\(server.port)"]
        let access = try ClusterAccess.inCluster(environment: environment, directory: files.path)
        try await FollowedCluster.with(access) { cluster in
            try await cluster.wait("a failure") { ($0.watch("pods")?.status?.failures ?? 0) > 1 }
            #expect(server.requests.isEmpty)
            try files.write(APIServerCertificates.authority, "ca.crt")
            try await cluster.waitUntilComplete()
        }
    }

    @Test(arguments: [APIServerCertificates.Server.stranger, .elsewhere])
    func aServerThatIsSomebodyElseIsNotAsked(certificate: APIServerCertificates.Server) async throws {
        let server = try APIServer(certificate: certificate)
        let reason = try await failure(try access(server, user: "token: secret"))
        #expect(!reason.isEmpty)
        #expect(server.requests.isEmpty)
    }

    @Test func theNameMayBeAnother() async throws {
        let server = try APIServer(certificate: .elsewhere)
        var access = try access(server, user: "token: t")
        access.serverName = "api.test"
        _ = try await failure(access)
        #expect(server.requests.isEmpty)
        access.serverName = "elsewhere.test"
        try await complete(access)
    }

    @Test func aClientCertificateIsShown() async throws {
        let server = try APIServer(requiresClientCertificate: true)
        _ = try await failure(try access(server, user: "token: t"))
        #expect(server.requests.isEmpty)
        let files = try TemporaryFiles(["c": APIServerCertificates.client, "k": APIServerCertificates.clientKey])
        try await complete(
            try access(server, user: "client-certificate: \(files.path)/c\nclient-key: \(files.path)/k"))
        let broken = try await failure(
            try access(server, user: "client-certificate: \(files.path)/c\nclient-key: \(files.path)/c"))
        #expect(broken == "\(files.path)/c: has no private key in PEM")
    }

    private static func plugin(_ path: String, _ more: String = "") -> String {
        """
        exec:
          apiVersion: client.authentication.k8s.io/v1
          command: \(path)/plugin
          args: [one]
          env: [{name: SUFFIX, value: two}]
          \(more)
        """
    }
    /// Counts its runs; its token is its argument and a variable.
    private static func script(_ path: String, expires: String = "") -> String {
        """
        #!/bin/sh
        echo run >> \(path)/runs
        case "$KUBERNETES_EXEC_INFO" in *'"kind":"ExecCredential"'*) ;; *) exit 3;; esac
        echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential",'
        echo '"status":{\(expires)"token":"'$1-$SUFFIX'"}}'
        """
    }
    private func runs(_ files: TemporaryFiles) throws -> Int {
        try String(contentsOfFile: "\(files.path)/runs", encoding: .utf8).split(separator: "\n").count
    }

    @Test func aPluginGivesAToken() async throws {
        let server = try APIServer()
        server.accept(tokens: ["one-two"])
        let files = try TemporaryFiles()
        try files.write(Self.script(files.path), "plugin", executable: true)
        try await complete(try access(server, user: Self.plugin(files.path)))
        // Seven watches, one run.
        #expect(try runs(files) == 1)
        // An expired credential is requested again.
        try files.write(
            Self.script(files.path, expires: #""expirationTimestamp":"2020-01-01T00:00:00Z","#), "plugin",
            executable: true)
        try await FollowedCluster.with(try access(server, user: Self.plugin(files.path))) { cluster in
            try await cluster.waitUntilComplete()
            // How many requests share a run is a matter of their time; that none is the last one is not.
            try await cluster.wait("two more runs") { _ in ((try? runs(files)) ?? 0) > 2 }
        }
    }

    /// Whatever this process does with signals and descriptors, a program of its own finds as usual.
    @Test func aPluginInheritsNothing() async throws {
        let server = try APIServer()
        server.accept(tokens: ["one-two"])
        let files = try TemporaryFiles()
        let usual = """
            ls /proc/self/fd > \(files.path)/descriptors
            sleep 0.01 &
            wait
            grep -E '^Sig(Blk|Ign)' /proc/self/status > \(files.path)/signals
            """
        let script = Self.script(files.path).replacing("echo run >>", with: "\(usual)\necho run >>")
        try files.write(script, "plugin", executable: true)
        try await complete(try access(server, user: Self.plugin(files.path)))
        let descriptors = try String(contentsOfFile: "\(files.path)/descriptors", encoding: .utf8)
        // The fourth is the folder that is being read.
        #expect(descriptors == "0\n1\n2\n3\n")
        let signals = try String(contentsOfFile: "\(files.path)/signals", encoding: .utf8).split(separator: "\n")
        #expect(signals.count == 2 && signals[0].hasSuffix("\t0000000000000000"), "\(signals)")
        // SIGPIPE is the thirteenth.
        let ignored = try #require(signals.last?.split(separator: "\t").last.flatMap { UInt64($0, radix: 16) })
        #expect(ignored & 1 << 12 == 0)
    }

    @Test func aRefusedTokenRunsThePluginAgain() async throws {
        let server = try APIServer()
        server.accept(tokens: [])
        let files = try TemporaryFiles()
        try files.write(Self.script(files.path), "plugin", executable: true)
        try await FollowedCluster.with(try access(server, user: Self.plugin(files.path))) { cluster in
            try await cluster.wait("the refusal") { ($0.watch("pods")?.status?.failures ?? 0) > 1 }
            server.accept(tokens: ["one-two"])
            try await cluster.waitUntilComplete()
            #expect(try runs(files) > 1)
        }
    }

    @Test(arguments: [
        ("exit 7", "failed with status 7"), ("echo no", "is not JSON"),
        ("echo '{\"kind\":\"Pod\"}'", "must be ExecCredential"),
        ("yes", "printed more than"),
    ])
    func aPluginThatFailsIsNamed(body: String, reason: String) async throws {
        let server = try APIServer()
        let files = try TemporaryFiles()
        try files.write("#!/bin/sh\n\(body)\n", "plugin", executable: true)
        let failed = try await failure(try access(server, user: Self.plugin(files.path)))
        #expect(failed.contains("\(files.path)/plugin") && failed.contains(reason), "\(failed)")
        #expect(server.requests.isEmpty)
    }

    @Test func aMissingPluginGivesItsHint() async throws {
        let server = try APIServer()
        let failed = try await failure(try access(server, user: Self.plugin("/nowhere", "installHint: install it")))
        #expect(failed.contains("/nowhere/plugin: No such file or directory; install it"), "\(failed)")
        #expect(failed.contains("users[0].user.exec"))
    }
}
