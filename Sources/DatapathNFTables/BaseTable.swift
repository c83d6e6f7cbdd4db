// SPDX-License-Identifier: Apache-2.0
import CLibNFTNL
import Datapath
import Netfilter
import NetworkTypes
import PolicyModel

/// Options of the rules, in addition to the policy.
package struct TableOptions: Hashable, Sendable {
    /// Whether denied packets are answered (TCP reset, ICMP administratively prohibited) instead of dropped silently.
    package var rejects: Bool
    /// Number of the nflog group to which dropped packets are reported.
    package var logGroup: UInt16
    package var eventsPerSecond: UInt32
    package init(rejects: Bool = false, logGroup: UInt16 = 2112, eventsPerSecond: UInt32 = 200) {
        self.rejects = rejects
        self.logGroup = logGroup
        self.eventsPerSecond = eventsPerSecond
    }
}

/// The part of the table that does not depend on policy.
struct BaseTable {
    let options: TableOptions
    /// By which marks packets on their way to and from the node's proxy are known.
    var marks = SteeringMarks.none
    /// Whether any rule leaves flows to the proxy.
    var handsOver = false

    var contents: TableContents {
        var contents = TableContents(TableName.table)
        let limit = TableObject.Kind.limit(perSecond: UInt64(options.eventsPerSecond), burst: options.eventsPerSecond)
        var objects = [TableObject(TableName.events, limit, comment: "Drop events, of all rules together")]
        objects += [
            TableName.eventsSent, TableName.dropped, TableName.inconsistent, TableName.revoked, TableName.audited,
            TableName.handOver,
        ]
        .map { TableObject($0) }
        objects += Self.causes.map { TableObject($0.counter) }
        objects += Direction.allCases.map { TableObject(TableName.unparsable($0)) }
        for object in objects { contents.objects[object.name] = object }
        for set in sets { contents.sets[set.shape.name] = set }
        let chains = forwardChains + guardChains + proxyChains + Direction.allCases.map(transport)
        for chain in chains { contents.chains[chain.name] = chain }
        return contents
    }

    /// Causes of drops other than a rule, with their counters: each has a chain that drops.
    static let causes: [(counter: String, cause: DropEvent.Cause)] = [
        (TableName.spoofed, .spoofed), (TableName.tunnel, .tunnel), (TableName.sourceRouted, .sourceRouted),
        (TableName.unrelatedErrors, .unrelatedError),
    ]

    private var sets: [TableSet] {
        func empty(_ name: String, _ fields: [Field], isMap: Bool = false, _ comment: String = "") -> TableSet {
            TableSet(SetShape(name: name, fields: fields, isMap: isMap, comment: comment), .elements([]))
        }
        var sets = knownSets
        sets += [
            empty(TableName.podInterfaces, [.interface]),
            empty(TableName.podHardware, [.interface, .hardwareSource]),
            empty(TableName.egressByHardware, [.interface, .hardwareSource], isMap: true),
            empty(TableName.egressByInterface, [.interface], isMap: true),
            empty(TableName.ingressByInterface, [.outInterface], isMap: true),
            empty(TableName.ingressByPort, [.mark], isMap: true),
            empty(TableName.tunnelPorts, [.destinationPort]),
            empty(TableName.tunnelProtocols, [.transportProtocol]),
        ]
        for family in AddressFamily.allCases {
            sets += [
                empty(TableName.sources(family), [.interface, .source(family)]),
                empty(TableName.samePod(family), [.source(family), .destination(family)]),
                empty(
                    TableName.bridgePorts(family), Self.bridgePortFields(family),
                    "Bridge, port, hardware address and address of pods, for a restart"),
                empty(
                    TableName.revoked(family), Self.revokedFields(family),
                    "Connections that policy no longer allows"),
            ]
            for direction in Direction.allCases {
                sets.append(empty(TableName.dispatch(direction, family), [Self.own(direction, family)], isMap: true))
            }
        }
        return sets
    }

