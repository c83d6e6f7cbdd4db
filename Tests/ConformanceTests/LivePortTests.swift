// SPDX-License-Identifier: Apache-2.0
import NetworkKit
import NetworkTypes
import Testing

extension LiveAlone {
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
                    "route replace \(cluster.world.pod("db").v6)/128 dev eth0",
                ]
                try idle.namespace.ip(theirs)
                NetClock.sleep(milliseconds: 2300)
                #expect(try forged(cluster, 2) == [false, false])
                try idle.namespace.ip(["addr del \(idle.v4)/24 dev eth0", "addr del \(idle.v6)/64 dev eth0"] + routes)
                NetClock.sleep(milliseconds: 2300)
                #expect(try forged(cluster, 3) == [false, false])
            }
        }

        /// A further interface of a pod is the pod: its own address gets through by it, another's does not.
        @Test(arguments: NetDatapath.allCases) func secondInterface(datapath: NetDatapath) throws {
            try LiveCluster.with(datapath) { cluster in
                let (api, idle, node) = (cluster.world.pod("api"), cluster.world.pod("idle"), cluster.world.node)
                try NetProcess.run([
                    "ip", "link", "add", "name", "second", "netns", node.name, "type", "veth", "peer", "name", "net1",
                    "netns", idle.namespace.name,
                ])
                try node.ip(["link set second up", "addr add 192.168.77.1/32 dev second"])
                try idle.namespace.ip(["link set net1 up", "addr add 192.168.77.2/32 dev net1"])
                let hardware = try ["second", "net1"].enumerated().map { number, name in
                    let text = try (number == 0 ? node : idle.namespace).command(
                        "ip", "-o", "link", "show", "dev", name)
                    let words = text.split(separator: " ")
                    let address = words[words.firstIndex(of: "link/ether")! + 1]
                    return address.split(separator: ":").compactMap { UInt8($0, radix: 16) }
                }
                NetClock.sleep(milliseconds: 700)
                let server = cluster.server("outside")
                let target = LivePlace.outside.address(.ipv4, in: cluster.world)
                func send(_ number: UInt64, from source: IPAddress) throws {
                    let datagram = NetBytes.udp(from: source, 4000, to: target, 5353, payload: NetBytes.big(number))
                    let packet = NetBytes.ip(from: source, to: target, protocol: 17, payload: datagram)
                    try idle.namespace.run {
                        try NetSpoof.send(frame: hardware[0] + hardware[1] + [8, 0] + packet, by: "net1")
                    }
                }
                // The second takes the same way; had the first got through, it would have come before.
                try send(1, from: api.v4)
                try send(2, from: idle.v4)
                try NetClock.wait("the honest datagram", seconds: 5) { !server.arrivals.isEmpty }
                #expect(server.arrivals.map(\.number) == [2])
            }
        }
    }
}
