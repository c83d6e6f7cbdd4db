// SPDX-License-Identifier: Apache-2.0
import APIServerKit
import Foundation
import KubernetesObjects
import NetworkKit
import WorldKit

/// How long after an API server has a policy packets are judged by it. The baseline is the same policy told on the
/// daemon's own socket, which answers when it is in force.
@Sendable func benchLatency() throws {
    for datapath in NetDatapath.allCases {
        let node = try WatchedFlow(datapath)
        defer { node.close() }
        _ = try node.milliseconds(.api, rounds: 10)
        let told = try node.milliseconds(.api, rounds: 300)
        node.forget()
        let pushed = try node.milliseconds(.socket, rounds: 100)
        print("latency: \(datapath), policy written to packets judged by it, ms:  p50   p99   worst")
        for (name, values) in [
            ("API server, closed", told.closed), ("API server, opened", told.opened),
            ("control socket, closed", pushed.closed), ("control socket, opened", pushed.opened),
        ] {
            let figures = [0.5, 0.99, 1].map { shown(values.quantile($0)) }
            print("latency:   \(name): \(figures.joined(separator: "  ")) (target p99 50)")
        }
    }
}

/// One flow between two pods of a node whose daemon follows a stand-in of the API server.
private final class WatchedFlow {
    enum Way { case api, socket }

    private let world: NetWorld
    private let api: APIServer
    private let daemon: NetDaemon
    private let server: NetServer
    private let hammer: NetHammer

    init(_ datapath: NetDatapath) throws {
        world = try NetWorld(pods: ["client", "server"])
        api = try APIServer(in: world.node)
        let namespace = KubernetesObject.namespace(Namespace(metadata: ObjectMeta(name: "default")))
        try api.apply(KubernetesYAML.text(of: [namespace] + LivePolicy.pods(world)))
        let target = world.pod("server")
        server = try target.namespace.run { try NetServer(at: [target.v4], [.init(.udp, 5353)]) }
        daemon = try NetDaemon(in: world, following: api, datapath: datapath)
        hammer = try world.pod("client").namespace.run {
            try NetHammer(.udp, to: target.v4, port: 5353, everyMicroseconds: 200)
        }
    }

    func close() {
        _ = hammer.stop()
        _ = try? daemon.stop()
        api.stop()
        server.stop()
        world.close()
    }

    private static func gate(isOpen: Bool) -> String {
        """
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata: {name: gate, namespace: default}
        spec:
          podSelector: {matchLabels: {app: server}}
          ingress:
          - from: [{podSelector: {matchLabels: {app: \(isOpen ? "client" : "none")}}}]
        """
    }

    /// Deletes the policy at the API server: an object of the API server cannot be changed through the socket.
    func forget() {
        try? api.delete(Self.gate(isOpen: true))
        NetClock.sleep(milliseconds: 200)
    }

    /// Closes the way and opens it, again and again.
    func milliseconds(_ way: Way, rounds: Int) throws -> (closed: [Double], opened: [Double]) {
        var (closed, opened): ([Double], [Double]) = ([], [])
        for _ in 0..<rounds {
            closed.append(try milliseconds(way, isOpen: false))
            opened.append(try milliseconds(way, isOpen: true))
        }
        return (closed, opened)
    }

    private func milliseconds(_ way: Way, isOpen: Bool) throws -> Double {
        let written = NetClock.now
        switch way {
        case .api: try api.apply(Self.gate(isOpen: isOpen))
        case .socket: try daemon.apply(Self.gate(isOpen: isOpen))
        }
        NetClock.sleep(milliseconds: 80)
        var packets = hammer.packets(since: written)
        let end = NetClock.now + 2_000_000_000
        // On a busy machine the sender, too, may have to wait.
        while packets.count < 20 || packets.suffix(20).contains(where: { ($0.answered != nil) != isOpen }) {
            guard NetClock.now < end else { throw NetError.timeout("the policy to be in force; \(daemon.log)") }
            NetClock.sleep(milliseconds: 5)
            packets = hammer.packets(since: written)
        }
        // The newest may be on their way.
        let old = packets.lastIndex { ($0.answered != nil) != isOpen }
        let first = old.map { packets.index(after: $0) } ?? packets.startIndex
        guard packets.indices.contains(first) else { throw NetError.timeout("a packet") }
        return Double(packets[first].sent - written) / 1e6
    }
}