    /// Sets whose members never change, and those of nodes' addresses, to which no tunnel packets may go.
    private var knownSets: [TableSet] {
        func set(_ name: String, _ fields: [Field], _ keys: [[UInt8]]) -> TableSet {
            TableSet(SetShape(name: name, fields: fields), .elements(Set(keys.map { SetElement(key: $0) })))
        }
        func port(_ number: UInt16) -> [UInt8] { [UInt8(number >> 8), UInt8(number & 255), 0, 0] }
        func unbound(_ family: AddressFamily, _ blocks: [String]) -> TableSet {
            let ranges = AddressRanges(blocks.compactMap { try? CIDR($0) }.map { AddressRange($0) }).ranges
            let shape = SetShape(
                name: TableName.unbound(family), fields: [.source(family)], isInterval: true,
                comment: "Before a host has its address, and within a link")
            return TableSet(shape, .ranges(ranges))
        }
        let dhcp = Self.dhcpPorts.flatMap { [($0.client, $0.server), ($0.server, $0.client)] }
        return [
            set(TableName.transportProtocols, [.transportProtocol], IPProtocol.withPorts.map { [$0.rawValue] }),
            set(TableName.errorProtocols, [.transportProtocol], [IPProtocol.icmp, .icmpv6].map { [$0.rawValue] }),
            set(TableName.neighborDiscovery, [.icmpType], (133...137).map { [$0] }),
            set(TableName.listenerDiscovery, [.icmpType], [130, 131, 132, 143].map { [$0] }),
            set(TableName.dhcp, [.sourcePort, .destinationPort], dhcp.map { port($0) + port($1) }),
            unbound(.ipv4, ["0.0.0.0/32"]),
            unbound(.ipv6, ["::/128", "fe80::/10"]),
        ]
            + AddressFamily.allCases.map { family in
                TableSet(SetShape(name: TableName.nodes(family), fields: [.destination(family)]), .addresses([]))
            }
            + AddressFamily.allCases.flatMap { family in
                [
                    (TableName.localSources(family), "Addresses of pods and the node, from their own places only"),
                    (TableName.ownNode(family), "Addresses of the node"),
                ].map { name, comment in
                    TableSet(SetShape(name: name, fields: [.source(family)], comment: comment), .addresses([]))
                }
            }
    }

    /// RFC 2131, RFC 8415.
    static let dhcpPorts: [(family: AddressFamily, client: UInt16, server: UInt16)] = [
        (.ipv4, 68, 67), (.ipv6, 546, 547),
    ]

    /// The address of the pod that a direction protects.
    static func own(_ direction: Direction, _ family: AddressFamily) -> Field {
        direction == .egress ? .source(family) : .destination(family)
    }

    static func bridgePortFields(_ family: AddressFamily) -> [Field] {
        [.interface, .outInterface, .hardwareSource, .source(family)]
    }
    static func revokedFields(_ family: AddressFamily) -> [Field] { [.connectionSource(family), .connectionID] }

    private func transport(_ direction: Direction) -> TableChain {
        let ported: [Field] = [.transportProtocol]
        let name = TableName.transportProtocols
        return TableChain(
            TableName.transport(direction), comment: "An isolated pod gets nothing whose transport header is missing",
            rules: [
                TableRule([.member(ported, of: name), .hasDestinationPort, .verdict(.leave)]),
                TableRule([.member(ported, of: name, negated: true), .verdict(.leave)]),
                event(EventMark(cause: .unparsable, direction: direction)),
                TableRule([.count(TableName.dropped), .count(TableName.unparsable(direction)), .verdict(.drop)]),
            ])
    }

    /// Reports a packet that is about to be dropped, as often as the limit allows.
    func event(_ mark: EventMark) -> TableRule {
        TableRule([
            .limit(TableName.events), .count(TableName.eventsSent),
            .log(prefix: mark.prefix, group: options.logGroup),
        ])
    }

    /// The rules that report a packet that a rule in audit would deny, and let it go on.
    func wouldDeny(by rule: String, _ mark: EventMark) -> [TableRule] {
        [event(mark), TableRule([.count(TableName.audited), .count(rule)])]
    }

    /// The rules that drop or reject a denied packet.
    func denial(of rule: String, _ mark: EventMark) -> [TableRule] {
        let counted: [Term] = [.count(TableName.dropped), .count(rule)]
        guard options.rejects else { return [event(mark), TableRule(counted + [.verdict(.drop)])] }
        return [
            event(mark), TableRule(counted),
            TableRule([.transportProtocol(.tcp), .resetTCP]), TableRule([.rejectProhibited]),
        ]
    }
}

extension TableChain.Hook {
    /// Before other filters, and at a priority without another hook of Bulkhead's.
    private static let before: Int32 = -7

    static let forward = TableChain.Hook("forward", number: NF_INET_FORWARD.rawValue, priority: before)
    /// After what judges, and before the filters of others.
    static let forwardEnd = TableChain.Hook("forward", number: NF_INET_FORWARD.rawValue, priority: before + 1)
    static let inputEnd = TableChain.Hook("input", number: NF_INET_LOCAL_IN.rawValue, priority: before + 1)
    static let input = TableChain.Hook("input", number: NF_INET_LOCAL_IN.rawValue, priority: before)
    static let output = TableChain.Hook("output", number: NF_INET_LOCAL_OUT.rawValue, priority: before)
}
