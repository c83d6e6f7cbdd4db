// SPDX-License-Identifier: Apache-2.0
import Netfilter
import NetworkTypes

/// The table `bridge bulkhead`: what may come in by a bridge port behind which a pod is.
///
/// Later hooks take the bridge itself to be the device by which a packet came, and look at nothing in a tagged frame; so
/// here only frames without a tag pass, with one of the pod's own addresses as their sender. Link-local IPv6 addresses
/// belong to no pod that policy could name: they serve neighbour discovery and group membership, and nothing else.
struct BridgeTable {
    /// Addresses of pods by port.
    let ports: [UInt32: Set<IPAddress>]

    var contents: TableContents {
        var contents = TableContents()
        contents.objects[TableName.spoofed] = TableObject(TableName.spoofed)
        for set in sets { contents.sets[set.shape.name] = set }
        for chain in chains { contents.chains[chain.name] = chain }
        return contents
    }

    /// The sets whose members change with the pods.
    var podSets: [TableSet] {
        let indices = ports.keys.map { SetElement(key: Self.key($0)) }
        var sets = [TableSet(SetShape(name: TableName.podPorts, fields: [.interface]), .elements(Set(indices)))]
        for family in AddressFamily.allCases {
            let elements = ports.flatMap { port, addresses in
                addresses.filter { $0.family == family }.map { SetElement(key: Self.key(port) + $0.networkBytes) }
            }
            let shape = SetShape(name: TableName.sources(family), fields: [.interface, .source(family)])
            sets.append(TableSet(shape, .elements(Set(elements))))
        }
        return sets
    }

    private var sets: [TableSet] {
        let types = Set(Self.discoveryTypes.map { SetElement(key: [$0]) })
        return podSets + [TableSet(SetShape(name: TableName.discovery, fields: [.icmpType]), .elements(types))]
    }

    private static func key(_ index: UInt32) -> [UInt8] { withUnsafeBytes(of: index) { Array($0) } }

    private static let ipv4: UInt16 = 0x0800
    private static let arp: UInt16 = 0x0806
    private static let ipv6: UInt16 = 0x86dd
    /// Multicast listener discovery (RFC 2710, RFC 3810) and neighbour discovery (RFC 4861).
    private static let discoveryTypes: [UInt8] = [130, 131, 132, 133, 134, 135, 136, 137, 143]

    /// fe80::/10.
    private static func isLinkLocal(_ field: Field) -> Term {
        let rest = [UInt8](repeating: 0, count: 14)
        return .masked(field, mask: [0xff, 0xc0] + rest, value: [0xfe, 0x80] + rest)
    }

    private var chains: [TableChain] {
        let entry = TableChain(
            TableName.prerouting, isBase: true, hook: .bridgePrerouting,
            rules: [
                TableRule([.member([.interface], of: TableName.podPorts), .verdict(.jump(TableName.sources))])
            ])
        let own4 = Term.member([.interface, .source(.ipv4)], of: TableName.sources(.ipv4))
        let own6 = Term.member([.interface, .source(.ipv6)], of: TableName.sources(.ipv6))
        let ownARP = Term.member([.interface, .arpSource], of: TableName.sources(.ipv4))
        let whole = [UInt8](repeating: 0xff, count: 4)
        let isProbe = Term.masked(.arpSource, mask: whole, value: [0, 0, 0, 0])
        let isDiscovery = Term.member([.icmpType], of: TableName.discovery)
        let six = Term.etherType(Self.ipv6)
        let sources = TableChain(
            TableName.sources, comment: "A pod sends from its own addresses only",
            rules: [
                TableRule([.etherType(Self.ipv4), own4, .verdict(.leave)]),
                TableRule([six, .transportProtocol(.icmpv6), isDiscovery, .verdict(.go(TableName.discovery))]),
                TableRule([six, Self.isLinkLocal(.destination(.ipv6)), .count(TableName.spoofed), .verdict(.drop)]),
                TableRule([six, own6, .verdict(.leave)]),
                TableRule([.etherType(Self.arp), ownARP, .verdict(.leave)]),
                TableRule([.etherType(Self.arp), isProbe, .verdict(.leave)]),
                TableRule([.count(TableName.spoofed), .verdict(.drop)]),
            ])
        let none = [UInt8](repeating: 0, count: 16)
        let all = [UInt8](repeating: 0xff, count: 16)
        let discovery = TableChain(
            TableName.discovery, comment: "Neighbour discovery needs link-local and unspecified senders too",
            rules: [
                TableRule([six, own6, .verdict(.accept)]),
                TableRule([six, Self.isLinkLocal(.source(.ipv6)), .verdict(.accept)]),
                TableRule([six, .masked(.source(.ipv6), mask: all, value: none), .verdict(.accept)]),
                TableRule([.count(TableName.spoofed), .verdict(.drop)]),
            ])
        return [entry, sources, discovery]
    }
}
