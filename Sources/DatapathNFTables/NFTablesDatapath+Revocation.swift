// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import NetworkTypes

extension NFTablesDatapath {
    /// Stops the established flows of local endpoints that policy no longer allows, and no others. The rules that deny
    /// them are in force already.
    ///
    /// Why none is missed: a flow that the rules before let through is in the connection table, or its packet is on
    /// its way from our rules to the last hook, which enters it. Both happen in one run of the kernel's network code,
    /// which is waited for: afterwards every such flow is in the table, and what is entered later was judged by the rules
    /// in force. What the node itself sends need not be waited for, as it is never denied. Entries keep their place in the
    /// table while it is walked, except when it is made larger or smaller; then the walk is repeated. Only a packet that
    /// somebody's NFQUEUE holds all the time can come through later.
    ///
    /// Why none comes back: the replies are denied before the entries go. A packet that found its entry before that
    /// is not entered again; one that finds none is judged by the rules, or is one of those replies.
    mutating func revoke(_ policy: borrowing CompiledPolicy) throws(DatapathError) {
        owesRevocation = true
        let socket = try opened()
        PacketsUnderWay.waitForForwarded()
        let policy = copy policy
        var denied = try ConnectionTable.connections(socket) { flow in
            let isLocal =
                tables.endpoint(owning: flow.source) != nil || tables.endpoint(owning: flow.destination) != nil
            return isLocal && !policy.allows(flow)
        }
        if !denied.isEmpty, let own = NodeAddresses.current() {
            // What the node begins is always allowed; what goes to it, unless that is judged.
            denied.removeAll {
                own.contains($0.flow.source) || !policy.judgesOwnNode && own.contains($0.flow.destination)
            }
        }
        // The replies first: once the connection is forgotten, a reply would begin one of its own, the other way round.
        var step = Transaction()
        for family in AddressFamily.allCases {
            let replies = denied.filter { $0.flow.source.family == family && $0.flow.ipProtocol.hasPorts }
            guard !replies.isEmpty, let shape = tables.contents.sets[TableName.revoked(family)]?.shape else { continue }
            step.addedMembers.append(TableSet(shape, .elements(Set(replies.map(\.reply.element)))))
        }
        if !step.isEmpty { try commit(step) }
        for connection in denied { try ConnectionTable.remove(connection, socket) }
        owesRevocation = false
    }
}
