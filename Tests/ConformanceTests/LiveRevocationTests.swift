// SPDX-License-Identifier: Apache-2.0
import Glibc
import NetworkKit
import NetworkTypes
import Testing

extension LiveAlone {
    /// What becomes of the kernel's entry of a flow that policy takes away.
    @Suite struct RevocationTests {
        /// Which of pods a and b the other may reach; a pod that neither may reach is isolated.
        private static func manifest(_ world: NetWorld, reachable: [String], isolated: [String]) -> String {
            let pods = world.pods.map { pod in
                """
                apiVersion: v1
                kind: Pod
                metadata: {name: \(pod.name), namespace: default, labels: {app: \(pod.name)}}
                spec: {nodeName: node, containers: [{name: c, image: c}]}
                status: {phase: Running, podIPs: [{ip: \(pod.v4)}, {ip: "\(pod.v6)"}]}
                """
            }
            let policies = isolated.map { name in
                let from = reachable.contains(name) ? "[{from: [{podSelector: {}}]}]" : "[]"
                return """
                    apiVersion: networking.k8s.io/v1
                    kind: NetworkPolicy
                    metadata: {name: \(name), namespace: default}
                    spec: {podSelector: {matchLabels: {app: \(name)}}, policyTypes: [Ingress], ingress: \(from)}
                    """
            }
            return (pods + policies).joined(separator: "\n---\n")
        }

        private static func with(_ datapath: NetDatapath, _ body: (NetWorld, NetDaemon) throws -> Void) throws {
            try NetWorld.with(pods: ["a", "b"]) { world in
                let daemon = try NetDaemon(in: world, datapath: datapath)
                defer { _ = try? daemon.stop() }
                try body(world, daemon)
            }
        }

        private static func hears(_ socket: NetSocket, within milliseconds: Int) -> Bool {
            guard socket.wait(POLLIN, milliseconds: milliseconds) != 0 else { return false }
            while socket.discard() {}
            return true
        }

        /// Gossip, SIP, IKE, NTP, WireGuard: what goes back has the ports of what came.
        @Test(arguments: NetDatapath.allCases, AddressFamily.allCases)
        func theOtherSideBeginsAFlowBetweenTheSamePorts(datapath: NetDatapath, family: AddressFamily) throws {
            try Self.with(datapath) { world, daemon in
                try daemon.apply(Self.manifest(world, reachable: ["a", "b"], isolated: ["a", "b"]))
                let pods = ["a", "b"].map(world.pod)
                let sockets = try pods.map { pod in
                    let socket = try pod.namespace.run { try NetSocket(family, SOCK_DGRAM) }
                    try socket.bind(pod.address(family), 7946)
                    return socket
                }
                func isHeard(from sender: Int) -> Bool {
                    sockets[sender].send([1], to: pods[1 - sender].address(family), 7946)
                    return Self.hears(sockets[1 - sender], within: 300)
                }
                #expect(isHeard(from: 0) && isHeard(from: 1))
                try daemon.apply(Self.manifest(world, reachable: ["a"], isolated: ["a", "b"]))
                #expect(!isHeard(from: 0))
                // b goes on trying, which must not keep the old flow alive.
                try NetClock.wait("b to reach a", seconds: 10) { isHeard(from: 1) }
                #expect(isHeard(from: 0))
            }
        }

        /// A watch, a subscription: only the server speaks, and its client is isolated itself.
        @Test(arguments: NetDatapath.allCases, AddressFamily.allCases)
        func aConnectionGoesOnWhenItIsAllowedAgain(datapath: NetDatapath, family: AddressFamily) throws {
            try Self.with(datapath) { world, daemon in
                let allowed = Self.manifest(world, reachable: ["b"], isolated: ["a", "b"])
                try daemon.apply(allowed)
                let (a, b) = (world.pod("a"), world.pod("b"))
                let listener = try b.namespace.run { try NetSocket(family, SOCK_STREAM) }
                try listener.bind(b.address(family), 80)
                try listener.listen()
                let client = try a.namespace.run { try NetSocket(family, SOCK_STREAM) }
                _ = client.connect(b.address(family), 80)
                #expect(listener.wait(POLLIN, milliseconds: 2000) != 0)
                guard let server = listener.accept()?.connection else { return }
                server.send([1])
                #expect(Self.hears(client, within: 500))
                try daemon.apply(Self.manifest(world, reachable: [], isolated: ["a", "b"]))
                server.send([2])
                #expect(!Self.hears(client, within: 1500))
                try daemon.apply(allowed)
                #expect(Self.hears(client, within: 8000))
                server.send([3])
                #expect(Self.hears(client, within: 2000))
            }
        }

        /// A connection that began when the kernel alone decided does not pass by the proxy later.
        @Test(arguments: NetDatapath.allCases) func aConnectionEndsWhenItsRequestsDecide(datapath: NetDatapath) throws {
            let live = try LiveRequestWorld(datapath)
            defer { live.close() }
            func ask(_ connection: NetConnection, _ path: String) throws {
                try connection.send("GET \(path) HTTP/1.1\r\nHost: server\r\n\r\n")
            }
            let early = try AddressFamily.allCases.map { try live.connect($0) }
            for connection in early {
                try ask(connection, "/early")
                #expect(try connection.response()?.status == 200)
            }
            try live.daemon.apply(LiveRequestWorld.policy("[{to: [{operation: {paths: [/shoes]}}]}]"))
            try live.proxy.waitUntilReady(live.daemon)
            for connection in early { try ask(connection, "/admin") }
            for family in AddressFamily.allCases {
                let later = try live.connect(family)
                try ask(later, "/shoes")
                #expect(try later.response()?.status == 200)
            }
            let seen = live.recorder.connections.map(\.text)
            #expect(seen.count { $0.contains("/shoes") } == 2 && !seen.contains { $0.contains("/admin") })
            #expect(early.allSatisfy { $0.received.isEmpty })
        }
    }
}
