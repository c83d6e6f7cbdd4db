// SPDX-License-Identifier: Apache-2.0
import Netfilter
import NetworkTypes

/// The table `bridge bulkhead`: what may enter through a bridge port with a pod behind it, and through all others.
///
/// Later hooks see the bridge itself as the input device, and do not look into tagged frames. So only frames without a
/// tag pass here, from the pod's own hardware address, with the pod's own sender. Link-local and unspecified senders
/// also pass, unless they belong to someone else: policy judges them, and knows the pod by its hardware address.
package struct BridgeTable {
    let ports: BridgePorts

    package init(ports: BridgePorts) { self.ports = ports }

    package var contents: TableContents {
        var contents = TableContents(Self.identity)
        contents.objects[Name.spoofed] = TableObject(Name.spoofed)
        for set in sets { contents.sets[set.shape.name] = set }
        let routes = TableChain.sourceRoutes([], Self.drop)
        let chains = [entry, others, knownTargets, sources, arp, ipv4, ipv6, routes] + discovery + marks + podChains
        for chain in chains { contents.chains[chain.name] = chain }
        return contents
    }

    static let identity = TableIdentity(
        .bridge, TableIdentity.prefix, comment: "Bulkhead: network policy of this node's pods")

    /// Names of the table's objects. A name that the policy table also has means the same there.
    enum Name {
        static let prerouting = "prerouting"
        static let forward = "forward"
        static let forwardEnd = "forward-end"
        static let sources = "source-addresses"
        static let podPorts = "pod-ports"
        static let discovery = "neighbor-discovery"
        static let spoofed = "packets-spoofed"
        static let hardware = "pod-hardware"
        static let anyHardware = "pods-with-any-hardware"
        static let knownHardware = "known-hardware"
        static let open = "open-ports"
        static let others = "other-ports"
        static let knownTargets = "known-targets"
        static let arp = "arp-senders"
        static let ipv4 = "ipv4-frames"
        static let ipv6 = "ipv6-frames"
        static let advertisement = "neighbor-advertisement"
        static let solicitation = "neighbor-solicitation"
        static let routerSolicitation = "router-solicitation"
        static let ownHardware = "own-hardware"
        static let targets = "port-targets"
        static let hardwareOptions = "port-hardware"
        static let marks = "port-marks"
        static func sources(_ family: AddressFamily) -> String { "pod-sources-\(family)" }
        static func linkLocal(_ family: AddressFamily) -> String { "pod-link-local-\(family)" }
        static func known(_ family: AddressFamily) -> String { "known-addresses-\(family)" }
        static func targets(_ port: UInt32) -> String { "port-\(port)-targets" }
        static func hardware(_ port: UInt32) -> String { "port-\(port)-hardware" }
        static func mark(_ port: UInt32) -> String { "port-\(port)-mark" }
    }

    static func key(_ index: UInt32) -> [UInt8] { withUnsafeBytes(of: index) { Array($0) } }
    static func bytes(_ hardware: UInt64) -> [UInt8] { (0..<6).map { UInt8(hardware >> (40 - $0 * 8) & 255) } }

    static let ip4 = Term.etherType(0x0800)
    static let arp = Term.etherType(0x0806)
    static let ip6 = Term.etherType(0x86dd)
    static let drop: [Term] = [.count(Name.spoofed), .verdict(.drop)]

    static func equals(_ field: Field, _ value: [UInt8]) -> Term {
        .masked(field, mask: [UInt8](repeating: 0xff, count: value.count), value: value)
    }

    private var entry: TableChain {
        var rules = [
            TableRule([.member([.interface, .hardwareSource], of: Name.hardware), .verdict(.go(Name.sources))]),
            TableRule([
                .member([.interface], of: Name.anyHardware),
                .member([.hardwareSource], of: Name.knownHardware, negated: true), .verdict(.go(Name.sources)),
            ]),
            TableRule(
                [.member([.interface], of: Name.podPorts)] + Self.drop,
                comment: "A pod sends from its own hardware address"),
        ]
        if ports.open != nil {
            rules.append(
                TableRule(
                    [.member([.interface], of: Name.open, negated: true)] + Self.drop,
                    comment: "Nothing enters through ports without a known pod"))
        }
        rules.append(TableRule([.verdict(.jump(Name.others))]))
        return TableChain(Name.prerouting, hook: .prerouting, rules: rules)
    }

    private var others: TableChain {
        let known = AddressFamily.allCases.map { family in
            TableRule(
                [family == .ipv4 ? Self.ip4 : Self.ip6, .member([.source(family)], of: Name.known(family))] + Self.drop)
        }
        return TableChain(
            Name.others, comment: "Nothing with a known owner enters through other ports",
            rules: [TableRule([.member([.hardwareSource], of: Name.knownHardware)] + Self.drop)] + known + [
                TableRule([Self.arp, .member([.arpSource], of: Name.known(.ipv4))] + Self.drop),
                TableRule([
                    Self.ip6, .transportProtocol(.icmpv6), Self.equals(.icmpType, [ICMPType.advertisement]),
                    .verdict(.jump(Name.knownTargets)),
                ]),
            ])
    }

    private var knownTargets: TableChain {
        let addresses = ports.knownAddresses.filter { $0.family == .ipv6 }.sorted()
        return TableChain(
            Name.knownTargets,
            rules: addresses.map { TableRule([Self.equals(.discoveryTarget, $0.networkBytes)] + Self.drop) })
    }

    private var sources: TableChain {
        let (own4, own6) = (Name.sources(.ipv4), Name.sources(.ipv6))
        return TableChain(
            Name.sources, comment: "A pod sends from its own addresses only",
            rules: [
                TableRule([Self.ip4, .member([.interface, .source(.ipv4)], of: own4), .verdict(.go(Name.ipv4))]),
                TableRule([Self.ip6, .member([.interface, .source(.ipv6)], of: own6), .verdict(.go(Name.ipv6))]),
                TableRule([Self.arp, .member([.interface, .arpHardware], of: Name.hardware), .verdict(.go(Name.arp))]),
                TableRule([
                    Self.arp, .member([.interface], of: Name.anyHardware),
                    .member([.arpHardware], of: Name.knownHardware, negated: true), .verdict(.go(Name.arp)),
                ]),
                TableRule(
                    [
                        Self.ip4, Self.equals(.source(.ipv4), [0, 0, 0, 0]), .verdict(.go(Name.ipv4)),
                    ], comment: "DHCP"),
                TableRule([
                    Self.ip4, .member([.interface, .source(.ipv4)], of: Name.linkLocal(.ipv4)),
                    .verdict(.go(Name.ipv4)),
                ]),
                TableRule([
                    Self.ip6, Self.isLinkLocal(.source(.ipv6)),
                    .member([.interface, .source(.ipv6)], of: Name.linkLocal(.ipv6)), .verdict(.go(Name.ipv6)),
                ]),
                TableRule(
                    [
                        Self.ip6, Self.isLinkLocal(.source(.ipv6)),
                        .member([.source(.ipv6)], of: Name.known(.ipv6), negated: true), .verdict(.go(Name.ipv6)),
                    ], comment: "An address without a known owner"),
                TableRule([Self.ip6, Self.isUnspecified, .verdict(.go(Name.ipv6))]),
            ] + proxySources + [TableRule(Self.drop)])
    }

    /// The request proxy sends with its clients' addresses.
    private var proxySources: [TableRule] {
        guard let proxy = ports.proxy, ports.pods[proxy.port] != nil else { return [] }
        return [(Self.ip4, Name.ipv4), (Self.ip6, Name.ipv6)].map { family, chain in
            TableRule(
                [
                    Self.equals(.interface, Self.key(proxy.port)), family, .transportProtocol(.tcp),
                    .verdict(.go(chain)),
                ], comment: "The request proxy sends for others")
        }
    }

    private var arp: TableChain {
        TableChain(
            Name.arp,
            rules: [
                TableRule([
                    Self.arp, .member([.interface, .arpSource], of: Name.sources(.ipv4)), .verdict(.accept),
                ]),
                TableRule([Self.arp, .member([.interface, .arpSource], of: Name.linkLocal(.ipv4)), .verdict(.accept)]),
                TableRule([Self.equals(.arpSource, [0, 0, 0, 0]), .verdict(.accept)], comment: "Probe"),
                TableRule(Self.drop),
            ])
    }

    private var ipv4: TableChain {
        let (udp, icmp) = (Term.transportProtocol(.udp), Term.transportProtocol(.icmp))
        return TableChain(
            Name.ipv4, comment: "Pods send no source routes, DHCP answers, redirects, router advertisements",
            rules: [
                TableRule([
                    Self.equals(.internetHeader, [0x45]), .transportProtocol(.tcp), .verdict(.accept),
                ]),
                TableRule([.headerWords(above: 5), .verdict(.jump(TableChain.sourceRoutesName))]),
                TableRule([udp, Self.equals(.sourcePort, [0, 67])] + Self.drop),
                TableRule([udp, Self.equals(.destinationPort, [0, 68])] + Self.drop),
                TableRule([icmp, Self.equals(.icmpType, [5])] + Self.drop),
                TableRule([icmp, Self.equals(.icmpType, [9])] + Self.drop),
            ])
    }

    private var ipv6: TableChain {
        let udp = Term.transportProtocol(.udp)
        return TableChain(
            Name.ipv6, comment: "Pods send no routing headers, DHCP answers, others' discovery",
            rules: [
                TableRule([Self.equals(.nextHeader, [6]), .verdict(.accept)]),
                TableRule([.routingHeader] + Self.drop),
                TableRule([udp, Self.equals(.sourcePort, [2, 35])] + Self.drop),
                TableRule([udp, Self.equals(.destinationPort, [2, 34])] + Self.drop),
                TableRule([
                    .transportProtocol(.icmpv6), .member([.icmpType], of: Name.discovery),
                    .verdict(.go(Name.discovery)),
                ]),
            ])
    }

    /// fe80::/10.
    private static func isLinkLocal(_ field: Field) -> Term {
        let rest = [UInt8](repeating: 0, count: 14)
        return .masked(field, mask: [0xff, 0xc0] + rest, value: [0xfe, 0x80] + rest)
    }

    static var isUnspecified: Term { equals(.source(.ipv6), [UInt8](repeating: 0, count: 16)) }
}

extension TableChain.Hook {
    /// NF_BR_PRE_ROUTING, before the bridge passes packets to the hooks of IPv4 and IPv6 (NF_BR_PRI_BRNF).
    fileprivate static let prerouting = TableChain.Hook("prerouting", number: 0, priority: -250)
    /// NF_BR_FORWARD. At 0 and just before (NF_BR_PRI_BRNF), the bridge passes forwarded packets to those hooks.
    static let forward = TableChain.Hook("forward", number: 2, priority: -10)
    static let forwardEnd = TableChain.Hook("forward", number: 2, priority: 10)
}

/// RFC 4861, 4.
enum ICMPType {
    static let routerSolicitation: UInt8 = 133
    static let solicitation: UInt8 = 135
    static let advertisement: UInt8 = 136
    /// All messages of neighbor discovery, including router advertisement (134) and redirect (137).
    static let discovery: [UInt8] = [133, 134, 135, 136, 137]
}
