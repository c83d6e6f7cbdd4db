// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import ConnectionTracking
import Datapath
import Netfilter
import NetworkTypes

/// Connections that policy took away. The programs deny their packets from the first moment on, in both directions,
/// as packets of the flow that began them; what is done here gives their ports free for flows of the other side's.
extension EBPFDatapath {
    /// Looks for connections that policy denies, after a step that may have denied some. The step is already in force:
    /// if the kernel does not list its connections, the step does not fail, and the next step looks again.
    mutating func revoke(_ policy: borrowing CompiledPolicy) {
        owesRevocation = true
        revoked.proxyMarks = current?.steeringMarks.mask ?? 0
        do throws(DatapathError) {
            try revoked.find(deniedBy: policy, netfilterSocket(), now: HoldClock.now)
            owesRevocation = false
        } catch {}
    }

    /// Removes the entries of connections that have been denied for long enough.
    mutating func removeRevoked() throws(DatapathError) {
        guard !revoked.isEmpty else { return }
        _ = try revoked.removeExpired(netfilterSocket(), now: HoldClock.now)
    }

    private mutating func netfilterSocket() throws(DatapathError) -> NetfilterSocket {
        if let netfilter { return netfilter }
        let opened = try NetfilterSocket()
        netfilter = opened
        return opened
    }
}

extension Generation {
    /// Whether a step, not carried out yet, may deny what is allowed now.
    func mayDeny(_ delta: CompiledDelta, _ policy: borrowing CompiledPolicy) -> Bool {
        if delta.changesOwnNode, policy.judgesOwnNode { return true }
        let owners = delta.addedEndpoints + delta.changedEndpoints
        if owners.contains(where: { policy.isJudged($0) }) { return true }
        var compared: Set<ClassChange> = []
        for change in delta.addresses.dropFirst(delta.invisibleAddressCount) {
            // One address of a prefix does not tell what the others had before.
            guard change.prefix.isHost else { return true }
            let before = AddressEntry(word: word(of: change.prefix.network))
            let after = change.entry ?? policy.addresses.entry(of: change.prefix.network)
            if after.endpoint != before.endpoint, policy.isJudged(after.endpoint) { return true }
            let classes = ClassChange(before: before.addressClass, after: after.addressClass)
            guard classes.before != classes.after, compared.insert(classes).inserted else { continue }
            // The row of a class that goes with this step is not there any more.
            guard policy.addressClasses[classes.before] != nil, !policy.deniesMore(classes) else { return true }
        }
        return false
    }
}

private struct ClassChange: Hashable {
    var before: AddressClassID
    var after: AddressClassID
}

extension CompiledPolicy {
    /// Whether a program judges the endpoint in either direction.
    fileprivate func isJudged(_ id: EndpointID) -> Bool {
        endpoints[id].map { $0.ingress != .none || $0.egress != .none } ?? false
    }

    /// Whether any program denies the members of one class, or hands over, what it allows those of the other.
    fileprivate func deniesMore(_ classes: ClassChange) -> Bool {
        programs.values.contains { program in
            let before = Int(program.rows[Int(classes.before.rawValue)]) * program.columnCount
            let after = Int(program.rows[Int(classes.after.rawValue)]) * program.columnCount
            guard before != after else { return false }
            return (0..<program.columnCount).contains {
                let (old, new) = (program.cells[before + $0].verdict, program.cells[after + $0].verdict)
                return old != new && new != .allow
            }
        }
    }
}
