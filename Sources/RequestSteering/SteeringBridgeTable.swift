// SPDX-License-Identifier: Apache-2.0
import Netfilter
import NetworkTypes

/// The table `bridge bulkhead-requests`. Frames between ports of one bridge pass the prerouting hooks of IPv4 and IPv6,
/// which see the bridge as their input device (br_netfilter). Before that, this table marks what enters by the proxy's
/// port. After that, it takes frames that must go to the proxy up to IP, which routes them.
package struct SteeringBridgeTable {
    let plan: SteeringPlan
    let proxy: SteeringProxy

    package init(plan: SteeringPlan, proxy: SteeringProxy) {
        self.plan = plan
        self.proxy = proxy
    }

    static let identity = TableIdentity(.bridge, SteeringTable.identity.name, comment: SteeringTable.identity.comment)

    enum Name {
        static let before = "before-routing-hooks"
        static let after = "after-routing-hooks"
        static func ports(_ bridge: UInt32) -> String { "ports-of-\(bridge)" }
    }

    package var contents: TableContents {
        var contents = TableContents(Self.identity)
        for bridge in plan.bridges {
            let shape = SetShape(name: Name.ports(bridge.index), fields: [.interface])
            let ports = bridge.ports.map { SetElement(key: SteeringTable.bytes($0)) }
            contents.sets[shape.name] = TableSet(shape, .elements(Set(ports)))
        }
        for chain in [before, after] { contents.chains[chain.name] = chain }
        return contents
    }

    private var before: TableChain {
        let marks = plan.settings.marks
        let own = proxy.port.map { port in
            TableRule([
                SteeringTable.equals(.interface, port),
                .setMarkBits(.packet, mask: marks.mask, value: marks.fromProxy), .verdict(.accept),
            ])
        }
        return TableChain(
            Name.before, hook: .beforeRouting,
            rules: [own].compactMap(\.self) + [TableRule([.setMarkBits(.packet, mask: marks.mask, value: 0)])])
    }

    private var after: TableChain {
        let marks = plan.settings.marks
        let isMarked = Term.masked(
            .mark, mask: SteeringTable.bytes(marks.mask), value: SteeringTable.bytes(marks.toProxy))
        let receiver = PacketPart("ether daddr", .link, at: 0, byteCount: 6, kind: .hardwareAddress)
        return TableChain(
            Name.after, hook: .afterRouting,
            rules: plan.bridges.map { bridge in
                let hardware = (0..<6).map { UInt8(bridge.hardware >> (40 - $0 * 8) & 255) }
                return TableRule([
                    isMarked, .member([.interface], of: Name.ports(bridge.index)), .write(receiver, hardware),
                    .acceptForHost,
                ])
            })
    }
}

extension TableChain.Hook {
    /// NF_BR_PRE_ROUTING, after the bridge guard and before the hooks of IPv4 and IPv6 (NF_BR_PRI_BRNF, 0).
    fileprivate static let beforeRouting = TableChain.Hook("prerouting", number: 0, priority: -200)
    fileprivate static let afterRouting = TableChain.Hook("prerouting", number: 0, priority: 10)
}
