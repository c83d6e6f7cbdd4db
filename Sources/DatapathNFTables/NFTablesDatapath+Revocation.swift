// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Datapath
import NetworkTypes

extension NFTablesDatapath {
    /// Stops the established flows of local endpoints that policy no longer allows, and no others.
    mutating func revoke(_ policy: borrowing CompiledPolicy) throws(DatapathError) {
        let socket = try opened()
        let policy = copy policy
        var denied = try ConnectionTable.connections(socket) { flow in
            let isLocal =
                tables.endpoint(owning: flow.source) != nil || tables.endpoint(owning: flow.destination) != nil
            return isLocal && !policy.allows(flow)
        }
        guard !denied.isEmpty else { return }
        // Traffic between a pod and its own node is not forwarded: policy does not stop it here.
        if let own = NodeAddresses.current() {
            denied.removeAll { own.contains($0.flow.source) || own.contains($0.flow.destination) }
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
    }
}
