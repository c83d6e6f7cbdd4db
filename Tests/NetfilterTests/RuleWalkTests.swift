// SPDX-License-Identifier: Apache-2.0
import Glibc
import Netfilter
import NetworkKit
import NetworkTypes
import Testing

/// Tables that `nft` has written, read from the kernel and interpreted.
@Suite struct RuleWalkTests {
    private static let forward = "type filter hook forward priority 0;"

    /// Rules by what they match of a TCP packet from 10.0.0.1, port 40000, to 10.0.0.2, port 80, and of the same in IPv6.
    private static let rows: [(rule: String, matches: Bool)] = [
        ("meta nfproto ipv4 accept", true), ("meta nfproto ipv6 accept", false),
        ("tcp dport 80 accept", true), ("tcp dport != 80 accept", false), ("tcp dport 70-90 accept", true),
        ("tcp dport != 70-90 accept", false), ("tcp dport > 80 accept", false), ("tcp dport >= 80 accept", true),
        ("tcp dport < 81 accept", true), ("tcp sport 40000 accept", true), ("udp dport 80 accept", false),
        ("ip saddr 10.0.0.0/8 accept", true), ("ip saddr 10.0.0.0/31 accept", true),
        ("ip daddr 10.0.0.0/31 accept", false),
        ("ip saddr { 10.0.0.1, 10.0.0.9 } accept", true), ("ip saddr != { 10.0.0.1, 10.0.0.9 } accept", false),
        ("ip daddr { 10.0.0.0-10.0.0.1, 10.0.0.3-10.0.0.9 } accept", false),
        ("ip daddr { 10.0.0.0-10.0.0.1, 10.0.0.2-10.0.0.2 } accept", true),
        ("ip daddr . tcp dport { 10.0.0.2 . 80 } accept", true),
        ("ip daddr . tcp dport { 10.0.0.2 . 81 } accept", false),
        ("ip daddr . tcp dport { 10.0.0.0/30 . 79-81 } accept", true),
        ("ip daddr . tcp dport { 10.0.0.0/30 . 81-99, 10.0.0.4/30 . 80 } accept", false),
        ("tcp dport vmap { 80 : accept, 81 : drop }", true), ("tcp dport vmap { 81 : accept }", false),
        ("ct state new accept", true), ("ct state established,related accept", false),
        ("ct state != new accept", false),
        ("ct direction original accept", true), ("ct mark 0 accept", true), ("meta mark & 0xff == 0x10 accept", false),
        ("ct original ip saddr 10.0.0.1 accept", true), ("ct reply ip saddr 10.0.0.2 accept", true),
        ("iif 1 accept", false), ("meta iif 70 accept", true), ("meta oif 71 accept", true),
        ("iif . ip saddr { 70 . 10.0.0.1 } accept", true), ("ip ttl 64 accept", true), ("ip ttl 1 accept", false),
        ("ether saddr 02:00:00:00:00:07 accept", true), ("ether saddr 02:00:00:00:00:08 accept", false),
        ("counter log prefix \"x\" accept", true), ("jump deep", true), ("goto deep", true),
        ("jump empty; accept", true), ("goto empty", false), ("return", false),
    ]

    private static let packet = WalkedPacket(
        IPAddress(v4: 0x0a00_0001), IPAddress(v4: 0x0a00_0002), protocol: 6,
        bytes: [
            0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0x9c, 0x40, 0, 80, 0, 0, 0, 1, 0, 0,
            0,
            0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0,
        ], headerBytes: 20, interface: 70, outInterface: 71, hardwareSource: [2, 0, 0, 0, 0, 7])

    private static func table(_ rule: String) -> String {
        """
        table inet walk {
          chain empty { }
          chain deeper { accept; }
          chain deep { tcp dport 81 drop; jump deeper; }
          chain forward { \(forward) policy drop; \(rule); }
        }
        """
    }

    @Test func rulesMatchAsTheirTextSays() throws {
        NetNamespace.sweep()
        let namespace = NetNamespace(name: "\(NetNamespace.prefix)\(getpid())-walk")
        try NetProcess.run(["ip", "netns", "add", namespace.name])
        defer { namespace.remove() }
        try namespace.run {
            let reader = TableReader(TableIdentity(.inet, "walk"), try NetfilterSocket())
            for (rule, matches) in Self.rows {
                try NetProcess.run(["nft", "-f", "-"], input: "flush ruleset\n" + Self.table(rule))
                var walk = RuleWalk(Self.packet, through: TableCache(reader))
                let end = try walk.pass(hook: 2)
                #expect(end == (matches ? .accepted : .dropped), "\(rule)")
                #expect(try walk.pass(hook: 1) == .accepted, "another hook")
            }
        }
    }
}
