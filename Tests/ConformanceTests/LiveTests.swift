// SPDX-License-Identifier: Apache-2.0
import NetworkKit
import NetworkTypes
import PacketKit
import Testing

extension Live {
    /// Real packets through the real daemon and the kernel, in namespaces.
    @Suite(.serialized) struct TableTests {
        @Test(arguments: NetDatapath.allCases, NetProxyMode.allCases)
        func table(datapath: NetDatapath, proxy: NetProxyMode) throws {
            try LiveCluster.with(datapath, proxy: proxy) { cluster in
                let oracle = try cluster.oracle()
                let rows = LiveCase.table.rows
                #expect(rows.count > 120)
                for (row, family) in rows {
                    let flow = row.flow(family, in: cluster.world)
                    let expected = row.allowed == nil ? "deny" : "allow"
                    #expect(oracle.verdict(flow).verdict.rawValue == expected, "\(row): \(flow): the oracle")
                }
                try cluster.check(LiveCase.table)
            }
        }

        /// Sends as another pod from the wrong interface; the same bytes from the right one get through.
        @Test(arguments: NetDatapath.allCases, AddressFamily.allCases)
        func spoofedSource(datapath: NetDatapath, family: AddressFamily) throws {
            try LiveCluster.with(datapath) { cluster in
                let (api, db, idle) = (cluster.world.pod("api"), cluster.world.pod("db"), cluster.world.pod("idle"))
                func send(_ number: UInt64, from pod: NetPod) throws {
                    try pod.namespace.run {
                        try NetSpoof.send(
                            from: api.address(family), 40000, to: db.address(family), 5353,
                            payload: NetBytes.big(number))
                    }
                }
                try send(1, from: idle)
                try send(2, from: api)
                try NetClock.wait("the honest datagram", seconds: 2) {
                    cluster.server("db").arrivals.contains { $0.number == 2 }
                }
                try NetClock.wait("the spoofed datagram to be counted", seconds: 5) {
                    let counters = try cluster.daemon.get("/v1/counters")
                    return counters.firstMatch(of: /"spoofed" ?: ?([0-9]+)/).map { Int($0.1)! } ?? 0 >= 1
                }
                #expect(!cluster.server("db").arrivals.contains { $0.number == 1 })
            }
        }

        /// Fragments by hand: a first one without a whole transport header, and the last one first.
        @Test(arguments: NetDatapath.allCases, [false, true])
        func oddFragments(datapath: NetDatapath, reversed: Bool) throws {
            try LiveCluster.with(datapath) { cluster in
                let db = cluster.world.pod("db")
                for (number, name) in [(UInt64(1), "idle"), (2, "api")] {
                    let pod = cluster.world.pod(name)
                    let payload = NetBytes.big(number) + [UInt8](repeating: 7, count: 600)
                    try pod.namespace.run {
                        try NetSpoof.sendFragments(
                            from: pod.v4, 40000, to: db.v4, 5353, payload: payload, firstBytes: 8, reversed: reversed)
                    }
                }
                // The marker: no policy denies it to web, and it leaves the sender after the packets that db must not
                // get.
                let web = cluster.world.pod("web")
                try cluster.world.pod("idle").namespace.run {
                    let idle = cluster.world.pod("idle")
                    try NetSpoof.send(from: idle.v4, 40000, to: web.v4, 5353, payload: NetBytes.big(UInt64(3)))
                }
                try NetClock.wait("the allowed datagram and the marker", seconds: 5) {
                    cluster.server("db").arrivals.contains { $0.number == 2 }
                        && cluster.server("web").arrivals.contains { $0.number == 3 }
                }
                #expect(!cluster.server("db").arrivals.contains { $0.number == 1 })
            }
        }

        /// A router on the way says that the packet is too big: its error reaches the isolated sender.
        @Test(arguments: NetDatapath.allCases, AddressFamily.allCases)
        func packetTooBig(datapath: NetDatapath, family: AddressFamily) throws {
            try LiveCluster.with(datapath) { cluster in
                let far = cluster.world.pod("far")
                try cluster.world.nodes[1].ip(["link set \(far.hostInterface) mtu 1280"])
                let probe = NetProbe(
                    .udp, to: far.address(family), port: 5353, payloadBytes: 1400, dontFragment: true,
                    milliseconds: 1000)
                #expect(try cluster.world.pod("api").namespace.run { try probe.run() } == .tooBig)
            }
        }
    }
}
