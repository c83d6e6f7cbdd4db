// SPDX-License-Identifier: Apache-2.0
import Glibc
import NetworkKit
import NetworkTypes
import Testing

extension Live {
    /// The real daemon follows an API server.
    @Suite(.serialized) struct APIServerTests {
        /// Packets of a flow under way are judged by what the server has; how soon, `scripts/bench latency` measures.
        @Test(arguments: NetDatapath.allCases) func aPolicyIsInForceWithoutBeingAskedFor(datapath: NetDatapath) throws {
            try LiveCluster.with(datapath, followsAPI: true) { cluster in
                let api = try #require(cluster.api)
                let hammer = try cluster.hammer("api", "idle", .udp, 5353, .ipv4, everyMicroseconds: 500)
                defer { _ = hammer.stop() }
                for round in 0..<20 {
                    let isOpen = round % 2 == 1
                    let written = NetClock.now
                    try api.apply(LiveCluster.gate(open: isOpen))
                    // The newest packets are on their way yet.
                    try NetClock.wait("round \(round); \(cluster.daemon.log)", seconds: 20) {
                        let packets = hammer.packets(since: written).dropLast(100)
                        return packets.count > 50 && packets.suffix(50).allSatisfy { ($0.answered != nil) == isOpen }
                    }
                }
            }
        }

        /// The server goes away, the daemon is killed and restarts: policy stays enforced until everything is known
        /// again.
        @Test(arguments: NetDatapath.allCases) func enforcementOutlivesServerAndDaemon(datapath: NetDatapath) throws {
            try LiveCluster.with(datapath, followsAPI: true) { cluster in
                let api = try #require(cluster.api)
                func check(_ when: String) throws {
                    let probe = NetProbe(.tcp, to: cluster.world.pod("api").v4, port: 8080)
                    #expect(try cluster.ask(probe, from: "web") == .answered, "\(when)")
                    #expect(try cluster.ask(probe, from: "idle") == .timeout, "\(when)")
                }
                try check("at first")
                #expect(!cluster.daemon.log.contains("what a previous run left"), "there was none")
                api.stop()
                try check("without server")
                #expect(try cluster.daemon.knowsCluster)
                try cluster.daemon.stop(SIGKILL)
                try cluster.daemon.start()
                let status = try cluster.daemon.get("/v1/status")
                #expect(status.contains(#""complete":false"#) && status.contains(#""keepsPrevious":true"#))
                try check("after a restart without server")
                try api.apply(
                    """
                    apiVersion: networking.k8s.io/v1
                    kind: NetworkPolicy
                    metadata: {name: more, namespace: shop}
                    spec: {podSelector: {matchLabels: {app: api}}, ingress: [{ports: [{port: 6379}]}]}
                    """)
                try api.start()
                try cluster.daemon.waitUntilClusterIsKnown()
                try check("with the server again")
                let probe = NetProbe(.tcp, to: cluster.world.pod("api").v4, port: 6379)
                #expect(try cluster.ask(probe, from: "idle") == .answered, "what has changed meanwhile")
            }
        }
    }
}
