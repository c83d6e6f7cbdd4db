// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import TestKit
import Testing

extension Live {
    /// Which port is whose, whatever pods with CAP_NET_ADMIN do; and what a daemon without policy leaves alone.
    @Suite struct PortTests {
        /// Sends from `idle` as `api`, and as `api` itself; returns for each family whether the forged one arrives.
        private func forged(_ cluster: LiveCluster, _ step: UInt64) throws -> [Bool] {
            let (api, idle) = (cluster.world.pod("api"), cluster.world.pod("idle"))
            let server = cluster.server("db")
            return try AddressFamily.allCases.enumerated().map { offset, family in
                let number = step * 100 + UInt64(offset * 10) + 1
                let target = cluster.world.pod("db").address(family)
                for (pod, number) in [(idle, number), (api, number + 1)] {
                    try pod.namespace.run {
                        try NetSpoof.send(
                            from: api.address(family), 40000, to: target, 5353, payload: NetBytes.big(number))
                    }
                }
                try NetClock.wait("the honest datagram", seconds: 3) {
                    server.arrivals.contains { $0.number == number + 1 }
                }
                NetClock.sleep(milliseconds: 50)
                return server.arrivals.contains { $0.number == number }
            }
        }

        @Test(arguments: NetDatapath.allCases) func podsTakeOthersAddresses(datapath: NetDatapath) throws {
            try LiveCluster.with(datapath, links: .bridged) { cluster in
                let (api, idle) = (cluster.world.pod("api"), cluster.world.pod("idle"))
                #expect(try forged(cluster, 1) == [false, false])
                // Beside its own, then instead of its own; the daemon looks every two seconds.
                let theirs = ["addr add \(api.v4)/24 dev eth0", "addr add \(api.v6)/64 dev eth0 nodad"]
                let routes = [
                    "route replace \(cluster.world.pod("db").v4)/32 dev eth0",
                    "-6 route replace \(cluster.world.pod("db").v6)/128 dev eth0",
                ]
                try idle.namespace.ip(theirs)
                NetClock.sleep(milliseconds: 2300)
                #expect(try forged(cluster, 2) == [false, false])
                try idle.namespace.ip(["addr del \(idle.v4)/24 dev eth0", "addr del \(idle.v6)/64 dev eth0"] + routes)
                NetClock.sleep(milliseconds: 2300)
                #expect(try forged(cluster, 3) == [false, false])
            }
        }
    }
}
