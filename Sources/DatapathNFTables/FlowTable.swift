// SPDX-License-Identifier: Apache-2.0
import Datapath
import Netfilter
import NetworkTypes
import PolicyModel

/// The part of the table that reports the first packet of each allowed flow; it exists only while flows are reported.
///
/// Its chains come after those that judge: what these have dropped does not arrive.
struct FlowTable {
    let base: BaseTable
    let limit: FlowLimit

    /// The chains of forwarded flows, and all objects.
    static let chainNames = [TableName.flows, TableName.newFlows, TableName.allowedFlows]
    static let objectNames = [TableName.flows, TableName.flowsSent, TableName.flowsLeftOut]
    /// The chains of flows to the node itself.
    static let ownNodeChainNames = [TableName.flowsToNode, TableName.newFlowsToNode]

    var objects: [TableObject] {
        let rate = TableObject.Kind.limit(perSecond: UInt64(limit.perSecond), burst: limit.burst)
        return [TableObject(TableName.flows, rate, comment: "Reports of new flows")]
            + [TableName.flowsSent, TableName.flowsLeftOut].map { TableObject($0) }
    }

    var chains: [TableChain] { [flows, newFlows, allowedFlows] }

    /// What flows to the node itself need, while they are judged.
    var ownNodeChains: [TableChain] {
        let groups = AddressFamily.allCases.map { family in
            TableRule([
                .family(family), .member([.destination(family)], of: TableName.group(family)), .verdict(.accept),
            ])
        }
        return [
            TableChain(
                TableName.flowsToNode, hook: .inputEnd, comment: "Reports new flows of pods to their own node",
                rules: [beginning(TableName.newFlowsToNode)]),
            TableChain(
                TableName.newFlowsToNode, comment: "Each packet to a group would be a new flow",
                rules: groups + [TableRule([.verdict(.go(TableName.newFlows))])]),
        ]
    }

    /// A packet of an established flow meets one comparison.
    private var flows: TableChain {
        TableChain(
            TableName.flows, hook: .forwardEnd, comment: "Reports new flows of pods",
            rules: [beginning(TableName.newFlows)])
    }

    private func beginning(_ chain: String) -> TableRule {
        TableRule([.connectionState(.new), .unconfirmed, .verdict(.go(chain))])
    }

    /// The pairs of each pod's addresses contain each address with itself.
    private var newFlows: TableChain {
        let ends = AddressFamily.allCases.flatMap { family in
            [Field.source(family), .destination(family)].map { end in
                TableRule([
                    .family(family), .member([end, end], of: TableName.samePod(family)),
                    .verdict(.go(TableName.allowedFlows)),
                ])
            }
        }
        return TableChain(
            TableName.newFlows, comment: "From or to a pod of this node", rules: [base.dhcp(.accept)] + ends)
    }

    private var allowedFlows: TableChain {
        let mark = EventMark(cause: .new, direction: .egress)
        return TableChain(
            TableName.allowedFlows, comment: "Reported, or counted as left out",
            rules: [
                TableRule([
                    .limit(TableName.flows), .count(TableName.flowsSent),
                    .log(prefix: mark.prefix, group: base.options.flowLogGroup), .verdict(.accept),
                ]),
                TableRule([.count(TableName.flowsLeftOut), .verdict(.accept)]),
            ])
    }
}

extension TableOptions {
    /// The nflog group on which new flows are reported: its own, so that they displace no dropped packet.
    var flowLogGroup: UInt16 { logGroup &+ 1 }
}

extension PolicyTables {
    /// Sets how many new flows are reported; nil: none, and nothing of it remains in the table.
    package mutating func set(flows limit: FlowLimit?) -> Transaction {
        var step = Transaction()
        flows = limit
        if let limit {
            let table = FlowTable(base: base, limit: limit)
            for object in table.objects where contents.objects[object.name] == nil { add(object, &step) }
            for chain in table.chains where contents.chains[chain.name] == nil { add(chain, &step) }
        } else {
            for name in FlowTable.chainNames { removeChain(name, &step) }
            for name in FlowTable.objectNames { removeObject(name, &step) }
        }
        updateOwnNodeTable(&step)
        return step
    }
}

extension NFTablesDatapath {
    public mutating func setFlows(_ limit: FlowLimit?) throws(DatapathError) {
        guard limit != tables.flows else { return }
        // A changed limit is another object of the same name.
        if tables.flows != nil, limit != nil { try write(nil) }
        if limit == nil {
            flowEvents = nil
        } else if flowEvents == nil {
            flowEvents = try DropListener(group: tables.options.flowLogGroup, isBatched: true)
        }
        try write(limit)
    }

    private mutating func write(_ limit: FlowLimit?) throws(DatapathError) {
        let step = tables.set(flows: limit)
        guard isInStep, !step.isEmpty else { return }
        try commit(step)
    }
}
