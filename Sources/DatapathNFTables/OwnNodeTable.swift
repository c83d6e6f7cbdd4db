// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import PolicyModel

/// The part of the table that judges what pods send to their own node; there only while some policy has a say in that.
///
/// What a pod begins is judged by its egress chains, as though it were forwarded; they return where it is allowed. What
/// the node begins, probes above all, passes with its replies. The node's replies to pods pass as established, and
/// once their flow is revoked they are denied as such.
struct OwnNodeTable {
    let base: BaseTable

    var chains: [TableChain] { [input, sources, output] }

    /// Sources and destinations that are no single host's.
    var sets: [TableSet] {
        func set(_ name: String, _ family: AddressFamily, _ blocks: [String], _ comment: String) -> TableSet {
            let ranges = AddressRanges(blocks.compactMap { try? CIDR($0) }.map { AddressRange($0) }).ranges
            let shape = SetShape(name: name, fields: [.source(family)], isInterval: true, comment: comment)
            return TableSet(shape, .ranges(ranges))
        }
        let unbound = "Before a host has its address, and within a link"
        let group = "Multicast and broadcast"
        return [
            set(TableName.unbound(.ipv4), .ipv4, ["0.0.0.0/32"], unbound),
            set(TableName.unbound(.ipv6), .ipv6, ["::/128", "fe80::/10"], unbound),
            set(TableName.group(.ipv4), .ipv4, ["224.0.0.0/4", "255.255.255.255/32"], group),
            set(TableName.group(.ipv6), .ipv6, ["ff00::/8"], group),
        ]
    }

    private var input: TableChain {
        var rules = [base.neighbourDiscovery]
        rules.append(
            TableRule([.member([.interface], of: TableName.podInterfaces), .verdict(.jump(TableName.ownNodeSources))]))
        rules += base.begun
        rules += AddressFamily.allCases.map { family in
            TableRule([
                .family(family), .member([.destination(family)], of: TableName.group(family)), .verdict(.accept),
            ])
        }
        rules += base.dispatch(.egress)
        return TableChain(
            TableName.input, isBase: true, hook: .input, comment: "From pods to their own node", rules: rules)
    }

    private var sources: TableChain {
        let unbound = AddressFamily.allCases.map { family in
            TableRule([
                .family(family), .member([.source(family)], of: TableName.unbound(family)), .verdict(.leave),
            ])
        }
        return TableChain(
            TableName.ownNodeSources, comment: "A pod sends from its own addresses, or has none yet",
            rules: base.ownSources + unbound + base.spoofed)
    }

    private var output: TableChain {
        TableChain(
            TableName.output, isBase: true, hook: .output, comment: "From the node to its pods",
            rules: base.begun + base.revoked)
    }
}
