// SPDX-License-Identifier: Apache-2.0
import Glibc
import NetworkKit
import NetworkTypes
import NodeNetwork
import RequestSteering
import Testing

/// Real packets, steered by real tables, rules and routes, without policy; needs root, nft, ip and HAProxy.
@Suite(.serialized) struct SteeringTests {
    private static let settings = SteeringSettings()
    static let steered: UInt16 = 80
    static let other: UInt16 = 81

    /// Runs `body` on the node's thread, with steering of the server's port by the pod `proxy`.
    static func with(
        _ links: NetPodLinks, _ body: (NetWorld, inout RequestSteering, SteeringPlan) throws -> Void
    ) throws {
        let services = [NetService(port: steered, targetPort: steered, backends: ["server"])]
        try NetWorld.with(pods: ["client", "server", "proxy"], services: services, links: links) { world in
            if links == .bridged {
                try world.node.sysctl([("bridge/bridge-nf-call-iptables", 1), ("bridge/bridge-nf-call-ip6tables", 1)])
            }
            // The strictest that the kernel has: answers to a source must leave by the device, and marks count.
            try world.node.sysctl([("ipv4/conf/all/rp_filter", 1), ("ipv4/conf/all/src_valid_mark", 1)])
            let server = world.pod("server")
            let ports = [steered, other].map { NetServer.Port(.tcp, $0) }
            let listener = try server.namespace.run { try NetServer(at: [server.v4, server.v6], ports) }
            defer { listener.stop() }
            try world.node.run {
                var steering = RequestSteering()
                try body(world, &steering, plan(world, links))
                try RequestSteering.uninstall()
                #expect(try RequestSteering.installed().isEmpty)
            }
        }
    }

    private static func plan(_ world: NetWorld, _ links: NetPodLinks) throws -> SteeringPlan {
        let (server, proxy) = (world.pod("server"), world.pod("proxy"))
        let port = if_nametoindex(proxy.hostInterface)
        let bridge = if_nametoindex("cni0")
        let hardware = bridge == 0 ? 0 : try world.node.hardwareAddress(of: "cni0").reduce(0) { $0 << 8 | UInt64($1) }
        let ports = Set(world.pods.filter { $0.node == 0 }.map { if_nametoindex($0.hostInterface) })
        return SteeringPlan(
            settings: settings, ports: [server.v4: [PortRange(steered)], server.v6: [PortRange(steered)]],
            proxy: links == .bridged
                ? SteeringProxy(addresses: [proxy.v4, proxy.v6], link: bridge, port: port)
                : SteeringProxy(addresses: [proxy.v4, proxy.v6], link: port),
            bridges: links == .bridged ? [SteeringBridge(index: bridge, hardware: hardware, ports: ports)] : [])
    }

    private static func ask(_ world: NetWorld, _ destination: IPAddress, _ port: UInt16) throws -> NetOutcome {
        try world.pod("client").namespace.run {
            try NetProbe(.tcp, to: destination, port: port, milliseconds: 800).run()
        }
    }

    /// The server's addresses and those of its Service.
    private static func destinations(_ world: NetWorld) -> [IPAddress] {
        let server = world.pod("server")
        return [server.v4, server.v6, NetAddressing.service(0), NetAddressing.service6(0)]
    }

    /// Directly and by a Service, flows pass the proxy: they end with it, others do not, and without steering they are
    /// direct again.
    @Test(arguments: NetPodLinks.allCases) func flowsGoByTheProxy(links: NetPodLinks) throws {
        try Self.with(links) { world, steering, plan in
            let proxy = try ProxyStandIn(in: world.pod("proxy"), directory: world.directory)
            try steering.set(plan)
            for destination in Self.destinations(world) {
                #expect(try Self.ask(world, destination, Self.steered) == .answered, "\(destination)")
            }
            try proxy.stop()
            for destination in Self.destinations(world) {
                #expect(try Self.ask(world, destination, Self.steered) != .answered, "\(destination)")
            }
            for destination in Self.destinations(world).prefix(2) {
                #expect(try Self.ask(world, destination, Self.other) == .answered, "\(destination)")
            }
            #expect(try steering.repair() == 0)
            var away = plan
            away.proxy = nil
            try steering.set(away)
            for destination in Self.destinations(world) {
                #expect(try Self.ask(world, destination, Self.steered) == .answered, "\(destination)")
            }
            #expect(steering.lost() == 0)
        }
    }

