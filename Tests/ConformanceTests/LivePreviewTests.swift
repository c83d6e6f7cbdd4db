// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import Foundation
import Glibc
import NetworkKit
import NetworkTypes
import Testing

extension Live {
    /// What a preview says of connections and flows is what becomes of them.
    @Suite struct PreviewTests {
        private static func manifest(_ world: NetWorld, ports: [Int]) -> String {
            let pods = world.pods.map { pod in
                """
                apiVersion: v1
                kind: Pod
                metadata: {name: \(pod.name), namespace: default, labels: {app: \(pod.name)}}
                spec: {nodeName: node, containers: [{name: c, image: c}]}
                status: {phase: Running, podIPs: [{ip: \(pod.v4)}, {ip: "\(pod.v6)"}]}
                """
            }
            let policy = """
                apiVersion: networking.k8s.io/v1
                kind: NetworkPolicy
                metadata: {name: b, namespace: default}
                spec:
                  podSelector: {matchLabels: {app: b}}
                  ingress: [{from: [{podSelector: {}}], ports: [\(ports.map { "{port: \($0)}" }.joined(separator: ", "))]}]
                """
            return (pods + [policy]).joined(separator: "\n---\n")
        }

        private struct Connection {
            var port: UInt16
            var client: NetSocket
            var server: NetSocket
        }

        private static func connect(
            _ world: NetWorld, _ listener: NetSocket, _ family: AddressFamily, _ port: UInt16
        ) throws -> Connection {
            let client = try world.pod("a").namespace.run { try NetSocket(family, SOCK_STREAM) }
            _ = client.connect(world.pod("b").address(family), port)
            try #require(listener.wait(POLLIN, milliseconds: 5000) != 0)
            return Connection(port: port, client: client, server: try #require(listener.accept()).connection)
        }

        private static func listener(_ world: NetWorld, _ family: AddressFamily, _ port: UInt16) throws -> NetSocket {
            let b = world.pod("b")
            let listener = try b.namespace.run { try NetSocket(family, SOCK_STREAM) }
            try listener.bind(b.address(family), port)
            try listener.listen()
            return listener
        }

        @Test(arguments: NetDatapath.allCases)
        func whatItNamesIsWhatHappens(_ datapath: NetDatapath) throws {
            try NetWorld.with(pods: ["a", "b"]) { world in
                let daemon = try NetDaemon(in: world, datapath: datapath)
                defer { _ = try? daemon.stop() }
                try daemon.apply(Self.manifest(world, ports: [80, 81]))
                var listeners: [[NetSocket]] = []
                var connections: [Connection] = []
                for family in AddressFamily.allCases {
                    let own = try [80, 81, 82].map { try Self.listener(world, family, $0) }
                    listeners.append(own)
                    connections.append(try Self.connect(world, own[0], family, 80))
                    connections.append(try Self.connect(world, own[1], family, 81))
                    let denied = try world.pod("a").namespace.run { try NetSocket(family, SOCK_STREAM) }
                    _ = denied.connect(world.pod("b").address(family), 82)
                }
                let next = Self.manifest(world, ports: [81, 82])
                var answer = try Self.preview(daemon, next)
                try NetClock.wait("the denied flows to be on record", seconds: 10) {
                    answer = try Self.preview(daemon, next)
                    return answer.opened.count == 2
                }
                #expect(
                    answer.changes.map { "\($0.effect) \($0.ports)" } == ["opened [\"82/TCP\"]", "cut [\"80/TCP\"]"])
                #expect(answer.opened.allSatisfy { $0.destination.port == 82 && $0.verdict == "allow" })
                #expect(Set(answer.connections.map(\.destination.address)).count == 2 && answer.connections.count == 2)
                #expect(answer.connections.allSatisfy { $0.destination.port == 80 && $0.verdict == "deny" })

                try Self.checkSuggestion(world, daemon, Self.manifest(world, ports: [80, 81]))

                try daemon.apply(next)
                // In order on the same way: what is sent last arrives last.
                for connection in connections { connection.client.send([1]) }
                for connection in connections where connection.port == 81 {
                    #expect(connection.server.wait(POLLIN, milliseconds: 5000) != 0)
                }
                for connection in connections where connection.port == 80 {
                    #expect(connection.server.wait(POLLIN, milliseconds: 0) == 0, "\(connection)")
                }
                for (family, own) in zip(AddressFamily.allCases, listeners) {
                    _ = try Self.connect(world, own[2], family, 82)
                }
            }
        }

        /// What is suggested from the daemon's own records allows what was connected, and nothing that was denied.
        private static func checkSuggestion(_ world: NetWorld, _ daemon: NetDaemon, _ manifest: String) throws {
            let file = "\(world.directory)/manifest.yaml"
            try manifest.write(toFile: file, atomically: true, encoding: .utf8)
            let program = try NetDaemon.executable("bulkheadctl")
            var text = ""
            try NetClock.wait("the allowed flows to be on record", seconds: 10) {
                text = try NetProcess.run([program, "--socket", daemon.socket, "suggest", "default/b", "-f", file])
                // Neighboring ports are one range.
                return text.contains("port: 80\n") && text.contains("endPort: 81\n")
            }
            #expect(text.contains("# Pod default/b, from ") && !text.contains("port: 82"), "\(text)")
            #expect(text.contains("app: a\n") && text.contains("name: seen-b\n"), "\(text)")
        }

        private static func preview(_ daemon: NetDaemon, _ manifest: String) throws -> NodePreviewAnswer {
            try JSONDecoder().decode(NodePreviewAnswer.self, from: Data(try daemon.preview(manifest).utf8))
        }
    }
}
