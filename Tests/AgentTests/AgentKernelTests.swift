// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import FoundationEssentials
import Glibc
import NetworkKit
import NetworkTypes
import Testing

/// The real daemon over the real kernel, in namespaces of its own: what the fake kernel cannot show. Needs root.
/// One test at a time: what real packets prove depends on when they arrive, which a busy machine delays.
@Suite(.serialized) struct AgentKernelTests {
    /// Two pods of the world under policy: the second accepts TCP 80 only from the first.
    private func manifest(_ world: NetWorld) -> String {
        let pods = world.pods.map { pod in
            """
            apiVersion: v1
            kind: Pod
            metadata: {name: \(pod.name), namespace: shop, labels: {app: \(pod.name)}}
            spec: {nodeName: \(NetDaemon.nodeName), containers: [{name: c, image: i}]}
            status: {phase: Running, podIPs: [{ip: "\(pod.v4)"}, {ip: "\(pod.v6)"}]}
            """
        }
        let policy = """
            apiVersion: networking.k8s.io/v1
            kind: NetworkPolicy
            metadata: {name: api, namespace: shop}
            spec:
              podSelector: {matchLabels: {app: api}}
              ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 80}]}]
            """
        return (["apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}"] + pods + [policy])
            .joined(separator: "\n---\n")
    }

    private func send(_ world: NetWorld, port: UInt16) throws {
        let (web, api) = (world.pod("web"), world.pod("api"))
        try web.namespace.run {
            let socket = try NetSocket(.ipv4, SOCK_DGRAM)
            _ = socket.send([1, 2, 3], to: api.v4, port)
        }
    }

    private func uninstall(_ world: NetWorld) throws -> String {
        let executable = try NetDaemon.executable("bulkheadctl")
        return try world.node.command(executable, "uninstall", "--bpffs", world.bpffs)
    }

    private func decode<Value: Decodable>(_ type: Value.Type, _ text: String) throws -> Value {
        try JSONDecoder().decode(type, from: Data(text.utf8))
    }

    @Test func aDroppedPacketIsTold() async throws {
        try await onOwnThread {
            try NetWorld.with(pods: ["web", "api"]) { world in
                let daemon = try NetDaemon(in: world)
                defer { _ = try? daemon.stop() }
                try daemon.apply(manifest(world))
                let events = try world.node.start([
                    try NetDaemon.executable("bulkheadctl"), "events", "--socket", daemon.socket, "-o", "json",
                ])
                defer { _ = try? events.stop() }
                try NetClock.wait("a follower", seconds: 60) {
                    try decode(StatusAnswer.self, daemon.get("/v1/status")).followers == 1
                }
                try send(world, port: 53)
                try NetClock.wait("an event; got \(events.output)", seconds: 60) { events.output.contains("\n") }
                let line = try #require(events.output.split(separator: "\n").first)
                let drop = try #require(try decode(FlowRecord.self, String(line)).drop)
                #expect(drop.cause == .rule && drop.direction == "ingress" && drop.protocol == "UDP")
                #expect(drop.source.pod == "shop/web" && drop.destination.pod == "shop/api")
                #expect(drop.destination.port == 53 && drop.source.address == world.pod("web").v4.description)
                #expect(drop.rule?.by?.map(\.description) == ["shop/api"])
                #expect(drop.reason.contains("shop/api"))

                let counters = try decode(CountersAnswer.self, daemon.get("/v1/counters"))
                let isolation = counters.rules.first { $0.rule.kind == .isolation }
                #expect(isolation?.packets == 1 && isolation?.bytes == 31)
                let endpoints = try decode(EndpointsAnswer.self, daemon.get("/v1/endpoints")).endpoints
                #expect(endpoints.count == 2 && endpoints.allSatisfy { $0.interface != nil })
                #expect(try daemon.get("/v1/dump").contains("# programmed\n"))
            }
        }
    }

    @Test func whatWasPushedOutlivesAKilledDaemon() async throws {
        try await onOwnThread {
            try NetWorld.with(pods: ["web", "api"]) { world in
                let daemon = try NetDaemon(in: world)
                defer { _ = try? daemon.stop() }
                try daemon.apply(manifest(world))
                let before = try daemon.get("/v1/endpoints")
                try daemon.stop(SIGKILL)
                try daemon.start()
                #expect(try daemon.get("/v1/endpoints").contains("\"shop/api\"") == before.contains("\"shop/api\""))
                let status = try decode(StatusAnswer.self, daemon.get("/v1/status"))
                #expect(status.pushed.objects == 4 && status.tables.endpoints == 2 && status.healthy)
                // Taken over as it was: nothing differed but the words that say which events are wanted.
                #expect(status.datapath.lastWords <= 3)
            }
        }
    }

