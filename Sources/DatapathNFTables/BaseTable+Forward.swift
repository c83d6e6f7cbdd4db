// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import PolicyModel

/// The way of a forwarded packet, routed or bridged.
extension BaseTable {
    var forwardChains: [TableChain] { [forward, fromPods, forwarded, toPorts, fromUnbound] }

    private var forward: TableChain {
        TableChain(
            TableName.forward, isBase: true,
            rules: [
                TableRule([.member([.interface], of: TableName.podInterfaces), .verdict(.go(TableName.fromPods))])
            ] + localSources + [TableRule([.verdict(.go(TableName.forwarded))])])
    }

    /// Looks who may send from an address that is a pod's or the node's.
    var localSources: [TableRule] {
        AddressFamily.allCases.map { family in
            TableRule([.family(family), .dispatch([.source(family)], by: TableName.localSources(family))])
        }
    }

    private var fromPods: TableChain {
        TableChain(
            TableName.fromPods, comment: "A pod sends from its own addresses only",
            rules: [TableRule([.verdict(.jump(TableName.podGuard))])] + ownSources(.go(TableName.forwarded)) + spoofed)
    }

    private var forwarded: TableChain {
        var rules = [
            TableRule(
                [.portMark, .verdict(.go(TableName.toPorts))],
                comment: "Bridged to a pod by an address that is not its own")
        ]
        rules += begun
        rules += linkControl
        rules += AddressFamily.allCases.map { family in
            TableRule([
                .family(family), .member([.source(family), .destination(family)], of: TableName.samePod(family)),
                .destinationNAT(false), .verdict(.accept),
            ])
        }
        rules += dispatch(.egress) + unbound(.jump(TableName.fromUnbound)) + dispatch(.ingress)
        rules.append(TableRule([.dispatch([.outInterface], by: TableName.ingressByInterface)]))
        return TableChain(TableName.forwarded, comment: "Policy", rules: rules)
    }

    /// Groups, link-local addresses, other addresses behind a pod's port: connection tracking cannot tell later which pod
    /// such a flow goes to, so each packet is judged.
    private var toPorts: TableChain {
        var rules = [
            TableRule([.verdict(.jump(TableName.revokedFlows))]),
            TableRule(
                [.connectionState(Self.established), .replyDirection, .verdict(.accept)],
                comment: "To what the pod itself began"),
            relatedErrors,
        ]
        rules += linkControl
        rules.append(dhcp(.accept))
        rules += dispatch(.egress) + unbound(.jump(TableName.fromUnbound))
        // Somebody else's mark may look like ours: then the address tells, as always.
        rules += [TableRule([.dispatch([.mark], by: TableName.ingressByPort)])] + dispatch(.ingress)
        return TableChain(
            TableName.toPorts, comment: "To whoever is behind the port by which the frame leaves", rules: rules)
    }

    private var fromUnbound: TableChain {
        TableChain(
            TableName.fromUnbound, comment: "A bridged pod is known by its hardware address",
            rules: [
                TableRule([
                    .member([.interface, .hardwareSource], of: TableName.podHardware),
                    .verdict(.jump(TableName.podGuard)),
                ]),
                dhcp(.leave),
                TableRule([.dispatch([.interface, .hardwareSource], by: TableName.egressByHardware)]),
            ])
    }

    /// What is let through because its flow was.
    var begun: [TableRule] {
        [
            TableRule([.verdict(.jump(TableName.revokedFlows))]),
            TableRule([.connectionState(Self.established), .verdict(.accept)], comment: "Allowed when it began"),
            relatedErrors,
        ]
    }

    private var relatedErrors: TableRule {
        TableRule([
            .connectionState(Self.related), .member([.transportProtocol], of: TableName.errorProtocols),
            .verdict(.go(TableName.errors)),
        ])
    }

    /// Neighbor discovery and multicast listener discovery. A router takes one off the hop limit: what has all is from a
    /// neighbor (RFC 4861), and what has one goes no further (RFC 2710, RFC 3810).
    var linkControl: [TableRule] {
        func rule(_ hops: UInt8, _ types: String, _ comment: String) -> TableRule {
            TableRule(
                [
                    .family(.ipv6), .masked(.hopLimit, mask: [255], value: [hops]), .transportProtocol(.icmpv6),
                    .member([.icmpType], of: types), .verdict(.accept),
                ], comment: comment)
        }
        return [
            rule(255, TableName.neighborDiscovery, "Neighbor discovery"),
            rule(1, TableName.listenerDiscovery, "Multicast listener discovery"),
        ]
    }

    func dhcp(_ verdict: ChainVerdict) -> TableRule {
        TableRule(
            [
                .transportProtocol(.udp), .member([.sourcePort, .destinationPort], of: TableName.dhcp),
                .verdict(verdict),
            ], comment: "DHCP")
    }

    /// To the chains of the pod that a direction protects.
    func dispatch(_ direction: Direction) -> [TableRule] {
        AddressFamily.allCases.map { family in
            TableRule([
                .family(family), .dispatch([Self.own(direction, family)], by: TableName.dispatch(direction, family)),
            ])
        }
    }

    /// What comes from an address that is no single host's.
    func unbound(_ verdict: ChainVerdict) -> [TableRule] {
        AddressFamily.allCases.map { family in
            TableRule([.family(family), .member([.source(family)], of: TableName.unbound(family)), .verdict(verdict)])
        }
    }
}
