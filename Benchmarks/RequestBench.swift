// SPDX-License-Identifier: Apache-2.0
import Foundation
import KubernetesObjects
import NetworkKit
import NetworkTypes

/// A node with a client, a server and the request proxy, under the real daemon. One of the server's ports has a policy that
/// reads requests, the other one has a policy that the kernel alone decides.
final class RequestBench {
    enum Way: UInt16, CaseIterable {
        case direct = 8081
        case proxied = 8080
    }

    private let world: NetWorld
    private let server: NetProcess
    private let daemon: NetDaemon
    private let proxy: NetRequestProxy

    init() throws {
        world = try NetWorld(pods: ["client", "server", "proxy"])
        do {
            server = try Self.startServer(world)
            daemon = try NetDaemon(in: world)
            try daemon.apply(Self.pods(world) + NetRequestProxy.objects(of: world.pod("proxy")))
            try daemon.apply(Self.policy(methods: ["GET", "POST"]))
            proxy = try NetRequestProxy(in: world)
            try proxy.start()
            try proxy.waitUntilReady(daemon)
        } catch {
            world.close()
            throw error
        }
    }

    func close() {
        proxy.stop()
        _ = try? daemon.stop()
        server.signal(SIGKILL)
        world.close()
    }

    /// HAProxy as a server that answers everything itself, on one thread.
    private static func startServer(_ world: NetWorld) throws -> NetProcess {
        let path = "\(world.directory)/server.cfg"
        try """
        global
            nbthread 1
            maxconn 4000
        defaults
            mode http
            timeout client 1m
            timeout connect 1s
            timeout server 1m
        frontend all
            bind :\(Way.direct.rawValue)
            bind :\(Way.proxied.rawValue)
            http-request return status 200 content-type text/plain string "hello\\n"

        """.write(toFile: path, atomically: true, encoding: .utf8)
        return try world.pod("server").namespace.start(["haproxy", "-db", "-f", path])
    }

    private static func pods(_ world: NetWorld) -> [KubernetesObject] {
        world.pods.filter { $0.name != "proxy" }.map { pod in
            .pod(
                Pod(
                    metadata: ObjectMeta(name: pod.name, namespace: "default", labels: ["app": pod.name]),
                    nodeName: NetDaemon.nodeName, serviceAccountName: pod.name, podIPs: [pod.v4, pod.v6]))
        }
    }

    private static func policy(methods: [String]) -> String {
        """
        apiVersion: security.istio.io/v1
        kind: AuthorizationPolicy
        metadata: {name: server, namespace: default}
        spec:
          selector: {matchLabels: {app: server}}
          rules:
          - from: [{source: {principals: [cluster.local/ns/default/sa/client]}}]
            to: [{operation: {methods: [\(methods.joined(separator: ", "))], ports: ["\(Way.proxied.rawValue)"]}}]
          - to: [{operation: {ports: ["\(Way.direct.rawValue)"]}}]
        """
    }

    /// Changes which methods the client may use on the way by the proxy; they are in force when this returns.
    func allow(methods: [String]) throws { try daemon.apply(Self.policy(methods: methods)) }

    func client(_ way: Way) throws -> RequestClient {
        try world.pod("client").namespace.run {
            try RequestClient(to: world.pod("server").v4, port: way.rawValue)
        }
    }

    /// Whether HAProxy asks the decider about each request; without that, nothing is enforced.
    func setAsking(_ asks: Bool) throws {
        let path = "\(world.directory)/proxy/haproxy.cfg"
        let kept = path + ".asking"
        if !FileManager.default.fileExists(atPath: kept) {
            try FileManager.default.copyItem(atPath: path, toPath: kept)
        }
        let text = try String(contentsOfFile: kept, encoding: .utf8)
        let questions = ["spoe engine request", "send-spoe-group", "txn.request.verdict"]
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).filter { line in
            asks || !questions.contains { line.contains($0) && !line.contains("log-format") }
        }
        try lines.joined(separator: "\n").write(toFile: path, atomically: true, encoding: .utf8)
        try proxy.stop(.haproxy, SIGKILL)
        try proxy.start(.haproxy)
    }

    /// What `wrk` reaches with one thread in two seconds, after one that warms up.
    func load(_ way: Way, connections: Int = 32) throws -> RequestLoad {
        _ = try wrk(way, connections, "1s")
        let others = [server.pid, proxy.pid(.haproxy), proxy.pid(.decider)]
        let before = [childrensMilliseconds()] + others.map { processorMilliseconds(of: $0) ?? 0 }
        let output = try wrk(way, connections, "2s")
        let after = [childrensMilliseconds()] + others.map { processorMilliseconds(of: $0) ?? 0 }
        return try RequestLoad(wrk: output, milliseconds: zip(after, before).map { $0 - $1 })
    }

    private func wrk(_ way: Way, _ connections: Int, _ time: String) throws -> String {
        let url = "http://\(world.pod("server").v4):\(way.rawValue)/"
        return try world.pod("client").namespace.command("wrk", "-t1", "-c\(connections)", "-d\(time)", url)
    }

    /// What HAProxy and the decider hold: resident, and with shared pages counted in parts.
    ///
    /// - Parameter atMost: The most that was ever resident.
    func memory(atMost: Bool = false) throws -> String {
        var sums = (resident: 0, proportional: 0)
        var texts: [String] = []
        for part in NetRequestProxy.Part.allCases.reversed() {
            let process = "/proc/\(proxy.pid(part))"
            let resident = try Self.kilobytes(atMost ? "VmHWM" : "VmRSS", in: "\(process)/status")
            let proportional = try Self.kilobytes("Pss", in: "\(process)/smaps_rollup")
            sums = (sums.resident + resident, sums.proportional + proportional)
            texts.append("\(part.rawValue) \(Self.megabytes(resident)) (PSS \(Self.megabytes(proportional)))")
        }
        texts.append("together \(Self.megabytes(sums.resident)) (PSS \(Self.megabytes(sums.proportional)))")
        return texts.joined(separator: ", ")
    }

    private static func megabytes(_ kilobytes: Int) -> String { "\(tenths(Double(kilobytes) / 1024)) MB" }

    /// The number after `name:` in a file of procfs.
    private static func kilobytes(_ name: String, in path: String) throws -> Int {
        let line = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").first {
            $0.hasPrefix(name + ":")
        }
        guard let number = line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap({ Int($0) }) else {
            throw NetError.missing("\(name) in \(path)")
        }
        return number
    }
}

/// What one run of `wrk` reached, and the microseconds of processor time of a request by process.
struct RequestLoad {
    var perSecond: Double
    var client: Double
    var server: Double
    var haproxy: Double
    var decider: Double
    var processor: Double { client + server + haproxy + decider }

    /// - Parameter milliseconds: of the four processes.
    init(wrk output: String, milliseconds: [Double]) throws {
        let words = output.split(whereSeparator: \.isWhitespace)
        guard !output.contains("Non-2xx"), !output.contains("Socket errors"),
            let count = words.firstIndex(of: "requests").flatMap({ Double(words[$0 - 1]) }), count > 0,
            let perSecond = words.firstIndex(of: "Requests/sec:").flatMap({ Double(words[$0 + 1]) })
        else { throw NetError.missing("a run of wrk without errors: \(output)") }
        self.perSecond = perSecond
        let costs = milliseconds.map { $0 * 1000 / count }
        (client, server, haproxy, decider) = (costs[0], costs[1], costs[2], costs[3])
    }
}
