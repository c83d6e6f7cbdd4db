// SPDX-License-Identifier: Apache-2.0
import BridgeGuard
import Netfilter
import NetworkTypes
import Testing

/// The table of bridge ports as text: pure.
struct BridgeTableTests {
    /// A pod behind port 3, another pod elsewhere, the node, and one open port.
    private static func contents(_ change: (inout BridgePorts) -> Void = { _ in }) throws -> TableContents {
        var ports = BridgePorts(pods: [
            3: .init(
                addresses: [try IPAddress("10.0.0.1"), try IPAddress("fd00::1")],
                linkLocal: [try IPAddress("fe80::1")], hardware: 0x0200_0000_0001)
        ])
        ports.otherPods = [try IPAddress("10.0.0.9")]
        ports.nodeHardware = [0x0200_0000_0099]
        ports.nodeAddresses = [try IPAddress("10.0.0.254")]
        change(&ports)
        return BridgeTable(ports: ports).contents
    }

    private static let drop = #"counter name "packets-spoofed" drop"#

    @Test(arguments: [
        "set known-addresses-ipv4": "10.0.0.1, 10.0.0.9, 10.0.0.254",
        "set known-addresses-ipv6": "fd00::1, fe80::1",
        "set known-hardware": "02:00:00:00:00:01, 02:00:00:00:00:99",
        "set pod-hardware": "3 . 02:00:00:00:00:01",
        "set pod-link-local-ipv4": nil,
        "set pod-link-local-ipv6": "3 . fe80::1",
        "set pod-ports": "3",
        "set pod-sources-ipv4": "3 . 10.0.0.1",
        "set pod-sources-ipv6": "3 . fd00::1",
        "set pods-with-any-hardware": nil,
        "map port-hardware": "3 : jump port-3-hardware",
        "map port-targets": "3 : jump port-3-targets",
    ])
    func sets(name: String, members: String?) throws {
        let block = try Self.block(name)
        let start = block.firstIndex(of: "    elements = {")
        let listed = start.map { block[($0 + 1)...].prefix { $0 != "    }" } }
        let text = listed.map { $0.map { $0.drop { $0 == " " }.dropLast() }.joined(separator: ", ") }
        #expect(text == members)
    }

    @Test(arguments: [
        "prerouting": [
            "type filter hook prerouting priority -250; policy accept;",
            "iif . ether saddr @pod-hardware goto source-addresses",
            "iif @pods-with-any-hardware ether saddr != @known-hardware goto source-addresses",
            "iif @pod-ports \(drop) comment \"A pod sends from its own hardware address\"",
            "jump other-ports",
        ],
        "other-ports": [
            "comment \"Nothing with a known owner enters through other ports\"",
            "ether saddr @known-hardware \(drop)",
            "ether type 2048 ip saddr @known-addresses-ipv4 \(drop)",
            "ether type 34525 ip6 saddr @known-addresses-ipv6 \(drop)",
            "ether type 2054 arp saddr ip @known-addresses-ipv4 \(drop)",
            "ether type 34525 meta l4proto 58 icmpv6 type 136 jump known-targets",
        ],
        "ipv4-frames": [
            "comment \"Pods send no source routes, DHCP answers, redirects, router advertisements\"",
            "@nh,0,8 69 meta l4proto 6 accept",
            "ip hdrlength > 5 jump source-routes",
            "meta l4proto 17 th sport 67 \(drop)",
            "meta l4proto 17 th dport & [255, 255] == [0, 68] \(drop)",
            "meta l4proto 1 icmpv6 type 5 \(drop)",
            "meta l4proto 1 icmpv6 type 9 \(drop)",
        ],
        "ipv6-frames": [
            "comment \"Pods send no routing headers, DHCP answers, others' discovery\"",
            "ip6 nexthdr 6 accept",
            "exthdr rt exists \(drop)",
            "meta l4proto 17 th sport 547 \(drop)",
            "meta l4proto 17 th dport & [255, 255] == [2, 34] \(drop)",
            "meta l4proto 58 icmpv6 type @neighbor-discovery goto neighbor-discovery",
        ],
        "neighbor-advertisement": [
            "iif vmap @port-targets",
            "ip6 length & [255, 255] == [0, 24] accept",
            "ip6 length & [255, 255] == [0, 32] @th,192,16 & [255, 255] == [2, 1] goto own-hardware",
            drop,
        ],
        "router-solicitation": [
            "ip6 length & [255, 255] == [0, 8] accept",
            "ip6 length & [255, 255] == [0, 16] @th,64,16 & [255, 255] == [1, 1] goto own-hardware",
            drop,
        ],
        "port-3-hardware": [
            "icmpv6 type 136 @th,208,48 & [255, 255, 255, 255, 255, 255] == [2, 0, 0, 0, 0, 1] return",
            "icmpv6 type 135 @th,208,48 & [255, 255, 255, 255, 255, 255] == [2, 0, 0, 0, 0, 1] return",
            "icmpv6 type 133 @th,80,48 & [255, 255, 255, 255, 255, 255] == [2, 0, 0, 0, 0, 1] return",
            drop,
        ],
    ])
    func chains(name: String, rules: [String]) throws {
        #expect(try Self.block("chain \(name)") == rules.map { "    \($0)" })
    }

