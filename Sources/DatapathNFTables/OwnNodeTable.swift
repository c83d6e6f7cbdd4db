// SPDX-License-Identifier: Apache-2.0
import Datapath
import Netfilter
import NetworkTypes
import PolicyModel

/// The part of the table that checks packets from pods to their own node; it exists only while there is something to
/// check.
///
/// Every packet at this hook is for the node itself, whatever its destination. A pod's egress chains judge the flows
/// that the pod begins, as if they were forwarded; they return if a packet is allowed. Flows that the node begins,
/// above all probes, pass with their replies. The node's replies to pods pass as established, and are denied once their
/// flow is revoked.
struct OwnNodeTable {
    let base: BaseTable
    /// Whether policy decides; otherwise only tunnel packets and senders are checked.
    let isJudging: Bool
    /// How many new flows are reported; nil: none.
    let flows: FlowLimit?

    /// All possible chains.
    static let chainNames =
        [
            TableName.input, TableName.output, TableName.fromPodsToNode, TableName.fromUnboundToNode, TableName.toNode,
        ] + FlowTable.ownNodeChainNames
    static let setNames = AddressFamily.allCases.map { TableName.group($0) }

    var chains: [TableChain] {
        guard isJudging else { return [guardingInput] }
        let reports = flows.map { FlowTable(base: base, limit: $0).ownNodeChains } ?? []
        return [input, fromPods, fromUnbound, toNode, output] + reports
    }

    var sets: [TableSet] { isJudging && flows != nil ? groups : [] }

    private var groups: [TableSet] {
        AddressFamily.allCases.map { family in
            let ranges = AddressRanges(CIDR.groups.filter { $0.family == family }.map { AddressRange($0) }).ranges
            let shape = SetShape(
                name: TableName.group(family), fields: [.source(family)], isInterval: true,
                comment: "Multicast and broadcast")
            return TableSet(shape, .ranges(ranges))
        }
    }

    private static let isFromPod = Term.member([.interface], of: TableName.podInterfaces)
    private static let isFromPodHardware = Term.member([.interface, .hardwareSource], of: TableName.podHardware)

    private var guardingInput: TableChain {
        let look = Term.verdict(.jump(TableName.podGuard))
        return TableChain(
            TableName.input, hook: .input, comment: "From pods to their own node",
            rules: [TableRule([Self.isFromPod, look])] + base.localSources
                + [TableRule([Self.isFromPodHardware, look])])
    }

    private var input: TableChain {
        TableChain(
            TableName.input, hook: .input, comment: "From pods to their own node",
            rules: [TableRule([Self.isFromPod, .verdict(.go(TableName.fromPodsToNode))])] + base.localSources
                + AddressFamily.allCases.map { base.unbound($0, .go(TableName.fromUnboundToNode)) }
                + [TableRule([.verdict(.go(TableName.toNode))])])
    }

    private var fromPods: TableChain {
        TableChain(
            TableName.fromPodsToNode, comment: "A pod sends from its own addresses, or has none yet",
            rules: [TableRule([.verdict(.jump(TableName.podGuard))])] + base.ownSources(.go(TableName.toNode))
                + AddressFamily.allCases.map { base.unbound($0, .go(TableName.fromUnboundToNode)) } + base.spoofed)
    }

    /// Connection tracking does not know later which pod sends such a flow, so each packet is judged.
    private var fromUnbound: TableChain {
        TableChain(
            TableName.fromUnboundToNode, comment: "The pod behind the interface or the bridge port",
            rules: [
                TableRule([Self.isFromPodHardware, .verdict(.jump(TableName.podGuard))]),
                TableRule([.connectionState(.established), .replyDirection, .verdict(.accept)]),
            ] + exempt + [
                TableRule([.dispatch([.interface], by: TableName.egressByInterface)]),
                TableRule([.dispatch([.interface, .hardwareSource], by: TableName.egressByHardware)]),
                TableRule([.verdict(.accept)]),
            ])
    }

    private var toNode: TableChain {
        TableChain(TableName.toNode, comment: "Policy", rules: begun + exempt + base.dispatch(.egress))
    }

    /// Packets that pass because their flow passed.
    private var begun: [TableRule] {
        [
            TableRule([.verdict(.jump(TableName.revokedFlows))]),
            TableRule(
                [.connectionState(.established), .verdict(.accept)], comment: "Allowed when it began"),
            base.relatedErrors,
        ]
    }

    /// Packets that pass whatever the policies.
    private var exempt: [TableRule] {
        base.linkControl + [base.dhcp(.accept)]
    }

    private var output: TableChain {
        TableChain(
            TableName.output, hook: .output, comment: "From the node to its pods",
            rules: [TableRule([.verdict(.jump(TableName.revokedFlows))])])
    }
}
