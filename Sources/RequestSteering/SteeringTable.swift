// SPDX-License-Identifier: Apache-2.0
import Netfilter
import NetworkTypes

/// The table `inet bulkhead-requests`: it marks the packets that go to the proxy or come from it, by nothing that a pod
/// chooses. A mark does not survive a change of the network namespace, and both bits of every packet are cleared first.
///
/// The table is there as long as any port is steered. Without a proxy it marks nothing, and still keeps others out of
/// connections that a proxy has begun.
package struct SteeringTable {
    let plan: SteeringPlan
    private var proxy: SteeringProxy? { plan.proxy }
    private var marks: SteeringMarks { plan.settings.marks }
    private var mask: UInt32 { marks.mask }

    package init(plan: SteeringPlan) { self.plan = plan }

    static let identity = TableIdentity(
        .inet, "bulkhead-requests", comment: "Bulkhead: the way of requests to the node's proxy pod")

    enum Name {
        static let prerouting = "prerouting"
        static let input = "input"
        static let forward = "forward"
        static let output = "output"
        static let fromProxy = "from-proxy"
        static let toProxy = "to-proxy"
        static let fromServer = "from-server"
        static let lost = "packets-without-proxy"
        static let foreign = "packets-of-others"
        static func steered(_ family: AddressFamily) -> String { "steered-\(family)" }
        static func selves(_ family: AddressFamily) -> String { "pods-to-themselves-\(family)" }
    }

    package var contents: TableContents {
        var contents = TableContents(Self.identity)
        for object in [
            TableObject(Name.lost, comment: "No route to the proxy"),
            TableObject(Name.foreign, comment: "In the proxy's connections, but not from their ends"),
        ] { contents.objects[object.name] = object }
        for set in plan.families.flatMap(sets) { contents.sets[set.shape.name] = set }
        for chain in [prerouting, fromServer, input, forward] + proxyChains { contents.chains[chain.name] = chain }
        return contents
    }

    private var proxyChains: [TableChain] { proxy == nil ? [] : [fromProxy, toProxy, output] }

    /// Where the proxy has no address of a family, nothing is marked, and policy denies.
    private var markedFamilies: [AddressFamily] { plan.families.filter { proxy?.address($0) != nil } }

    private func sets(_ family: AddressFamily) -> [TableSet] {
        let pods = plan.ports.filter { $0.key.family == family }
        func port(_ number: UInt16) -> [UInt8] { [UInt8(number >> 8), UInt8(number & 255), 0, 0] }
        let steered = pods.flatMap { address, ranges in
            ranges.map { range in
                SetElement(
                    key: address.networkBytes + port(range.first), end: address.networkBytes + port(range.last))
            }
        }
        let selves = pods.keys.map { SetElement(key: $0.networkBytes + $0.networkBytes) }
        return [
            TableSet(
                SetShape(
                    name: Name.steered(family), fields: [.destination(family), .destinationPort], isInterval: true),
                .elements(Set(steered))),
            TableSet(
                SetShape(name: Name.selves(family), fields: [.source(family), .destination(family)]),
                .elements(Set(selves))),
        ]
    }

    /// After destination NAT, so that the pod is the destination, and before routing.
    private var prerouting: TableChain {
        let established = TableRule([.connectionState(.established), .verdict(.accept)])
        let rules = entry + known + [established] + plan.families.map(answers) + markedFamilies.map(begun)
        return TableChain(Name.prerouting, hook: .prerouting, rules: rules)
    }

    private var entry: [TableRule] {
        let unmarked = TableRule([mark(.packet, 0)])
        guard let proxy else { return [unmarked] }
        var comesFromProxy: [Term] = [Self.equals(.interface, proxy.link)]
        // The table of the bridges marked what entered by the proxy's port.
        if proxy.port != nil { comesFromProxy.append(bits(.mark, marks.fromProxy)) }
        return [TableRule(comesFromProxy + [.verdict(.go(Name.fromProxy))]), unmarked]
    }

    /// Packets of connections that the proxy is an end of. What a client or a server sends with the addresses and ports
    /// of such a connection, but not to the proxy, is dropped.
    private var known: [TableRule] {
        func rule(_ direction: Term, ofConnections bit: UInt32, _ end: [Term], _ comment: String = "") -> TableRule {
            TableRule([bits(.connectionMark, bit), direction] + end, comment: comment)
        }
        let toProxy: [Term] = [mark(.packet, marks.toProxy), .verdict(.accept)]
        let (fromIt, toIt) = (marks.fromProxy, marks.toProxy)
        return [
            rule(.replyDirection, ofConnections: fromIt, proxy == nil ? drop : toProxy, "Answers to the proxy"),
            rule(.originalDirection, ofConnections: fromIt, drop, "Only the proxy goes on with what it began"),
            rule(.replyDirection, ofConnections: toIt, drop, "Only the proxy answers"),
        ] + (proxy == nil ? [] : [rule(.originalDirection, ofConnections: toIt, toProxy)])
    }

    /// What is not established, from a steered port.
    private func answers(_ family: AddressFamily) -> TableRule {
        TableRule([
            .family(family), .transportProtocol(.tcp),
            .member([.source(family), .sourcePort], of: Name.steered(family)), .verdict(.jump(Name.fromServer)),
        ])
    }

    private func begun(_ family: AddressFamily) -> TableRule {
        TableRule([
            .family(family), .transportProtocol(.tcp), .connectionState(.new), .originalDirection,
            .member([.source(family), .destination(family)], of: Name.selves(family), negated: true),
            .member([.destination(family), .destinationPort], of: Name.steered(family)),
            .verdict(.go(Name.toProxy)),
        ])
    }

    /// Connection tracking takes a segment without an entry for the first of a connection. If the entry of a connection
    /// with the proxy is gone, the server's next segment would begin the connection again, with the client for
    /// the proxy: the client could then go on with it, and nothing would read its requests. So a steered port begins
    /// connections only with a first segment of TCP's. The proxy's next segment brings the entry back.
    private var fromServer: TableChain {
        let flags = Field.part(PacketPart("tcp flags", .transport, at: 13, byteCount: 1))
        // Of SYN, RST and ACK, SYN alone.
        let isFirst = Term.masked(flags, mask: [0x16], value: [0x02])
        return TableChain(Name.fromServer, rules: [TableRule([isFirst, .verdict(.leave)]), TableRule(drop)])
    }

    /// Of a connection that began before, only the proxy's own side passes: its answers to clients, and what it sends in
    /// connections that it began itself. Everything else is from its own address.
    private var fromProxy: TableChain {
        TableChain(
            Name.fromProxy,
            rules: [
                TableRule([mark(.packet, 0)]),
                TableRule([
                    .transportProtocol(.tcp), .connectionState(.new), .originalDirection, bits(.connectionMark, 0),
                    mark(.connection, marks.fromProxy),
                ]),
                TableRule([
                    bits(.connectionMark, marks.fromProxy), .originalDirection, mark(.packet, marks.fromProxy),
                ]),
                TableRule([
                    bits(.connectionMark, marks.toProxy), .replyDirection, mark(.packet, marks.fromProxy),
                ]),
            ]
                + AddressFamily.allCases.map { family in
                    TableRule([.family(family), .transportProtocol(.tcp), bits(.mark, 0)] + isForOthers(family) + drop)
                })
    }

    /// The proxy speaks to pods for others, never to the node.
    private var input: TableChain {
        TableChain(
            Name.input, hook: .input,
            rules: AddressFamily.allCases.map { family in
                TableRule([.family(family), bits(.mark, marks.fromProxy)] + isForOthers(family) + drop)
            })
    }

    /// The source is not the proxy's own address.
    private func isForOthers(_ family: AddressFamily) -> [Term] {
        proxy?.address(family).map { [.differs(.source(family), $0.networkBytes)] } ?? []
    }

    /// The mark by which kube-proxy asks for masquerading (`--iptables-masquerade-bit`) goes: the proxy, and the pod
    /// behind it, must see the client's address, and answers come back by this node anyway.
    private var toProxy: TableChain {
        let masquerade: UInt32 = 0x4000
        return TableChain(
            Name.toProxy,
            rules: [
                TableRule([mark(.connection, marks.toProxy)]),
                TableRule([.setMarkBits(.packet, mask: mask | masquerade, value: marks.toProxy)]),
            ])
    }

    /// A lost route or rule must not let marked packets pass by the proxy.
    private var forward: TableChain {
        let isMarked = bits(.mark, marks.toProxy)
        return TableChain(
            Name.forward, hook: .forward,
            rules: AddressFamily.allCases.map { family in
                let way = proxy?.address(family).map { Term.differs(.nextHop(family), $0.networkBytes) }
                return TableRule(
                    [isMarked, .family(family)] + [way].compactMap(\.self) + [.count(Name.lost), .verdict(.drop)])
            })
    }

    /// Pods on the proxy's bridge must not learn that the proxy is a shorter way to others: they would use it for
    /// everything, also when it is gone (RFC 792, redirect; in IPv6 a router on the link by its global address is not
    /// announced).
    private var output: TableChain {
        let gateway = Field.part(PacketPart("@th,32,32", .transport, at: 4, byteCount: 4))
        return TableChain(
            Name.output, hook: .output,
            rules: proxy?.address(.ipv4).map { address in
                [
                    TableRule([
                        .family(.ipv4), .transportProtocol(.icmp), Self.equals(.icmpv4Type, [5]),
                        Self.equals(gateway, address.networkBytes), .verdict(.drop),
                    ])
                ]
            } ?? [])
    }

    private var drop: [Term] { [.count(Name.foreign), .verdict(.drop)] }

    private func mark(_ owner: MarkOwner, _ value: UInt32) -> Term {
        .setMarkBits(owner, mask: mask, value: value)
    }

    private func bits(_ field: Field, _ value: UInt32) -> Term {
        .masked(field, mask: Self.bytes(mask), value: Self.bytes(value))
    }

    static func equals(_ field: Field, _ index: UInt32) -> Term { equals(field, bytes(index)) }

    static func equals(_ field: Field, _ value: [UInt8]) -> Term {
        .masked(field, mask: [UInt8](repeating: 0xff, count: value.count), value: value)
    }

    /// In host order, as the kernel keeps marks and indices.
    static func bytes(_ number: UInt32) -> [UInt8] { withUnsafeBytes(of: number) { Array($0) } }
}

extension TableChain.Hook {
    /// NF_INET_PRE_ROUTING, after destination NAT (NF_IP_PRI_NAT_DST, -100).
    fileprivate static let prerouting = TableChain.Hook("prerouting", number: 0, priority: -90)
    /// NF_INET_LOCAL_IN, before the tables that judge.
    fileprivate static let input = TableChain.Hook("input", number: 1, priority: -160)
    /// NF_INET_FORWARD, before the tables that judge.
    fileprivate static let forward = TableChain.Hook("forward", number: 2, priority: -160)
    /// NF_INET_LOCAL_OUT.
    fileprivate static let output = TableChain.Hook("output", number: 3, priority: -160)
}