    /// What others change is repaired; a marked packet never passes by a lost route.
    @Test(arguments: [
        ["ip", "rule", "del", "pref", "15"], ["ip", "-6", "rule", "del", "pref", "15"],
        ["ip", "route", "flush", "table", "9105"], ["nft", "delete", "table", "inet", "bulkhead-requests"],
        ["nft", "flush", "chain", "bridge", "bulkhead-requests", "after-routing-hooks"],
        ["sysctl", "-qw", "net.ipv4.conf.cni0.rp_filter=1"],
    ])
    func changesAreRepaired(command: [String]) throws {
        try Self.with(.bridged) { world, steering, plan in
            try steering.set(plan)
            let installed = try RequestSteering.installed()
            #expect(installed.count == 8, "\(installed)")
            try NetProcess.run(command)
            if command[0] == "ip" {
                let server = world.pod("server")
                let lost = command.contains("-6") ? server.v6 : server.v4
                #expect(try Self.ask(world, lost, Self.steered) != .answered)
            }
            #expect(try steering.repair() > 0)
            #expect(try RequestSteering.installed() == installed)
            #expect(try steering.repair() == 0)
        }
    }

    /// A later run takes over, also with another table and another priority.
    @Test func anEarlierRunIsTakenOver() throws {
        try Self.with(.routed) { world, steering, plan in
            try steering.set(plan)
            var later = plan
            later.settings.table = 9106
            var second = RequestSteering()
            try second.set(later)
            let installed = try RequestSteering.installed()
            #expect(installed.allSatisfy { !$0.contains("9105") }, "\(installed)")
            #expect(installed.count == 8, "\(installed)")
            later.settings.priority = 2000
            try second.set(later)
            let rules = try NetProcess.run(["ip", "rule"]) + NetProcess.run(["ip", "-6", "rule"])
            let marked = rules.split(separator: "\n").filter { $0.contains("fwmark") }
            #expect(marked.map { $0.prefix { $0 != ":" } } == ["1999", "2000", "2000"], "\(rules)")
        }
    }

    /// Marks that a pod sets itself do not arrive, neither as one from the proxy nor as one to it.
    @Test(arguments: NetPodLinks.allCases) func podsCannotMark(links: NetPodLinks) throws {
        try Self.with(links) { world, steering, plan in
            try steering.set(plan)
            try world.node.command(
                "nft", "-f", "-",
                input: """
                    table inet watch {
                        counter marked { }
                        counter seen { }
                        chain forward {
                            type filter hook forward priority 300;
                            tcp dport 81 counter name "seen"
                            tcp dport 81 meta mark & 0x30 != 0 counter name "marked"
                        }
                    }

                    """)
            let server = world.pod("server")
            try world.pod("client").namespace.run {
                for mark: Int32 in [0x10, 0x20, 0x30] {
                    let socket = try NetSocket(.ipv4, SOCK_STREAM)
                    socket.setOption(SOL_SOCKET, SO_MARK, mark)
                    _ = socket.connect(server.v4, Self.other)
                }
            }
            try NetClock.wait("the packets", seconds: 2) {
                try world.node.command("nft", "list", "counter", "inet", "watch", "seen").contains("packets 0") == false
            }
            #expect(try world.node.command("nft", "list", "counter", "inet", "watch", "marked").contains("packets 0"))
        }
    }
}
