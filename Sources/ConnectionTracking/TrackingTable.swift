// SPDX-License-Identifier: Apache-2.0
import Glibc
import KernelErrors
import Netfilter

/// The table `inet bulkhead-tracking` in the network namespace of the calling thread: one chain that no packet enters,
/// with one rule on the state of connections.
///
/// While the rule exists, the kernel tracks connections in this network namespace and reassembles fragments.
package enum TrackingTable {
    package static let identity = TableIdentity(.inet, "\(TableIdentity.prefix)-tracking")

    /// Its name in errors and reports.
    package static let name = "nftables table \(identity)"

    private static let chain = "tracking"
    /// `ct state invalid`, without a verdict: the presence of the expression is enough.
    private static let rule = TableRule([.connectionState(.invalid)])

    package static var contents: TableContents {
        var contents = TableContents(identity)
        contents.chains[chain] = TableChain(chain, rules: [rule])
        return contents
    }

    /// Creates the table. A table of that name is replaced in the same transaction, so tracking is never off in
    /// between.
    package static func create() throws(KernelError) {
        try attempt("creating") { socket throws(KernelError) in
            _ = try socket.commit(Transaction(replacing: contents), to: identity)
        }
    }

    /// Removes the table, if there is one.
    package static func remove() throws(KernelError) {
        try attempt("deleting") { socket throws(KernelError) in try identity.remove(socket) }
    }

    package static func exists() throws(KernelError) -> Bool {
        try attempt("looking for") { socket throws(KernelError) in try TableReader(identity, socket).exists() }
    }

    /// Whether the table exists with its rule.
    package static func isWhole() throws(KernelError) -> Bool {
        try attempt("reading") { socket throws(KernelError) in
            let wanted = rule.fingerprint(in: chain, of: identity)
            do throws(KernelError) {
                return try TableReader(identity, socket).rules().contains { $0.0 == chain && $0.1 == wanted }
            } catch .system(_, ENOENT, _) {
                return false
            }
        }
    }

    /// Adds to an error what was done to the table.
    private static func attempt<Value>(
        _ verb: String, _ body: (NetfilterSocket) throws(KernelError) -> Value
    ) throws(KernelError) -> Value {
        do throws(KernelError) {
            return try body(NetfilterSocket())
        } catch .system(_, let code, let detail) {
            throw .system(operation: "\(verb) the \(name)", code: code, detail: detail)
        }
    }
}
