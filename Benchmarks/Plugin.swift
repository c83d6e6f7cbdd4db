// SPDX-License-Identifier: Apache-2.0
import Glibc
import KubernetesObjects
import NetworkKit

/// What the chained CNI plugin adds to a pod's start: a chain of Debian's ptp plugin alone and one with the plugin behind
/// it, in turns on one node, and the plugin's own part of the second. A NetworkPolicy isolates the pods both ways.
@Sendable func benchPlugin() throws {
    // Most of a round is ptp and what the kernel does to take a pod's network away. With so few, p99 is the second worst.
    let rounds = 80
    let cases = NetDatapath.allCases.flatMap { datapath in [0, 1, 100].map { (datapath, $0) } }
    for (datapath, pods) in cases {
        let node = try PluginBench(datapath, pods: pods)
        defer { node.close() }
        var alone: [Double] = []
        var chained: [Double] = []
        var own: [Double] = []
        for _ in 0..<rounds {
            alone.append(try node.round(withPlugin: false).whole)
            let round = try node.round(withPlugin: true)
            chained.append(round.whole)
            own.append(round.plugin)
        }
        let what = "ADD in ms, \(datapath), \(pods) pods there already, only \(rounds) rounds of each"
        print(what.padded(to: 68) + "  p50     p99")
        for (name, values) in [("ptp", alone), ("ptp, bulkhead-cni", chained), ("of these, bulkhead-cni", own)] {
            print("  \(name.padded(to: 64)) \(values.quantile(0.5).text) \(values.quantile(0.99).text)")
        }
    }
    print("  \("VERSION: the plugin's start and end alone".padded(to: 64)) \(try pluginStarts(300))")
}

private func pluginStarts(_ rounds: Int) throws -> String {
    let binary = try NetDaemon.executable("bulkhead-cni")
    let times = try (0..<rounds).map { _ in
        let start = NetClock.now
        let process = try NetProcess([binary], environment: ["CNI_COMMAND": "VERSION"])
        _ = process.finish()
        return Double(NetClock.now - start) / 1e6
    }
    return "\(times.quantile(0.5).text) \(times.quantile(0.99).text)"
}

private final class PluginBench {
    private let world: NetWorld
    private let daemon: NetDaemon
    private let chain: NetChain
    private let entry: String
    private var count = 0

    init(_ datapath: NetDatapath, pods: Int) throws {
        world = try NetWorld(pods: [])
        let binary = try NetDaemon.executable("bulkhead-cni")
        daemon = try NetDaemon(in: world, datapath: datapath)
        let folder = binary.split(separator: "/").dropLast().joined(separator: "/")
        entry = "{\"type\":\"bulkhead-cni\",\"socket\":\"\(daemon.socket)\"}"
        let path = "\(world.directory)/pods.conflist"
        let list = NetChain.list([NetChain.plugin(.routed, in: world, last: 250)])
        try NetProcess.run(["tee", path], input: list)
        chain = NetChain(in: world, configuration: path, binaries: "/\(folder)")
        try daemon.apply(Self.policy)
        for _ in 0..<pods { _ = try add(withPlugin: true) }
    }

    /// Every pod is isolated by it.
    private static let policy = """
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata: {name: web, namespace: shop}
        spec:
          podSelector: {}
          policyTypes: [Ingress, Egress]
          ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 8080}]}]
          egress: [{to: [{podSelector: {}}]}]
        """

    func close() {
        _ = try? daemon.stop()
        world.close()
    }

    /// Milliseconds of one ADD; what it made is taken away again.
    func round(withPlugin: Bool) throws -> (whole: Double, plugin: Double) {
        let (whole, plugin, sandbox) = try add(withPlugin: withPlugin)
        if withPlugin { try chain.call("DEL", entry, sandbox, nil) }
        try chain.delete(sandbox)
        try NetProcess.run(["ip", "netns", "delete", sandbox.namespace.name])
        return (whole, plugin)
    }

    private func add(withPlugin: Bool) throws -> (whole: Double, plugin: Double, NetChain.Sandbox) {
        count += 1
        let sandbox = NetChain.Sandbox(
            container: "c\(count)", namespace: try world.addNamespace(), podName: "web-\(count)", uid: "u-\(count)")
        let pod = Pod(
            metadata: ObjectMeta(name: sandbox.podName, namespace: "shop", uid: sandbox.uid, labels: ["app": "web"]),
            nodeName: NetDaemon.nodeName, phase: .pending)
        try daemon.apply([.pod(pod)])
        let start = NetClock.now
        let result = try chain.add(sandbox)
        let between = NetClock.now
        if withPlugin { try chain.call("ADD", entry, sandbox, result) }
        let end = NetClock.now
        return (Double(end - start) / 1e6, Double(end - between) / 1e6, sandbox)
    }
}

extension Double {
    fileprivate var text: String { String(repeating: " ", count: 3) + "\((self * 100).rounded() / 100)" }
}

extension String {
    fileprivate func padded(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}
