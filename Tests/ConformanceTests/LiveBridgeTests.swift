// SPDX-License-Identifier: Apache-2.0
import NetworkKit
import NetworkTypes
import Testing

extension Live {
    /// Pods as ports of one bridge, as the bridge CNI plugin lays them. The world begins with bridged packets passing
    /// netfilter by: the daemon switches that.
    @Suite(.serialized) struct BridgeTests {
        /// Every row of the table, of which most stay within the bridge.
        @Test(arguments: NetDatapath.allCases) func table(datapath: NetDatapath) throws {
            try LiveCluster.with(datapath, links: .bridged) { cluster in
                try cluster.check(LiveCase.table)
            }
        }

        /// Sends as another pod from the wrong port, within the bridge and out of it; the same bytes from the right one
        /// get through.
        @Test(arguments: NetDatapath.allCases) func spoofedSource(datapath: NetDatapath) throws {
            try LiveCluster.with(datapath, links: .bridged) { cluster in
                let (api, idle) = (cluster.world.pod("api"), cluster.world.pod("idle"))
                for (offset, family) in AddressFamily.allCases.enumerated() {
                    let outside = LivePlace.outside.address(family, in: cluster.world)
                    for (step, target) in [cluster.world.pod("db").address(family), outside].enumerated() {
                        let server = cluster.server(step == 0 ? "db" : "outside")
                        let number = UInt64(offset * 10 + step * 2 + 1)
                        func send(_ number: UInt64, from pod: NetPod) throws {
                            try pod.namespace.run {
                                try NetSpoof.send(
                                    from: api.address(family), 40000, to: target, 5353, payload: NetBytes.big(number))
                            }
                        }
                        try send(number, from: idle)
                        try send(number + 1, from: api)
                        try NetClock.wait("the honest datagram", seconds: 2) {
                            server.arrivals.contains { $0.number == number + 1 }
                        }
                        try NetClock.wait("the forged datagram to be counted", seconds: 5) {
                            let status = try cluster.daemon.get("/v1/status")
                            let spoofed = status.firstMatch(of: /"spoofed" ?: ?([0-9]+)/).flatMap { Int($0.1) } ?? 0
                            return spoofed > offset * 2 + step
                        }
                        #expect(!server.arrivals.contains { $0.number == number }, "\(family), \(step)")
                    }
                }
            }
        }

        /// Pods of one bridge reach each other by link-local addresses too, which no policy can name.
        @Test(arguments: NetDatapath.allCases) func linkLocalIsNoWayRound(datapath: NetDatapath) throws {
            try LiveCluster.with(datapath, links: .bridged) { cluster in
                let (idle, locked) = (cluster.world.pod("idle"), cluster.world.pod("locked"))
                let (target, any) = (try IPAddress("fe80::10c"), try IPAddress("::"))
                try locked.namespace.ip(["addr add \(target)/64 dev eth0 nodad"])
                let server = try locked.namespace.run { try NetServer(at: [any], [.init(.udp, 7777)]) }
                defer { server.stop() }
                let hardware = try locked.namespace.hardwareAddress() + idle.namespace.hardwareAddress()
                func send(_ number: UInt64) throws {
                    let datagram = NetBytes.udp(from: idle.v6, 4000, to: target, 7777, payload: NetBytes.big(number))
                    let packet = NetBytes.ip(from: idle.v6, to: target, protocol: 17, payload: datagram)
                    try idle.namespace.run {
                        try NetSpoof.send(frame: hardware + [0x86, 0xdd] + packet, by: "eth0")
                    }
                }
                try send(1)
                try cluster.daemon.stop()
                try NetDaemon.uninstall(from: cluster.world)
                // The second takes the same way; had the first got through, it would have come before.
                try send(2)
                try NetClock.wait("the frame after the uninstall", seconds: 5) { !server.arrivals.isEmpty }
                #expect(server.arrivals.map(\.number) == [2])
            }
        }

        /// What the daemon has laid for bridges outlives it, and goes with the rest.
        @Test(arguments: NetDatapath.allCases) func outlivesTheDaemon(datapath: NetDatapath) throws {
            try LiveCluster.with(datapath, links: .bridged) { cluster in
                func tables() throws -> String { try cluster.world.node.command("nft", "list", "tables") }
                let probe = NetProbe(.tcp, to: cluster.world.pod("locked").v4, port: 8080, milliseconds: 300)
                try cluster.daemon.stop(9)
                #expect(try tables().contains("bridge bulkhead"))
                #expect(try cluster.ask(probe, from: "idle") == .timeout)
                try cluster.daemon.start()
                #expect(try cluster.ask(probe, from: "idle") == .timeout)
                try cluster.daemon.stop()
                try NetDaemon.uninstall(from: cluster.world)
                #expect(try !tables().contains("bulkhead"))
                #expect(try cluster.ask(probe, from: "idle") == .answered)
            }
        }
    }
}

extension LiveAlone {
    @Suite struct BridgeTests {
        /// Without the settings policy does not hold: the daemon says so, and what to do.
        @Test(arguments: NetDatapath.allCases) func statusTellsOfBridges(datapath: NetDatapath) throws {
            try LiveCluster.with(datapath, links: .bridged) { cluster in
                let settings = [("bridge/bridge-nf-call-iptables", 0), ("bridge/bridge-nf-call-ip6tables", 0)]
                try cluster.world.node.sysctl(settings)
                // Without any request, it is noticed within a second.
                NetClock.sleep(milliseconds: 1000)
                #expect(try cluster.world.node.command("cat", "/proc/sys/net/bridge/bridge-nf-call-iptables") == "1\n")
                let status = try cluster.daemon.get("/v1/status")
                #expect(status.contains(/"repaired" ?: ?[1-9]/), "\(status)")
                #expect(cluster.daemon.log.contains("bridge-nf-call-iptables"))
                #expect(status.contains(/"bridges" ?: ?\{[^}]*"filtering" ?: ?true/), "\(status)")
                #expect(status.contains(/"ports" ?: ?5/), "\(status)")
                let probe = NetProbe(.tcp, to: cluster.world.pod("locked").v4, port: 8080, milliseconds: 300)
                #expect(try cluster.ask(probe, from: "idle") == .timeout)
            }
        }
    }
}
