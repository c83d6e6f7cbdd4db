// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import PolicyModel

extension NFTablesDatapath {
    public func ruleCounters() throws(DatapathError) -> [RuleID: RuleCounter] {
        var counters: [RuleID: RuleCounter] = [:]
        for (name, object) in try TableReader.objects(try opened()) {
            guard let rule = tables.contents.objects[name]?.rule else { continue }
            counters[rule.id] = object.counter
        }
        return counters
    }

    public func counters() throws(DatapathError) -> DatapathCounters {
        var packets: [String: UInt64] = [:]
        for (name, object) in try TableReader.objects(try opened()) { packets[name] = object.counter.packets }
        var counters = DatapathCounters()
        counters.spoofed = packets[TableName.spoofed] ?? 0
        counters.unparsable = Direction.allCases.reduce(0) { $0 + (packets[TableName.unparsable($1)] ?? 0) }
        counters.inconsistent = packets[TableName.inconsistent] ?? 0
        counters.tunnel = packets[TableName.tunnel] ?? 0
        counters.sourceRouted = packets[TableName.sourceRouted] ?? 0
        counters.unrelatedErrors = packets[TableName.unrelatedErrors] ?? 0
        counters.audited = packets[TableName.audited] ?? 0
        let told = (packets[TableName.dropped] ?? 0) + counters.audited
        let sent = packets[TableName.eventsSent] ?? 0
        // Both count at different moments of one packet; they are read one after the other.
        counters.suppressedEvents = told > sent ? told - sent : 0
        counters.lostEvents = events?.lost ?? 0
        return counters
    }
}
