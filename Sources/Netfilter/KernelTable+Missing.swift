// SPDX-License-Identifier: Apache-2.0

extension KernelTable {
    /// What keeps packets from being judged as they should: the table is dormant, a chain of a hook is missing, is
    /// another or is empty, or another chain with rules has lost them. In words, in order. Chains and sets that the
    /// contents lack are not looked at, nor is what rules say.
    package func missingEntries(of contents: TableContents) -> [String] {
        var missing = flags == 0 ? [] : ["the table's activity (it is dormant)"]
        for chain in contents.chains.values.sorted(by: { $0.name < $1.name }) {
            let found = chains[chain.name]
            // A run of another version need not have had a chain that no hook calls.
            let isThere = chain.hook == nil || found?.fingerprint == chain.fingerprint
            let isEmptied = !chain.rules.isEmpty && found?.rules.isEmpty ?? (chain.hook != nil)
            if !isThere || isEmptied { missing.append("the chain \(chain.name)") }
        }
        return missing
    }
}
