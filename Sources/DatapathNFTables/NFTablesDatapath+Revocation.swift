// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import ConnectionTracking
import Datapath
import Netfilter

extension NFTablesDatapath {
    /// Stops the established flows of local endpoints that policy no longer allows, and no others. The rules that deny
    /// them are programmed already.
    ///
    /// Their entries stay for the time being, see ``RevokedConnections``: the rules drop their packets in both
    /// directions before they let through what is established.
    mutating func revoke(_ policy: borrowing CompiledPolicy) throws(DatapathError) {
        owesRevocation = true
        revoked.proxyMarks = tables.marks.mask
        try revoked.find(deniedBy: policy, opened(), now: HoldClock.now)
        try writeRevoked()
        owesRevocation = false
    }

    /// Makes the rules drop the packets of revoked connections, and of no others.
    mutating func writeRevoked() throws(DatapathError) {
        let step = tables.set(revoked: Set(revoked.keys))
        if !step.isEmpty { try commit(step) }
    }
}
