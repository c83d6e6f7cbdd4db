// SPDX-License-Identifier: Apache-2.0
import BulkheadABI
import CLibBPF
import CompiledPolicy
import Datapath
import Glibc
import NetworkTypes
import PolicyModel

extension EBPFDatapath {
    public func ruleCounters() throws(DatapathError) -> [RuleID: RuleCounter] {
        let generation = try opened()
        return try readCounters(generation).filter {
            $0.key == .noPolicy || generation.keys[.rule, $0.key.rawValue] != nil
        }
    }

    public func counters() throws(DatapathError) -> DatapathCounters {
        let generation = try opened()
        func total(_ stat: bh_stat) throws(DatapathError) -> UInt64 {
            var key = stat.rawValue
            var values = [UInt64](repeating: 0, count: Self.processors)
            guard bpf_map_lookup_elem(generation.stats.raw, &key, &values) == 0 else {
                throw .system(operation: "reading counters", code: errno, detail: "")
            }
            return values.reduce(0, &+)
        }
        var counters = DatapathCounters()
        counters.spoofed = try total(BH_STAT_SPOOFED)
        counters.unparsable = try total(BH_STAT_UNPARSABLE)
        counters.suppressedEvents = try total(BH_STAT_SUPPRESSED)
        counters.lostEvents = try total(BH_STAT_LOST)
        counters.inconsistent = try total(BH_STAT_INCONSISTENT)
        counters.audited = try total(BH_STAT_AUDITED)
        counters.tunnel = try total(BH_STAT_TUNNEL)
        counters.sourceRouted = try total(BH_STAT_SOURCE_ROUTED)
        counters.unrelatedErrors = try total(BH_STAT_UNRELATED_ERROR)
        counters.malformed = try total(BH_STAT_MALFORMED)
        counters.handOver = try total(BH_STAT_HAND_OVER)
        counters.flowsLeftOut = try total(BH_STAT_FLOWS_LEFT_OUT)
        counters.flowsLost = try total(BH_STAT_FLOWS_LOST)
        return counters
    }

    public mutating func restartCounters(of rules: [RuleID]) throws(DatapathError) { try zeroCounters(of: rules) }

    static var processors: Int { Int(max(libbpf_num_possible_cpus(), 1)) }

    /// The counters of all numbers that have ever counted, by processor: calls `body` for each rule.
    private func eachCounter(
        _ generation: Generation, _ body: (RuleID, ArraySlice<bh_counter>) -> Void
    ) throws(DatapathError) {
        let step = 1024
        var keys = [UInt32](repeating: 0, count: step)
        var values = [bh_counter](repeating: bh_counter(), count: step * Self.processors)
        var position: UInt32 = 0
        var started = false
        while true {
            var count = UInt32(step)
            let code = withUnsafeMutablePointer(to: &position) { position in
                bpf_map_lookup_batch(
                    generation.counters.raw, started ? UnsafeMutableRawPointer(position) : nil, position, &keys,
                    &values,
                    &count, nil)
            }
            let ended = code != 0
            guard !ended || errno == ENOENT else {
                throw .system(operation: "reading counters", code: errno, detail: "")
            }
            for index in 0..<Int(count) {
                body(RuleID(rawValue: keys[index]), values[index * Self.processors..<(index + 1) * Self.processors])
            }
            if ended { return }
            started = true
        }
    }

    func readCounters(_ generation: Generation) throws(DatapathError) -> [RuleID: RuleCounter] {
        var result: [RuleID: RuleCounter] = [:]
        try eachCounter(generation) { rule, values in
            let packets = values.reduce(0) { $0 &+ $1.packets }
            guard packets > 0 else { return }
            result[rule] = RuleCounter(packets: packets, bytes: values.reduce(0) { $0 &+ $1.bytes })
        }
        return result
    }

    /// Records numbers without a rule whose counters are not zero.
    mutating func noteUsedRules(_ counters: [RuleID: RuleCounter], _ generation: Generation) {
        usedRules = Set(counters.keys.filter { generation.keys[.rule, $0.rawValue] == nil })
    }

    /// A number will name a new rule, or names one that was edited: its counter starts at zero.
    mutating func zeroCounters(of rules: some Sequence<RuleID>) throws(DatapathError) {
        let generation = try opened()
        var zero = [bh_counter](repeating: bh_counter(), count: Self.processors)
        for rule in rules {
            var key = rule.rawValue
            guard bpf_map_update_elem(generation.counters.raw, &key, &zero, 0) == 0 else {
                throw .system(operation: "zeroing a counter", code: errno, detail: "")
            }
            usedRules.remove(rule)
        }
    }

    /// Rules keep their counts. Counts in the old set after this are lost: those of the packets in the moment in which
    /// both sets are attached.
    func copyCounters(from old: Generation, to new: Generation) throws(DatapathError) {
        let numbers = new.keys.numbering.rules
        var failure: Int32 = 0
        try eachCounter(old) { rule, values in
            guard values.contains(where: { $0.packets > 0 }) else { return }
            let number = rule == .noPolicy ? rule : old.keys[.rule, rule.rawValue].flatMap { numbers[$0] }
            guard var key = number?.rawValue else { return }
            var copy = Array(values)
            if bpf_map_update_elem(new.counters.raw, &key, &copy, 0) != 0 { failure = errno }
        }
        guard failure == 0 else { throw .system(operation: "copying counters", code: failure, detail: "") }
        for stat in 0..<UInt32(BH_STATS.rawValue) {
            var key = stat
            var values = [UInt64](repeating: 0, count: Self.processors)
            guard bpf_map_lookup_elem(old.stats.raw, &key, &values) == 0,
                bpf_map_update_elem(new.stats.raw, &key, &values, 0) == 0
            else { throw .system(operation: "copying counters", code: errno, detail: "") }
        }
    }
}
