// SPDX-License-Identifier: Apache-2.0
import Glibc
import KubernetesObjects
import NetworkTypes
import Synchronization

/// The node's request proxy: what deploy/requests runs, run in a pod of a world's first node, with the world's own paths.
/// It follows the socket for proxies of the world's ``NetDaemon``.
public final class NetRequestProxy: Sendable {
    /// A container of the proxy's pod.
    public enum Part: String, Sendable, CaseIterable {
        /// `bulkhead-http decide`.
        case decider
        case haproxy
    }

    public let pod: NetPod
    private let directory: String
    private let requestsSocket: String
    private let processes = Mutex<[Part: NetProcess]>([:])

    /// The service account by which the daemon knows the proxy.
    public static let account = (namespace: "kube-system", name: "bulkhead-http")

    /// The folder of manifests.
    private static let deploy = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/") + "/deploy"

    /// The NetworkPolicy that the component `network-policy` has for the proxy's own pod.
    public static func ownPolicy() throws -> String {
        try NetProcess.run(["cat", "\(deploy)/network-policy/network-policy.yaml"])
    }

    /// Prepares the pod's network namespace, as the pod's own settings and its first container do, and starts nothing.
    public init(in world: NetWorld, pod name: String = "proxy") throws {
        pod = world.pod(name)
        directory = "\(world.directory)/\(name)"
        requestsSocket = "\(world.directory)/requests/requests.sock"
        let deploy = Self.deploy + "/requests"
        let script = """
            mkdir -p "$2" && cp "$1/spoe.cfg" "$1/late.lua" "$2/" &&
            sed "s#/run/bulkhead-http/#$2/#g; s#/etc/bulkhead-http/#$2/#g" "$1/haproxy.cfg" >"$2/haproxy.cfg"
            """
        try NetProcess.run(["sh", "-c", script, "sh", deploy, directory])
        try pod.namespace.command("sysctl", "-qw", "net.ipv4.ip_local_port_range=10240 32767")
        try pod.namespace.command(NetDaemon.executable("bulkhead-http"), "prepare")
    }

    /// Starts all parts and waits until each serves.
    public func start() throws {
        for part in Part.allCases { try start(part) }
    }

    /// Starts a part that is not running and waits until it serves.
    public func start(_ part: Part) throws {
        let process = try pod.namespace.start(arguments(part))
        processes.withLock { $0[part] = process }
        try NetClock.wait("\(part.rawValue) to serve", seconds: 20, every: 5) {
            if let status = process.status {
                throw NetError.command(part.rawValue, status: status, output: process.output)
            }
            return switch part {
            case .decider: process.output.contains("answers on")
            case .haproxy: try pod.namespace.command("ss", "-tlnH").contains(":15001")
            }
        }
    }

    private func arguments(_ part: Part) throws -> [String] {
        switch part {
        case .decider:
            [
                try NetDaemon.executable("bulkhead-http"), "decide", "--spop-socket", "\(directory)/decider.sock",
                "--requests-socket", requestsSocket, "--policy-file", "\(directory)/policy.jsonl",
                "--haproxy-socket", "\(directory)/haproxy.sock", "--metrics-address", "127.0.0.1:9469",
            ]
        case .haproxy: ["haproxy", "-db", "-f", "\(directory)/haproxy.cfg"]
        }
    }

    /// Ends all parts. May be called again.
    public func stop() {
        for part in Part.allCases.reversed() { _ = try? stop(part, SIGKILL) }
    }

    /// Sends a signal to a part and waits for its end.
    public func stop(_ part: Part, _ number: Int32 = SIGTERM) throws {
        guard let process = processes.withLock({ $0.removeValue(forKey: part) }) else { return }
        // One that is held by SIGSTOP ends as well.
        process.signal(SIGCONT)
        try process.stop(number)
    }

    /// Sends a signal to a part, such as `SIGSTOP` and `SIGCONT`.
    public func signal(_ part: Part, _ number: Int32) { processes.withLock { $0[part] }?.signal(number) }

    /// The process number of a part; 0: it does not run.
    public func pid(_ part: Part) -> pid_t { processes.withLock { $0[part]?.pid ?? 0 } }

    /// What a running part has printed. The decider prints a line of JSON for each denied request.
    public func log(_ part: Part) -> String { processes.withLock { $0[part]?.output ?? "" } }

    /// Waits until the daemon says that the proxy follows it.
    public func waitUntilReady(_ daemon: NetDaemon) throws {
        try NetClock.wait("the proxy to be ready", seconds: 20) {
            try daemon.get("/v1/status").contains("\"proxyReady\":true")
        }
    }

    /// Waits until the decider knows a pod whose requests rules read. A policy reaches it a moment after the kernel, and
    /// until then the pod's new connections are refused.
    public func waitUntilDeciding() throws {
        try NetClock.wait("the decider to know a pod", seconds: 20, every: 5) {
            try metrics.contains(/bulkhead_http_endpoints [1-9]/)
        }
    }

    /// The decider's metrics as text.
    public var metrics: String {
        get throws {
            try pod.namespace.command("curl", "-sS", "--fail", "--max-time", "10", "http://127.0.0.1:9469/metrics")
        }
    }

    /// The decider's count of what was refused before any rule decides, by the reason's text or its beginning.
    public func refused(_ reason: String) throws -> Int {
        let prefix = "bulkhead_http_refused_total{reason=\"\(reason)"
        let lines = try metrics.split(separator: "\n").filter { $0.hasPrefix(prefix) }
        return lines.compactMap { $0.split(separator: " ").last.flatMap { Int($0) } }.reduce(0, +)
    }

    /// The objects by which the daemon knows a pod as the proxy.
    public static func objects(of pod: NetPod) -> [KubernetesObject] {
        [
            .namespace(Namespace(metadata: ObjectMeta(name: account.namespace))),
            .pod(
                Pod(
                    metadata: ObjectMeta(
                        name: pod.name, namespace: account.namespace, uid: "uid-\(pod.name)",
                        labels: ["app.kubernetes.io/name": account.name]),
                    nodeName: NetDaemon.nodeName, serviceAccountName: account.name, podIPs: [pod.v4, pod.v6],
                    hostIPs: [NetAddressing.nodes[0], NetAddressing.nodes6[0]])),
        ]
    }
}
