// SPDX-License-Identifier: Apache-2.0
import Netfilter
import NetworkTypes
import PolicyModel

/// The path of a forwarded packet, routed or bridged.
extension BaseTable {
    var forwardChains: [TableChain] { [forward, toPorts, dhcpToPorts, fromUnbound] }

    // Few paths lead to the chains of policy: at each change of the maps the kernel checks all of them, each path
    // separately.

    private var forward: TableChain {
        TableChain(
            TableName.forward, hook: .forward,
            rules: [
                TableRule([.member([.interface], of: TableName.podInterfaces), .verdict(.go(TableName.fromPods))])
            ] + localSources + [TableRule([.verdict(.go(TableName.forwarded))])])
    }

    /// Checks senders with an address of a pod or of the node.
    var localSources: [TableRule] {
        AddressFamily.allCases.map { family in
            TableRule([
                .family(family), .member([.source(family)], of: TableName.localSources(family)),
                .verdict(.jump(TableName.sources)),
            ])
        }
    }

    var fromPods: TableChain {
        let foreign = AddressFamily.allCases.map { family in
            TableRule([
                .family(family), .member([.interface, .source(family)], of: TableName.sources(family), negated: true),
                .verdict(.go(marks.fromProxy == 0 ? TableName.drop(TableName.spoofed) : TableName.foreignSources)),
            ])
        }
        return TableChain(
            TableName.fromPods, comment: "A pod sends from its own addresses only",
            rules: foreign + [
                TableRule([.verdict(.jump(TableName.podGuard))]), TableRule([.verdict(.go(TableName.forwarded))]),
            ])
    }

    var forwarded: TableChain {
        var rules = [
            TableRule([.verdict(.jump(TableName.revokedFlows))]),
            TableRule(
                [
                    .connectionState(.established), .portMark(false),
                    .verdict(isSteering ? .jump(TableName.establishedFlows) : .accept),
                ],
                comment: "Allowed when it began"),
            relatedErrors,
        ]
        rules += linkControl
        rules.append(TableRule([.portMark(true), .verdict(.jump(TableName.toPorts))]))
        rules += AddressFamily.allCases.map { family in
            TableRule([
                .family(family), .member([.source(family), .destination(family)], of: TableName.samePod(family)),
                .destinationNAT(false), .verdict(.accept),
            ])
        }
        rules += dispatch(.egress) + AddressFamily.allCases.map { unbound($0, .jump(TableName.fromUnbound)) }
        rules.append(
            TableRule(
                [.dispatch([.mark], by: TableName.ingressByPort)],
                comment: "Bridged to a pod with another destination address"))
        rules += dispatch(.ingress)
        rules.append(TableRule([.dispatch([.outInterface], by: TableName.ingressByInterface)]))
        return TableChain(TableName.forwarded, comment: "Policy", rules: rules)
    }

    /// Groups, link-local addresses, other addresses behind a pod's port: connection tracking does not know later which
    /// pod receives such a flow, so each packet is judged.
    private var toPorts: TableChain {
        TableChain(
            TableName.toPorts, comment: "Packets to a pod with another destination address",
            rules: [
                TableRule(
                    [.connectionState(.established), .replyDirection, .verdict(.accept)],
                    comment: "To what the pod itself began"),
                dhcp(.go(TableName.dhcpToPorts)),
            ])
    }

    /// A server other than a pod may answer. A question to all is not judged by its sender's egress policy, but by the ingress
    /// policy of each pod that gets it.
    private var dhcpToPorts: TableChain {
        func from(_ family: AddressFamily, _ port: UInt16) -> [Term] {
            [.family(family), .masked(.sourcePort, mask: [255, 255], value: [UInt8(port >> 8), UInt8(port & 255)])]
        }
        let isFromNoPod = Term.member([.interface, .hardwareSource], of: TableName.podHardware, negated: true)
        var rules: [TableRule] = []
        for ports in Self.dhcpPorts {
            let question = from(ports.family, ports.client) + [Self.isToAll(ports.family)]
            rules += [
                TableRule(from(ports.family, ports.server) + [isFromNoPod, .verdict(.accept)]),
                TableRule(question + [.dispatch([.mark], by: TableName.ingressByPort)]),
                TableRule(question + [.verdict(.accept)]),
            ]
        }
        return TableChain(
            TableName.dhcpToPorts, comment: "DHCP to a pod with another destination address", rules: rules)
    }

    private var fromUnbound: TableChain {
        let isToNoPod: [Term] = [
            .family(.ipv6), .portMark(false),
            .member([.destination(.ipv6)], of: TableName.localSources(.ipv6), negated: true),
        ]
        let guarded = TableRule([
            .member([.interface, .hardwareSource], of: TableName.podHardware), .verdict(.jump(TableName.podGuard)),
        ])
        let requests = AddressFamily.allCases.map { [.family($0), Self.isToAll($0)] } + [isToNoPod]
        return TableChain(
            TableName.fromUnbound, comment: "A bridged pod is known by its hardware address",
            rules: [guarded] + requests.map { dhcp(.leave, where: $0) }
                + [TableRule([.dispatch([.interface, .hardwareSource], by: TableName.egressByHardware)])])
    }

    /// Where DHCP requests go that are for whatever server there is.
    private static func isToAll(_ family: AddressFamily) -> Term {
        .within(.destination(family), family == .ipv4 ? .allHosts : CIDR.groups.first { $0.family == .ipv6 }!)
    }

    var relatedErrors: TableRule {
        TableRule([
            .connectionState(.related), .member([.transportProtocol], of: TableName.errorProtocols),
            .verdict(.go(TableName.errors)),
        ])
    }

    /// Neighbor discovery and multicast listener discovery. A router decrements the hop limit: a full one proves a
    /// neighbor (RFC 4861), and a packet with 1 goes no further (RFC 2710, RFC 3810).
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

    func dhcp(_ verdict: ChainVerdict, where terms: [Term] = []) -> TableRule {
        TableRule(
            terms + [
                .transportProtocol(.udp), .member([.sourcePort, .destinationPort], of: TableName.dhcp),
                .verdict(verdict),
            ], comment: "DHCP")
    }

    /// Leads to the chains of the pod that a direction protects.
    func dispatch(_ direction: Direction) -> [TableRule] {
        AddressFamily.allCases.map { family in
            TableRule([
                .family(family), .dispatch([Self.own(direction, family)], by: TableName.dispatch(direction, family)),
            ])
        }
    }

    /// Packets from an address that does not identify a single host.
    func unbound(_ family: AddressFamily, _ verdict: ChainVerdict) -> TableRule {
        TableRule([.family(family), .member([.source(family)], of: TableName.unbound(family)), .verdict(verdict)])
    }
}
