// SPDX-License-Identifier: Apache-2.0
import Netfilter
import NetworkTypes
import PolicyModel

/// Packets on their way to and from the node's proxy, which decides about requests. Their marks tell; only the node's own
/// rules at `prerouting` set them. No packet that is simply allowed passes any of this while no rule hands flows over.
extension BaseTable {
    /// Whether packets of the proxy's connections differ from others.
    var isSteering: Bool { handsOver && marks.mask != 0 }

    /// The chains whose content depends on the marks.
    var proxyChains: [TableChain] {
        [fromPods, forwarded, sources] + (isSteering ? [establishedFlows] : [])
            + (marks.fromProxy == 0 ? [] : [foreignSources])
    }

    static let proxyChainNames = [TableName.establishedFlows, TableName.foreignSources]

    /// A packet in the direction in which a connection with the proxy began comes from the proxy or goes to it. Any other
    /// is someone's who has the same addresses and ports: policy judges it as if nothing were established.
    private var establishedFlows: TableChain {
        let unmarked = Term.masked(.mark, mask: Self.bytes(marks.mask), value: Self.bytes(0))
        let others = bits.map { bit in
            TableRule([
                .originalDirection, .masked(.connectionMark, mask: Self.bytes(bit), value: Self.bytes(bit)), unmarked,
                .verdict(.leave),
            ])
        }
        return TableChain(
            TableName.establishedFlows, comment: "In a connection with the proxy, only the proxy's packets",
            rules: others + [TableRule([.verdict(.accept)])])
    }

    /// Packets with an address that is not the pod's: the proxy speaks for others.
    private var foreignSources: TableChain {
        TableChain(
            TableName.foreignSources, comment: "Only the proxy sends from the addresses of others",
            rules: fromProxy(.jump(TableName.podGuard)) + fromProxy(.go(TableName.forwarded)) + spoofed)
    }

    /// The proxy's forwarded packets: TCP, and from anyone but the node itself.
    func fromProxy(_ verdict: ChainVerdict) -> [TableRule] {
        guard marks.fromProxy != 0 else { return [] }
        return AddressFamily.allCases.map { family in
            TableRule([
                .masked(.mark, mask: Self.bytes(marks.fromProxy), value: Self.bytes(marks.fromProxy)),
                .differs(.outInterface, [0, 0, 0, 0]), .transportProtocol(.tcp), .family(family),
                .member([.source(family)], of: TableName.ownNode(family), negated: true), .verdict(verdict),
            ])
        }
    }

    /// What becomes of a packet whose flow a rule leaves to the proxy.
    func handOver(by rule: String, _ mark: EventMark) -> [TableRule] {
        let passing = bits.map { bit in
            TableRule([
                .masked(.mark, mask: Self.bytes(bit), value: Self.bytes(bit)), .count(rule),
                .verdict(mark.direction == .egress ? .leave : .accept),
            ])
        }
        return passing + [TableRule([.count(TableName.handOver)])] + denial(of: rule, mark)
    }

    /// The marks that exist.
    private var bits: [UInt32] { [marks.toProxy, marks.fromProxy].filter { $0 != 0 } }

    /// As the kernel holds it.
    private static func bytes(_ number: UInt32) -> [UInt8] { withUnsafeBytes(of: number) { Array($0) } }
}
