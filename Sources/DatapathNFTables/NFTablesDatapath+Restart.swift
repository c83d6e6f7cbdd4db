// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import Netfilter

extension NFTablesDatapath {
    public mutating func restartCounters(of rules: [RuleID]) throws(DatapathError) {
        let wanted = Set(rules)
        let reader = try reader()
        for (name, object) in tables.contents.objects {
            guard let rule = RuleMark(bytes: object.mark), wanted.contains(rule.id) else { continue }
            try reader.restartCounter(name)
        }
    }
}
