// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import Netfilter
import PolicyModel

extension NFTablesDatapath {
    public func ruleCounters() throws(DatapathError) -> [RuleID: RuleCounter] {
        var counters: [RuleID: RuleCounter] = [:]
        for (name, object) in try reader().objects() {
            guard let mark = tables.contents.objects[name]?.mark, let rule = RuleMark(bytes: mark) else { continue }
            counters[rule.id] = RuleCounter(packets: object.counter.packets, bytes: object.counter.bytes)
        }
        return counters
    }

    public func counters() throws(DatapathError) -> DatapathCounters {
        var packets: [String: UInt64] = [:]
        for (name, object) in try reader().objects() { packets[name] = object.counter.packets }
        var counters = DatapathCounters()
        counters.spoofed = packets[TableName.spoofed] ?? 0
        counters.unparsable = Direction.allCases.reduce(0) { $0 + (packets[TableName.unparsable($1)] ?? 0) }
        counters.inconsistent = packets[TableName.inconsistent] ?? 0
        counters.tunnel = packets[TableName.tunnel] ?? 0
        counters.sourceRouted = packets[TableName.sourceRouted] ?? 0
        counters.unrelatedErrors = packets[TableName.unrelatedErrors] ?? 0
        counters.audited = packets[TableName.audited] ?? 0
        counters.handOver = packets[TableName.handOver] ?? 0
        counters.flowsLeftOut = packets[TableName.flowsLeftOut] ?? 0
        counters.flowsLost = flowEvents?.lost ?? 0
        let reported = (packets[TableName.dropped] ?? 0) + counters.audited
        let sent = packets[TableName.eventsSent] ?? 0
        // Both count at different moments of a packet, and are read one after the other.
        counters.suppressedEvents = (reported > sent ? reported - sent : 0) + repeats.count
        counters.lostEvents = events?.lost ?? 0
        return counters
    }
}