    /// Only a datapath that cannot see the port otherwise has frames marked.
    @Test func marks() throws {
        #expect(try Self.contents().chains.keys.filter { $0.contains("forward") || $0.contains("mark") }.isEmpty)
        let marked = try Self.contents { $0.areMarked = true }
        #expect(
            marked.chains["forward"]!.rules.map(\.description) == [
                "ether daddr & [1, 0, 0, 0, 0, 0] == [1, 0, 0, 0, 0, 0] oif vmap @port-marks",
                "ether type 2048 oif . ip daddr @pod-sources-ipv4 accept",
                "ether type 34525 oif . ip6 daddr @pod-sources-ipv6 accept",
                "ether type 2048 oif vmap @port-marks",
                "ether type 34525 oif vmap @port-marks",
            ])
        #expect(marked.chains["port-3-mark"]!.rules.map(\.description) == ["meta mark set \(0x4200_0003)"])
        #expect(
            marked.chains["forward-end"]!.rules.map(\.description) == [
                "meta mark & [0, 0, 0, 255] == [0, 0, 0, 66] meta mark set 0"
            ])
    }

    /// The proxy's TCP passes whatever its source is, and only behind a known pod's port.
    @Test func proxy() throws {
        func rules(_ port: UInt32) throws -> [String] {
            try Self.contents { $0.proxy = .init(port: port, mask: 0x30, mark: 0x10) }
                .chains["source-addresses"]!.rules.map(\.description)
        }
        let without = try Self.contents().chains["source-addresses"]!.rules.map(\.description)
        let port = "iif & [255, 255, 255, 255] == [3, 0, 0, 0]"
        let comment = "comment \"The request proxy sends for others\""
        let added = [
            "\(port) ether type 2048 meta l4proto 6 goto ipv4-frames \(comment)",
            "\(port) ether type 34525 meta l4proto 6 goto ipv6-frames \(comment)",
        ]
        #expect(without.last == Self.drop)
        #expect(try rules(3) == without.dropLast() + added + [Self.drop])
        #expect(try rules(4) == without)
    }

    @Test func closedPorts() throws {
        let closed = try Self.contents { $0.open = [4] }
        let rule = "iif != @open-ports \(Self.drop) comment \"Nothing enters through ports without a known pod\""
        #expect(closed.chains["prerouting"]!.rules.map(\.description).contains(rule))
        #expect(closed.sets["open-ports"]!.members == .elements([SetElement(key: [4, 0, 0, 0])]))
    }

    /// A pod whose hardware address is not known yet has no chain for it.
    @Test func unknownHardware() throws {
        let contents = try Self.contents { $0.pods[3]!.hardware = 0 }
        #expect(contents.chains["port-3-hardware"] == nil)
        #expect(contents.sets["port-hardware"]!.members.isEmpty && contents.sets["pod-hardware"]!.members.isEmpty)
        #expect(contents.sets["pods-with-any-hardware"]!.members == .elements([SetElement(key: [3, 0, 0, 0])]))
    }

    /// Each chain or set that a rule names is there.
    @Test func nothingIsMissing() throws {
        let contents = try Self.contents {
            $0.areMarked = true
            $0.open = []
        }
        for chain in contents.chains.values {
            for term in chain.rules.flatMap(\.terms) {
                switch term {
                case .member(_, let set, _), .dispatch(_, let set): #expect(contents.sets[set] != nil, "\(set)")
                case .verdict(let verdict): #expect(verdict.chain.map { contents.chains[$0] != nil } ?? true)
                case .count(let counter): #expect(contents.objects[counter] != nil, "\(counter)")
                default: continue
                }
            }
        }
    }

    /// The lines of one set, map or chain in the table's text.
    private static func block(_ name: String) throws -> [String] {
        let lines = "\(try contents())".split(separator: "\n").map(String.init)
        #expect(lines.first == "table bridge bulkhead {")
        let start = try #require(lines.firstIndex(of: "  \(name) {"))
        return Array(lines[(start + 1)...].prefix { $0 != "  }" })
    }
}
