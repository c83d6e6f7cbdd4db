// SPDX-License-Identifier: Apache-2.0
import KubernetesClient
import Testing

/// Which cluster a kubeconfig leads to, and what is wrong with one.
@Suite struct KubeconfigTests {
    private static let text = """
        apiVersion: v1
        kind: Config
        current-context: one
        contexts:
        - {name: one, context: {cluster: a, user: u}}
        - {name: two, context: {cluster: b, user: v, namespace: x}}
        - {name: lost, context: {cluster: nowhere}}
        clusters:
        - name: a
          cluster: {server: "https://a.example:6443/", certificate-authority-data: Y2VydA==}
        - name: b
          cluster:
            server: https://[2001:db8::1]/k8s/b
            certificate-authority: pki/ca.pem
            tls-server-name: api.b
        users:
        - name: u
          user: {client-certificate-data: Y2VydA==, client-key: /keys/u.key}
        - name: v
          user:
            exec:
              apiVersion: client.authentication.k8s.io/v1
              command: ./login
              args: [--now]
              env: [{name: A, value: b}]
              interactiveMode: IfAvailable
        """

    private func read(_ text: String, context: String? = nil) throws(AccessError) -> ClusterAccess {
        try Kubeconfig.read(Array(text.utf8), file: "/etc/k/config", context: context)
    }

    @Test func contextsAreFollowed() throws {
        let one = try read(Self.text)
        #expect(one.server == ClusterAccess.Server(host: "a.example", port: 6443))
        #expect(one.authorities == .bytes(Array("cert".utf8)) && one.serverName == nil && one.token == nil)
        #expect(
            one.certificate
                == ClusterAccess.ClientCertificate(chain: .bytes(Array("cert".utf8)), key: .file("/keys/u.key")))
        let two = try read(Self.text, context: "two")
        #expect(two.server == ClusterAccess.Server(host: "2001:db8::1", port: 443, path: "/k8s/b"))
        #expect("\(two.server)" == "https://[2001:db8::1]:443/k8s/b")
        #expect(two.authorities == .file("/etc/k/pki/ca.pem") && two.serverName == "api.b")
        var plugin = CredentialPlugin(
            source: "/etc/k/config", field: "users[1].user.exec", apiVersion: "client.authentication.k8s.io/v1",
            command: "/etc/k/./login")
        plugin.arguments = ["--now"]
        plugin.environment = ["A": "b"]
        #expect(two.plugin == plugin)
    }

    @Test func aTokenFileIsPreferred() throws {
        let tokens = Self.text.replacingUser("{token: secret, tokenFile: t}")
        #expect(try read(tokens).token == .file("/etc/k/t"))
        #expect(try read(Self.text.replacingUser("{token: secret}")).token == .bytes(Array("secret".utf8)))
    }

    struct Wrong: Sendable, CustomTestStringConvertible {
        var change: @Sendable (String) -> String
        var field: String
        var reason: String
        var testDescription: String { field }
    }

    @Test(arguments: [
        Wrong(change: { $0.replacing("current-context: one", with: "") }, field: "current-context", reason: "missing"),
        Wrong(
            change: { $0.replacing("current-context: one", with: "current-context: three") }, field: "contexts",
            reason: "no entry 'three'"),
        Wrong(
            change: { $0.replacing("current-context: one", with: "current-context: lost") },
            field: "contexts[2].context.cluster", reason: "no entry 'nowhere'"),
        Wrong(
            change: { $0.replacing("https://a.", with: "http://a.") }, field: "clusters[0].cluster.server",
            reason: "https://"),
        Wrong(
            change: { $0.replacing("https://a.example:6443/", with: "what") }, field: "clusters[0].cluster.server",
            reason: "not a URL"),
        Wrong(
            change: { $0.replacing("certificate-authority-data: Y2VydA==}", with: "insecure-skip-tls-verify: true}") },
            field: "clusters[0].cluster.insecure-skip-tls-verify", reason: "always verified"),
        Wrong(
            change: { $0.replacing("Y2VydA==}", with: "'%%'}") },
            field: "clusters[0].cluster.certificate-authority-data", reason: "base64"),
        Wrong(
            change: { $0.replacing("Y2VydA==}", with: "Y2VydA==, proxy-url: 'http://p'}") },
            field: "clusters[0].cluster.proxy-url", reason: "not supported"),
        Wrong(change: { $0.replacingUser("{client-certificate: c}") }, field: "users[0].user", reason: "no client-key"),
        Wrong(change: { $0.replacingUser("{username: me}") }, field: "users[0].user.username", reason: "no longer"),
        Wrong(change: { $0.replacingUser("{as: root}") }, field: "users[0].user.as", reason: "impersonation"),
        Wrong(change: { $0.replacingUser("{token: [1]}") }, field: "users[0].user.token", reason: "must be a string"),
        Wrong(
            change: { $0.replacingUser("{token: t, exec: {}}") }, field: "users[0].user.exec",
            reason: "cannot be used together"),
        Wrong(
            change: { $0.replacingUser("{exec: {command: c, apiVersion: v0}}") },
            field: "users[0].user.exec.apiVersion", reason: "not known"),
        Wrong(
            change: {
                $0.replacingUser(
                    "{exec: {apiVersion: client.authentication.k8s.io/v1, command: c, interactiveMode: Always}}")
            }, field: "users[0].user.exec.interactiveMode", reason: "cannot prompt"),
        Wrong(change: { $0.replacing("kind: Config", with: "kind: Pod") }, field: "kind", reason: "must be Config"),
    ])
    func whatIsWrongIsTold(wrong: Wrong) throws {
        let text = wrong.change(Self.text)
        #expect(text != Self.text)
        let error = try #require(#expect(throws: AccessError.self) { try self.read(text) })
        #expect(error.source == "/etc/k/config" && error.field == wrong.field, "\(error)")
        #expect(error.reason.contains(wrong.reason), "\(error)")
        #expect(error.line > 0)
    }

    @Test func filesAreNamed() throws {
        let missing = #expect(throws: AccessError.self) { try Kubeconfig.read("/nowhere/config") }
        #expect(missing?.description == "/nowhere/config: No such file or directory")
        let broken = #expect(throws: AccessError.self) { try read("a: [") }
        #expect(broken?.source == "/etc/k/config" && broken?.line == 2)
    }

    @Test func inClusterNeedsItsEnvironmentAndFiles() throws {
        let none = #expect(throws: AccessError.self) { try ClusterAccess.inCluster(environment: [:]) }
        #expect(none?.field == "KUBERNETES_SERVICE_HOST")
        let directory = try TemporaryFiles(["token": "t", "ca.crt": "c"])
        let environment = ["KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "6443"]
        let access = try ClusterAccess.inCluster(environment: environment, directory: directory.path)
        #expect("\(access.server)" == "https://[fd00::1]:6443")
        #expect(access.token == .file("\(directory.path)/token"))
        try directory.remove("token")
        let gone = #expect(throws: AccessError.self) {
            try ClusterAccess.inCluster(environment: environment, directory: directory.path)
        }
        #expect(gone?.source == "\(directory.path)/token")
        let port = #expect(throws: AccessError.self) {
            try ClusterAccess.inCluster(environment: environment.merging(["KUBERNETES_SERVICE_PORT": "x"]) { $1 })
        }
        #expect(port?.field == "KUBERNETES_SERVICE_PORT")
    }
}

extension String {
    /// With another `user` in place of the first one's.
    fileprivate func replacingUser(_ user: String) -> String {
        replacing("user: {client-certificate-data: Y2VydA==, client-key: /keys/u.key}", with: "user: \(user)")
    }
}
