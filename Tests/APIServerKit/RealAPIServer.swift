// SPDX-License-Identifier: Apache-2.0
import Documents
import Foundation
import Glibc
import KubernetesObjects
import NetworkKit

/// A real API server with its store, on loopback: the programs `kube-apiserver` and `etcd` of one directory, as the
/// tests of Kubernetes controllers use them. There is nothing else of a cluster: no controller, no kubelet.
///
/// A separate shell starts both. It ends them and removes their files as soon as no process can control it any more:
/// when this value is destroyed, and when this process ends in any way.
public final class RealAPIServer: Sendable {
    /// On 127.0.0.1.
    public let port: Int
    /// Of one who may do everything.
    public let token: String
    private let folder: String
    private let shell: NetProcess
    /// Where the shell reads what to do.
    private let commands: Int32

    /// Starts both and waits until they are ready.
    ///
    /// - Parameter assets: the folder of the programs.
    public init(assets: String) async throws {
        for program in ["etcd", "kube-apiserver"] where access("\(assets)/\(program)", X_OK) != 0 {
            throw NetError.missing("\(assets)/\(program)")
        }
        token = String(UInt64.random(in: .min ... .max), radix: 16)
        folder = try Self.folder(token: token)
        let ports = try Self.freePorts(3)
        port = ports[0]
        var ends: [Int32] = [0, 0]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
            throw NetError.system("socketpair", errno)
        }
        commands = ends[0]
        defer { close(ends[1]) }
        // Not in the terminal's group: an interrupt is for this process, and the shell sees its end.
        shell = try NetProcess(
            ["setsid", "sh", "-c", Self.script], inputDescriptor: ends[1],
            environment: [
                "assets": assets, "folder": folder, "api_port": "\(ports[0])", "store_port": "\(ports[1])",
                "peer_port": "\(ports[2])",
            ])
        try await waitUntilReady()
    }

    deinit {
        close(commands)
        // Else the shell would be killed before it has cleaned up.
        _ = shell.finish()
    }

    // MARK: Life

    /// Kills the API server; its store stays.
    public func stop() async throws {
        try tell("stop")
        try await wait("the API server to end") { try NetProcess(ask("/readyz")).finish() == Self.refused }
    }

    /// Starts the API server again, on the same port.
    public func start() async throws {
        try tell("start")
        try await waitUntilReady()
    }

    private func tell(_ command: String) throws {
        let line = Array("\(command)\n".utf8)
        guard send(commands, line, line.count, Int32(MSG_NOSIGNAL)) == line.count else {
            throw NetError.system("tell the API server's shell", errno)
        }
    }

    private func waitUntilReady() async throws {
        try await wait("the API server to be ready") {
            if let status = shell.status { throw NetError.command("sh", status: status, output: shell.output) }
            let process = try NetProcess(ask("/readyz"))
            return process.finish() == 0 && process.output == "ok"
        }
    }

    private func ask(_ path: String) -> [String] {
        [
            "curl", "--silent", "--max-time", "10", "--cacert", "\(folder)/authority", "--header",
            "authorization: Bearer \(token)", "https://127.0.0.1:\(port)\(path)",
        ]
    }

    /// curl: no connection.
    private static let refused: Int32 = 7

    private func wait(_ what: String, until condition: () throws -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(180)
        while try !condition() {
            guard ContinuousClock.now < deadline else {
                throw NetError.timeout("\(what); the last of its log:\n\(shell.output.suffix(4000))")
            }
            try await Task.sleep(for: .milliseconds(100))
        }
    }

    // MARK: What is asked

    /// A kubeconfig of one who may do everything.
    public var kubeconfig: String { APIServer.kubeconfig(user: "token: \(token)", host: "127.0.0.1", port: port) }

    /// Method and target of each request so far that came with this header `User-Agent`.
    public func requests(from userAgent: String) throws -> [String] {
        let log = try String(contentsOfFile: "\(folder)/audit.log", encoding: .utf8)
        let own = log.split(separator: "\n").filter { $0.contains(#""userAgent":"\#(userAgent)""#) }
        return try own.map { line in
            let entry = try JSONReader.read(Array(line.utf8))
            return "\(entry["verb"]?.string == "create" ? "POST" : "GET") \(entry["requestURI"]?.string ?? "")"
        }
    }

    // MARK: Files and programs

    /// Made with what the programs read.
    private static func folder(token: String) throws -> String {
        let folder = FileManager.default.temporaryDirectory.appending(path: "bulkhead-test-\(UUID().uuidString)").path()
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        for (name, text) in [
            "authority": APIServerCertificates.authority,
            "certificate": APIServerCertificates.Server.usual.certificate,
            "key": APIServerCertificates.Server.usual.key,
            "tokens": "\(token),admin,admin,\"system:masters\"\n",
            "audit.yaml": """
            apiVersion: audit.k8s.io/v1
            kind: Policy
            omitStages: [ResponseStarted, ResponseComplete]
            rules: [{level: None, users: ["system:apiserver"]}, {level: Metadata}]
            """,
        ] { try text.write(toFile: "\(folder)/\(name)", atomically: true, encoding: .utf8) }
        return folder
    }

    /// Below the ports that the kernel assigns: no other process gets them before the programs take them.
    private static func freePorts(_ count: Int) throws -> [Int] {
        var ports: [Int] = []
        for candidate in (UInt16(20000)..<30000).shuffled() where ports.count < count {
            guard let descriptor = try? APIServerSocket.listening(port: candidate) else { continue }
            close(descriptor)
            ports.append(Int(candidate))
        }
        guard ports.count == count else { throw NetError.missing("\(count) free ports") }
        return ports
    }

    /// Pods come without their service account, as no controller makes one. The key signs, its certificate verifies.
    private static let script = """
        etcd=http://127.0.0.1:$store_port
        "$assets/etcd" --data-dir="$folder/etcd" --listen-client-urls=$etcd --advertise-client-urls=$etcd \\
            --listen-peer-urls=http://127.0.0.1:$peer_port --unsafe-no-fsync &
        store=$!
        serve() {
            "$assets/kube-apiserver" --etcd-servers=$etcd --bind-address=127.0.0.1 --advertise-address=127.0.0.1 \\
                --secure-port=$api_port --tls-cert-file="$folder/certificate" --tls-private-key-file="$folder/key" \\
                --client-ca-file="$folder/authority" --service-account-issuer=https://127.0.0.1:$api_port \\
                --service-account-key-file="$folder/certificate" --service-account-signing-key-file="$folder/key" \\
                --token-auth-file="$folder/tokens" --authorization-mode=RBAC \\
                --disable-admission-plugins=ServiceAccount --service-cluster-ip-range=10.0.0.0/24 \\
                --audit-policy-file="$folder/audit.yaml" --audit-log-path="$folder/audit.log" &
            server=$!
        }
        serve
        while read -r word; do
            case $word in
            stop) kill -KILL $server; wait $server ;;
            start) serve ;;
            esac
        done
        kill -KILL $server $store
        wait
        rm -rf "$folder"
        """
}
