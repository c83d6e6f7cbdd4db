// SPDX-License-Identifier: Apache-2.0
import Glibc
import NetworkKit
import NetworkTypes
import NodeNetwork
import Testing

/// Rules and routes that are written are what `ip` lists and what is read back; needs root.
struct PolicyRoutingTests {
    private static let table: UInt32 = 4250

    private static func with(_ role: String, _ body: (borrowing NetNamespace) throws -> Void) throws {
        NetNamespace.sweep()
        let namespace = NetNamespace(name: "\(NetNamespace.prefix)\(getpid())-\(role)")
        try NetProcess.run(["ip", "netns", "add", namespace.name])
        defer { namespace.remove() }
        try namespace.ip([
            "link set lo up", "link add pod0 type veth peer name far0", "link set pod0 up", "link set far0 up",
        ])
        try namespace.run { try body(namespace) }
    }

    private static func rule(_ family: AddressFamily) -> MarkRule {
        MarkRule(family, priority: 110, mark: 0x10, mask: 0x30, table: table)
    }

    @Test(arguments: AddressFamily.allCases) func rules(family: AddressFamily) throws {
        try Self.with("rules-\(family)") { namespace in
            var routing = try PolicyRouting()
            let rule = Self.rule(family)
            try routing.add(rule)
            try routing.add(rule)
            #expect(try routing.rules(family) == [rule])
            let other = family == .ipv4 ? AddressFamily.ipv6 : .ipv4
            #expect(try routing.rules(other) == [])
            let listed = try NetProcess.run(["ip", family == .ipv4 ? "-4" : "-6", "rule"])
            #expect(listed.contains("110:\tfrom all fwmark 0x10/0x30 lookup 4250"))
            #expect(rule.description == "110: from all fwmark 0x10/0x30 lookup 4250")
            try routing.remove(rule)
            try routing.remove(rule)
            #expect(try routing.rules(family) == [])
        }
    }

    @Test(arguments: ["lo", "pod0"]) func rulesForOneInput(device: String) throws {
        try Self.with("input-\(device)") { _ in
            var routing = try PolicyRouting()
            let rule = MarkRule(.ipv4, priority: 109, mark: 0x10, mask: 0x30, table: 254, input: device)
            try routing.add(rule)
            try routing.add(rule)
            let listed = try NetProcess.run(["ip", "rule"])
            #expect(listed.contains("109:\tfrom all fwmark 0x10/0x30 iif \(device) lookup main"))
            #expect(try routing.rules(.ipv4, isOwn: true) == [rule])
            #expect(rule.description == "109: from all fwmark 0x10/0x30 iif \(device) lookup 254")
            try routing.remove(rule)
            #expect(try routing.rules(.ipv4) == [])
        }
    }

    @Test func sourceCheck() throws {
        try Self.with("source-check") { _ in
            var routing = try PolicyRouting()
            let setting = KernelSetting("ipv4/conf/pod0/rp_filter")
            for check in [PolicyRouting.SourceCheck.strict, .loose, .off] {
                try routing.set(check, of: if_nametoindex("pod0"))
                #expect(try setting.read() == Int(check.rawValue))
            }
            let error = #expect(throws: NodeNetworkError.self) { try routing.set(.loose, of: 4_000_000) }
            #expect("\(try #require(error))".hasPrefix("set rp_filter of the device 4000000 to 2"))
        }
    }

    /// Rules of others, which match by more than the mark and the input device.
    @Test func rulesOfOthers() throws {
        try Self.with("other-rules") { namespace in
            try namespace.ip([
                "rule add pref 5 fwmark 1 oif pod0 lookup 9", "rule add pref 6 from 10.0.0.0/8 fwmark 1 lookup 9",
                "rule add pref 7 not fwmark 1 lookup 9", "rule add pref 8 fwmark 1 lookup 9",
            ])
            var routing = try PolicyRouting()
            #expect(
                try routing.rules(.ipv4) == [MarkRule(.ipv4, priority: 8, mark: 1, mask: .max, table: 9)])
        }
    }

    @Test(arguments: ["192.0.2.7", "2001:db8::7"]) func routes(router: String) throws {
        let router = try IPAddress(router)
        let family = router.family
        try Self.with("routes-\(family)") { namespace in
            var routing = try PolicyRouting()
            #expect(try routing.routes(of: Self.table, family) == [])
            let link = if_nametoindex("pod0")
            func route(_ target: TableRoute.Target, _ metric: UInt32) -> TableRoute {
                TableRoute(defaultOf: family, table: Self.table, target, metric: metric)
            }
            let (via, direct) = (route(.link(link, via: router), 100), route(.link(link, via: nil), 100))
            let (dead, local) = (route(.unreachable, .max), route(.local(if_nametoindex("lo")), 50))
            for wanted in [dead, direct, via, local] { try routing.set(wanted) }
            try routing.set(via)
            #expect(try Set(routing.routes(of: Self.table, family)) == [dead, via, local])
            try routing.remove(local)
            try routing.remove(local)
            #expect(try Set(routing.routes(of: Self.table, family)) == [dead, via])
            // Where the link is down, the route by it is gone and the other one holds.
            try namespace.ip(["link set pod0 down"])
            #expect(try routing.routes(of: Self.table, family) == [dead])
            let error = #expect(throws: NodeNetworkError.self) { try routing.set(via) }
            #expect("\(try #require(error))".hasPrefix("add the route '\(via)'"))
            try routing.remove(dead)
            #expect(try routing.routes(of: Self.table, family) == [])
        }
    }
}
