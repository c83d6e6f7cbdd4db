// SPDX-License-Identifier: Apache-2.0
import Netfilter
import NetworkTypes
import PolicyModel

/// Checks that do not depend on policy: the sender of a packet, and what a pod may never send.
extension BaseTable {
    var guardChains: [TableChain] {
        [podGuard, sourceRoutes, tunnelPackets, errors, Self.revokedFlows(isAny: false)] + drops
    }

    /// A packet from one of a pod's own addresses, through one of its interfaces.
    func ownSources(_ verdict: ChainVerdict) -> [TableRule] {
        AddressFamily.allCases.map { family in
            TableRule([
                .family(family), .member([.interface, .source(family)], of: TableName.sources(family)),
                .verdict(verdict),
            ])
        }
    }

    var spoofed: [TableRule] { [TableRule([.verdict(.go(TableName.drop(TableName.spoofed)))])] }

    var sources: TableChain {
        TableChain(
            TableName.sources, comment: "A pod's address comes only from its interface or bridge",
            rules: ownSources(.go(TableName.podGuard)) + ownNodeSources + fromProxy(.go(TableName.podGuard)) + spoofed)
    }

    /// The node's own packets come back only to the node, and are never forwarded.
    private var ownNodeSources: [TableRule] {
        AddressFamily.allCases.map { family in
            TableRule([
                .toOwnNode, .family(family), .member([.source(family)], of: TableName.ownNode(family)),
                .verdict(.leave),
            ])
        }
    }

    private var podGuard: TableChain {
        let tunnels = Term.verdict(.go(TableName.tunnelPackets))
        let routed = ChainVerdict.go(TableName.drop(TableName.sourceRouted))
        var rules = [
            TableRule([.family(.ipv4), .headerWords(above: 5), .verdict(.jump(TableName.sourceRoutes))]),
            TableRule([.family(.ipv6), .routingHeader, .verdict(routed)]),
            fromNoPod(134, TableName.spoofed, "Router advertisement"),
            fromNoPod(137, TableName.unrelatedErrors, "Redirect"),
            TableRule([.toOwnNode, tunnels]),
        ]
        rules += AddressFamily.allCases.map { family in
            TableRule([.family(family), .member([.destination(family)], of: TableName.nodes(family)), tunnels])
        }
        return TableChain(TableName.podGuard, comment: "Packets that no pod may send", rules: rules)
    }

    /// A message of neighbor discovery that only routers send.
    private func fromNoPod(_ type: UInt8, _ counter: String, _ comment: String) -> TableRule {
        TableRule(
            [
                .family(.ipv6), .transportProtocol(.icmpv6), .masked(.icmpType, mask: [255], value: [type]),
                .verdict(.go(TableName.drop(counter))),
            ], comment: comment)
    }

    private var sourceRoutes: TableChain {
        .sourceRoutes([.family(.ipv4)], [.verdict(.go(TableName.drop(TableName.sourceRouted)))])
    }

    private var tunnelPackets: TableChain {
        let drop = Term.verdict(.go(TableName.drop(TableName.tunnel)))
        return TableChain(
            TableName.tunnelPackets, comment: "Its inner packet would leave a node's tunnel with any source",
            rules: [
                TableRule([.member([.transportProtocol], of: TableName.tunnelProtocols), drop]),
                TableRule([.transportProtocol(.udp), .member([.destinationPort], of: TableName.tunnelPorts), drop]),
            ])
    }

    /// An error is from a side of the flow that it reports, or from a router: not from a pod's address, and with a
    /// link-local address not from a pod's hardware address.
    private var errors: TableChain {
        let drop = Term.verdict(.go(TableName.drop(TableName.unrelatedErrors)))
        func pair(_ family: AddressFamily, _ other: Field) -> [Term] {
            [.family(family), .member([.source(family), other], of: TableName.samePod(family))]
        }
        let redirect: [Term] = [.transportProtocol(.icmp), .masked(.icmpv4Type, mask: [255], value: [5])]
        var rules = [TableRule(pair(.ipv4, .source(.ipv4)) + redirect + [drop])]
        for family in AddressFamily.allCases {
            for isReply in [false, true] {
                rules.append(
                    TableRule(pair(family, .connectionSource(family, isReply: isReply)) + [.verdict(.accept)]))
            }
            rules.append(TableRule(pair(family, .source(family)) + [drop]))
        }
        rules += AddressFamily.allCases.map { family in
            TableRule([
                .family(family), .member([.source(family)], of: TableName.unbound(family)),
                .member([.interface, .hardwareSource], of: TableName.podHardware), drop,
            ])
        }
        return TableChain(
            TableName.errors, comment: "From a side of the flow, or from a router",
            rules: rules + [TableRule([.verdict(.accept)])])
    }

    /// Empty while there are none, because each packet of each connection passes it.
    static func revokedFlows(isAny: Bool) -> TableChain {
        let rules = AddressFamily.allCases.map { family in
            TableRule([
                .member(revokedFields(family), of: TableName.revoked(family)), .count(TableName.revoked),
                .verdict(.drop),
            ])
        }
        return TableChain(
            TableName.revokedFlows, comment: "Connections that policy no longer allows",
            rules: isAny ? rules : [])
    }

    private var drops: [TableChain] {
        Self.causes.map { counter, cause in
            TableChain(
                TableName.drop(counter),
                rules: [
                    event(EventMark(cause: cause, direction: .egress)),
                    TableRule([.count(TableName.dropped), .count(counter), .verdict(.drop)]),
                ])
        }
    }
}
