// SPDX-License-Identifier: Apache-2.0
import Netfilter
import NetworkTypes

/// The table `inet bulkhead-requests`: it marks the packets that go to the proxy or come from it, by nothing that a pod
/// chooses. A mark does not survive a change of the network namespace, and both bits of every packet are cleared first.
package struct SteeringTable {
    let plan: SteeringPlan
    let proxy: SteeringProxy
    private var settings: SteeringSettings { plan.settings }
    private var mask: UInt32 { settings.mask }

    package init(plan: SteeringPlan, proxy: SteeringProxy) {
        self.plan = plan
        self.proxy = proxy
    }

    static let identity = TableIdentity(
        .inet, "bulkhead-requests", comment: "Bulkhead: the way of requests to the node's proxy pod")

    enum Name {
        static let prerouting = "prerouting"
        static let forward = "forward"
        static let output = "output"
        static let fromProxy = "from-proxy"
        static let toProxy = "to-proxy"
        static let lost = "packets-without-proxy"
        static func steered(_ family: AddressFamily) -> String { "steered-\(family)" }
        static func selves(_ family: AddressFamily) -> String { "pods-to-themselves-\(family)" }
    }

    package var contents: TableContents {
        var contents = TableContents(Self.identity)
        contents.objects[Name.lost] = TableObject(Name.lost, comment: "No route to the proxy")
        for set in families.flatMap(sets) { contents.sets[set.shape.name] = set }
        for chain in [prerouting, fromProxy, toProxy, forward, output] { contents.chains[chain.name] = chain }
        return contents
    }

    /// Where the proxy has no address of a family, nothing is marked, and policy denies.
    private var families: [AddressFamily] { plan.families.filter { proxy.address($0) != nil } }

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
        var comesFromProxy: [Term] = [Self.equals(.interface, proxy.link)]
        // The table of the bridges marked what entered by the proxy's port.
        if proxy.port != nil { comesFromProxy.append(bits(.mark, settings.fromProxy)) }
        let isNew: [Term] = [.transportProtocol(.tcp), .connectionState(.new), .originalDirection]
        return TableChain(
            Name.prerouting, hook: .prerouting,
            rules: [
                TableRule(comesFromProxy + [.verdict(.go(Name.fromProxy))]),
                TableRule([mark(.packet, 0)]),
                TableRule(
                    [
                        bits(.connectionMark, settings.fromProxy), .replyDirection, mark(.packet, settings.toProxy),
                        .verdict(.accept),
                    ], comment: "Answers to the proxy"),
                TableRule([
                    bits(.connectionMark, settings.toProxy), .originalDirection, mark(.packet, settings.toProxy),
                    .verdict(.accept),
                ]),
            ]
                + families.map { family in
                    TableRule(
                        [.family(family)] + isNew + [
                            .member(
                                [.source(family), .destination(family)], of: Name.selves(family), negated: true),
                            .member([.destination(family), .destinationPort], of: Name.steered(family)),
                            .verdict(.go(Name.toProxy)),
                        ])
                })
    }

    /// Of a connection that began before, only the proxy's own side passes: its answers to clients, and what it sends in
    /// connections that it began itself.
    private var fromProxy: TableChain {
        TableChain(
            Name.fromProxy,
            rules: [
                TableRule([mark(.packet, 0)]),
                TableRule([
                    .transportProtocol(.tcp), .connectionState(.new), .originalDirection, bits(.connectionMark, 0),
                    mark(.connection, settings.fromProxy),
                ]),
                TableRule([
                    bits(.connectionMark, settings.fromProxy), .originalDirection, mark(.packet, settings.fromProxy),
                ]),
                TableRule([
                    bits(.connectionMark, settings.toProxy), .replyDirection, mark(.packet, settings.fromProxy),
                ]),
            ])
    }

    /// The mark by which kube-proxy asks for masquerading (`--iptables-masquerade-bit`) goes: the proxy, and the pod
    /// behind it, must see the client's address, and answers come back by this node anyway.
    private var toProxy: TableChain {
        let masquerade: UInt32 = 0x4000
        return TableChain(
            Name.toProxy,
            rules: [
                TableRule([mark(.connection, settings.toProxy)]),
                TableRule([.setMarkBits(.packet, mask: mask | masquerade, value: settings.toProxy)]),
            ])
    }

    /// A lost route or rule must not let marked packets pass by the proxy.
    private var forward: TableChain {
        let isMarked = bits(.mark, settings.toProxy)
        return TableChain(
            Name.forward, hook: .forward,
            rules: AddressFamily.allCases.map { family in
                let way = proxy.address(family).map { Term.differs(.nextHop(family), $0.networkBytes) }
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
            rules: proxy.address(.ipv4).map { address in
                [
                    TableRule([
                        .family(.ipv4), .transportProtocol(.icmp), Self.equals(.icmpv4Type, [5]),
                        Self.equals(gateway, address.networkBytes), .verdict(.drop),
                    ])
                ]
            } ?? [])
    }

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
    /// NF_INET_FORWARD, before the tables that judge.
    fileprivate static let forward = TableChain.Hook("forward", number: 2, priority: -160)
    /// NF_INET_LOCAL_OUT.
    fileprivate static let output = TableChain.Hook("output", number: 3, priority: -160)
}