    @Test func itRunsWithFewPrivilegesAndLeavesNothing() async throws {
        try await onOwnThread {
            try NetWorld.with(pods: ["web"]) { world in
                let daemon = try NetDaemon(in: world)
                defer { _ = try? daemon.stop() }
                let status = try NetProcess.run(["cat", "/proc/\(daemon.pid)/status"])
                // CAP_NET_ADMIN, CAP_PERFMON, CAP_BPF.
                #expect(status.contains("CapEff:\t000000c000001000\n"))
                #expect(status.contains("CapBnd:\t000000c000001000\n"))
                // A daemon that runs would put everything back.
                #expect(throws: (any Error).self) { try uninstall(world) }
                #expect(try daemon.stop() == 0)
                let removed = try uninstall(world)
                #expect(removed.contains("removed nftables table inet bulkhead-tracking\n"))
                #expect(removed.hasSuffix("nothing is left\n"))
                #expect(try uninstall(world) == "nothing is left\n")
            }
        }
    }

    /// The table that checks sources behind bridges, and the one that enforces, come back long before the next look.
    @Test func deletedTablesComeBackAtOnce() async throws {
        try await onOwnThread {
            try NetWorld.with(pods: ["web", "api"], links: .bridged) { world in
                let daemon = try NetDaemon(in: world, datapath: .nftables, options: ["--watch-interval", "3600"])
                defer { _ = try? daemon.stop() }
                try daemon.apply(manifest(world))
                func isThere(_ family: String) -> Bool {
                    (try? world.node.command("nft", "list", "table", family, "bulkhead"))?.contains("chain") ?? false
                }
                try NetClock.wait("both tables", seconds: 60) { isThere("inet") && isThere("bridge") }
                for (count, family) in ["bridge", "inet", "bridge"].enumerated() {
                    try world.node.command("nft", "delete", "table", family, "bulkhead")
                    try NetClock.wait("\(family) to come back", seconds: 60) { isThere(family) }
                    try NetClock.wait("the count", seconds: 60) {
                        try decode(StatusAnswer.self, daemon.get("/v1/status")).datapath.repaired > count
                    }
                }
                #expect(daemon.log.contains("others had changed the tables"))
            }
        }
    }

    @Test func onceAppliesAndItsCodeTells() async throws {
        try await onOwnThread {
            try NetWorld.with(pods: ["web", "api"]) { world in
                let arguments = [
                    try NetDaemon.executable("bulkheadd"), "--node-name", NetDaemon.nodeName, "--bpffs", world.bpffs,
                    "--socket", world.directory + "/once.sock", "--manifests", world.manifests,
                ]
                try write(manifest(world), to: world.manifests + "/shop.yaml")
                #expect(try world.node.start(arguments + ["--once"]).wait() == 0)
                let kept = try NetProcess.run(["ls", "-R", world.bpffs])
                #expect(kept.contains("link4"))
                try write("kind: Pod\n", to: world.manifests + "/wrong.yaml")
                let refused = try world.node.start(arguments + ["--once", "--log-format", "json"])
                #expect(try refused.wait() == 1)
                #expect(refused.output.contains(#""level":"error""#))
                #expect(try world.node.start(arguments + ["--cleanup"]).wait() == 0)
                #expect(!(try NetProcess.run(["ls", "-R", world.bpffs])).contains("link4"))
            }
        }
    }

    /// The real daemon's metrics and probes, asked from its node; what enforces is taken away under its hands.
    @Test(arguments: NetDatapath.allCases)
    func probesSeeTheKernel(datapath: NetDatapath) async throws {
        try await onOwnThread {
            try NetWorld.with(pods: ["web", "api"]) { world in
                let daemon = try NetDaemon(
                    in: world, datapath: datapath, options: ["--metrics-address", "127.0.0.1:9105"])
                defer { _ = try? daemon.stop() }
                func get(_ path: String) throws -> String {
                    try world.node.command("curl", "-s", "-w", "%{http_code}", "http://127.0.0.1:9105\(path)")
                }
                try daemon.apply(manifest(world))
                try NetClock.wait("the address", seconds: 60) { (try? get("/readyz")) == "ok\n200" }
                #expect(try get("/healthz") == "ok\n200")
                try send(world, port: 53)
                let denied =
                    #"bulkhead_denied_packets_total{direction="ingress",tier="NetworkPolicy",namespace="shop"} 1"#
                try NetClock.wait("the packet to be counted", seconds: 60) { try get("/metrics").contains(denied) }
                #expect(try get("/metrics").contains("bulkhead_programming_latency_seconds_count 1"))
                let refused = #"bulkhead_connections_dropped_packets_total{reason="no_room"} 0"#
                #expect(try get("/metrics").contains(refused))
                guard datapath == .ebpf else { return }
                func links() throws -> [Substring] {
                    try world.node.command("find", world.bpffs, "-name", "link4").split(separator: "\n")
                }
                let before = try links()
                for link in before { _ = try world.node.command("rm", String(link)) }
                // It is put back, counted, and the probe is content.
                try NetClock.wait("the links to be back", seconds: 30) { (try? links()) == before }
                try NetClock.wait("the repair to be counted", seconds: 30) {
                    try get("/metrics").split(separator: "\n").contains {
                        $0.hasPrefix("bulkhead_drift_repairs_total ") && !$0.hasSuffix(" 0")
                    }
                }
                #expect(try get("/healthz") == "ok\n200")
                try daemon.stop()
                try daemon.start()
                try NetClock.wait("the address", seconds: 60) { (try? get("/healthz")) == "ok\n200" }
            }
        }
    }
}
