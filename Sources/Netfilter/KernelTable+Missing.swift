// SPDX-License-Identifier: Apache-2.0

extension KernelTable {
    /// What keeps packets from entering the table as they should: it is dormant, or a chain of a hook is missing, is
    /// another or is empty. In words, in order.
    package func missingEntries(of contents: TableContents) -> [String] {
        var missing = flags == 0 ? [] : ["the table's activity (it is dormant)"]
        for chain in contents.chains.values.sorted(by: { $0.name < $1.name }) where chain.hook != nil {
            let found = chains[chain.name]
            let isThere = found?.fingerprint == chain.fingerprint
            let isEmpty = found?.rules.isEmpty ?? true
            if !isThere || isEmpty && !chain.rules.isEmpty { missing.append("the chain \(chain.name)") }
        }
        return missing
    }
}
