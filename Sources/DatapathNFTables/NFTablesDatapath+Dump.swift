// SPDX-License-Identifier: Apache-2.0
import Datapath
import Netfilter
import NetworkTypes

extension NFTablesDatapath {
    /// The present table in the kernel: chains with their rules in libnftnl's words, sets with their members. `nft list
    /// table inet bulkhead` shows the same in nft's language.
    public func dump() throws(DatapathError) -> String {
        let reader = try reader()
        guard let table = try reader.read() else { return "no table \(TableName.table)\n" }
        var lines = ["table \(TableName.table)"]
        for (name, object) in table.objects.sorted(by: { $0.key < $1.key }) {
            lines.append("object \(name): \(object.counter.packets) packets, \(object.counter.bytes) bytes")
        }
        for name in table.sets.keys.sorted() {
            lines.append("set \(name)")
            guard let shape = tables.contents.sets[name]?.shape else { continue }
            if let members = try reader.members(of: shape) { lines += members.lines.map { "  \($0)" } }
        }
        for (name, chain) in table.chains.sorted(by: { $0.key < $1.key }) {
            lines.append("chain \(name)")
            lines += chain.rules.map { "  " + String(decoding: $0.filter { $0 >= 32 }, as: UTF8.self) }
        }
        return lines.joined(separator: "\n") + "\n"
    }
}
