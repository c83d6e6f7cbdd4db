// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import PolicyModel

/// What the rules are made with, beside the policy.
package struct TableOptions: Hashable, Sendable {
    /// Denied packets are answered (TCP reset, ICMP administratively prohibited) and not silently dropped.
    package var rejects: Bool
    /// Number of the nflog group to which dropped packets are told.
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

    /// NF_CT_STATE_BIT of IP_CT_ESTABLISHED and IP_CT_RELATED, both directions.
    static let established: UInt32 = 1 << 1
    static let related: UInt32 = 1 << 2
    /// How long the replies of a revoked flow are remembered, so that they cannot pass for a flow of their own.
    static let revokedMilliseconds: UInt64 = 3_600_000

    var contents: TableContents {
        var contents = TableContents()
        let limit = TableObject.Kind.limit(perSecond: UInt64(options.eventsPerSecond), burst: options.eventsPerSecond)
        var objects = [TableObject(TableName.events, limit, comment: "Drop events, of all rules together")]
        objects += [
            TableName.eventsSent, TableName.dropped, TableName.spoofed, TableName.inconsistent, TableName.revoked,
            TableName.audited,
        ]
        .map { TableObject($0) }
        objects += Direction.allCases.map { TableObject(TableName.unparsable($0)) }
        for object in objects { contents.objects[object.name] = object }
        for set in sets { contents.sets[set.shape.name] = set }
        for chain in [forward, sources] + Direction.allCases.map(transport) { contents.chains[chain.name] = chain }
        return contents
    }

    private var sets: [TableSet] {
        func protocols(_ name: String, _ numbers: [IPProtocol]) -> TableSet {
            let elements = numbers.map { SetElement(key: [$0.rawValue]) }
            return TableSet(SetShape(name: name, fields: [.transportProtocol]), .elements(Set(elements)))
        }
        func empty(_ shape: SetShape) -> TableSet { TableSet(shape, .elements([])) }
        var sets = [
            protocols(TableName.transportProtocols, IPProtocol.withPorts),
            protocols(TableName.errorProtocols, [.icmp, .icmpv6]),
            TableSet(
                SetShape(name: TableName.discovery, fields: [.icmpType]),
                .elements(Set((133...137).map { SetElement(key: [$0]) }))),
            empty(SetShape(name: TableName.podInterfaces, fields: [.interface])),
        ]
        for family in AddressFamily.allCases {
            sets.append(empty(SetShape(name: TableName.sources(family), fields: [.interface, .source(family)])))
            sets.append(
                empty(SetShape(name: TableName.samePod(family), fields: [.source(family), .destination(family)])))
            sets.append(
                empty(
                    SetShape(
                        name: TableName.revoked(family), fields: Self.revokedFields(family),
                        timeoutMilliseconds: Self.revokedMilliseconds,
                        comment: "Replies of flows that policy no longer allows")))
            for direction in Direction.allCases {
                let name = TableName.dispatch(direction, family)
                sets.append(empty(SetShape(name: name, fields: [Self.own(direction, family)], isMap: true)))
            }
        }
        return sets
    }

    /// The address of the pod that a direction protects.
    static func own(_ direction: Direction, _ family: AddressFamily) -> Field {
        direction == .egress ? .source(family) : .destination(family)
    }

    static func revokedFields(_ family: AddressFamily) -> [Field] {
        [.transportProtocol, .source(family), .sourcePort, .destination(family), .destinationPort]
    }

    private var forward: TableChain {
        let families = AddressFamily.allCases
        var rules = [
            TableRule([.member([.interface], of: TableName.podInterfaces), .verdict(.jump(TableName.sources))])
        ]
        rules += begun
        rules.append(neighbourDiscovery)
        rules += revoked
        rules += families.map { family in
            TableRule([
                .family(family), .member([.source(family), .destination(family)], of: TableName.samePod(family)),
                .verdict(.accept),
            ])
        }
        for direction in [Direction.egress, .ingress] { rules += dispatch(direction) }
        return TableChain(TableName.forward, isBase: true, rules: rules)
    }

    /// What is let through because its flow was.
    var begun: [TableRule] {
        [
            TableRule([.connectionState(Self.established), .verdict(.accept)], comment: "Allowed when it began"),
            TableRule([
                .connectionState(Self.related), .member([.transportProtocol], of: TableName.errorProtocols),
                .verdict(.accept),
            ]),
        ]
    }

    /// A router takes one off the hop limit: what has all is from a neighbour (RFC 4861).
    var neighbourDiscovery: TableRule {
        TableRule(
            [
                .family(.ipv6), .masked(.hopLimit, mask: [255], value: [255]), .transportProtocol(.icmpv6),
                .member([.icmpType], of: TableName.discovery), .verdict(.accept),
            ], comment: "Neighbour discovery")
    }

    /// Replies of revoked flows.
    var revoked: [TableRule] {
        AddressFamily.allCases.map { family in
            TableRule([
                .family(family), .member(Self.revokedFields(family), of: TableName.revoked(family)),
                .count(TableName.revoked), .verdict(.drop),
            ])
        }
    }

    /// To the chains of the pod that a direction protects.
    func dispatch(_ direction: Direction) -> [TableRule] {
        AddressFamily.allCases.map { family in
            TableRule([
                .family(family), .dispatch([Self.own(direction, family)], by: TableName.dispatch(direction, family)),
            ])
        }
    }

    private var sources: TableChain {
        TableChain(TableName.sources, comment: "A pod sends from its own addresses only", rules: ownSources + spoofed)
    }

    var ownSources: [TableRule] {
        AddressFamily.allCases.map { family in
            TableRule([
                .family(family), .member([.interface, .source(family)], of: TableName.sources(family)),
                .verdict(.leave),
            ])
        }
    }

    var spoofed: [TableRule] {
        [
            event(EventMark(cause: .spoofed, direction: .egress)),
            TableRule([.count(TableName.dropped), .count(TableName.spoofed), .verdict(.drop)]),
        ]
    }

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

    /// Tells of a packet that is about to be dropped, as often as the limit allows.
    func event(_ mark: EventMark) -> TableRule {
        TableRule([
            .limit(TableName.events), .count(TableName.eventsSent),
            .log(prefix: mark.prefix, group: options.logGroup),
        ])
    }

    /// The rules that tell of a packet that a rule in audit would deny, and let it go on.
    func wouldDeny(by rule: String, _ mark: EventMark) -> [TableRule] {
        [event(mark), TableRule([.count(TableName.audited), .count(rule)])]
    }

    /// The rules that end a denied packet.
    func denial(of rule: String, _ mark: EventMark) -> [TableRule] {
        let counted: [Term] = [.count(TableName.dropped), .count(rule)]
        guard options.rejects else { return [event(mark), TableRule(counted + [.verdict(.drop)])] }
        return [
            event(mark), TableRule(counted),
            TableRule([.transportProtocol(.tcp), .resetTCP]), TableRule([.rejectProhibited]),
        ]
    }
}
