// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import GracePeriod
import KernelErrors
import Netfilter
import NetworkTypes

/// Tracked connections of local endpoints that policy denies now and allowed when they began.
///
/// The datapath denies their packets in both directions. Their entries differ:
///
/// - TCP: the entry stays as long as policy denies the connection. The kernel takes a segment without an entry for the
///   first of a connection, so the other end's next segment would begin the same connection in the opposite direction.
///   When policy allows the connection again, it continues with its entry.
/// - All others: the entry is deleted after ``holdNanoseconds``, so that the next packet between the same ports
///   begins a flow in its own direction. Answers to packets that had passed before have arrived by then; earlier, one
///   of them would begin that flow.
package struct RevokedConnections: Sendable {
    private struct Entry {
        var connection: Connection
        /// When it was found to be denied; nanoseconds.
        var since: UInt64
    }

    private var entries: [Connection.Key: Entry] = [:]

    package static let holdNanoseconds: UInt64 = 300_000_000

    /// Bits of `ct mark` that a connection with the node's proxy has: what only the proxy may decide about is not denied
    /// to it.
    package var proxyMarks: UInt32 = 0

    package init() {}

    package var isEmpty: Bool { entries.isEmpty }
    package var keys: some Sequence<Connection.Key> { entries.keys }

    /// Walks the connection table. The rules that deny are already in force.
    ///
    /// Why it misses none: a flow that the previous rules allowed is in the connection table, or its packet is on its
    /// way from the datapath's rules to the last hook, which enters it. Both happen in one run of the kernel's network
    /// code, and the walk waits for the end of such runs: then every such flow is in the table, and later entries were
    /// judged by the rules in force. The walk does not wait for the node's own packets, because they are never denied.
    /// Entries keep their place in the table while it is walked, unless it is resized; the walk is then repeated. Only
    /// a packet that an NFQUEUE reader has held all this time can pass later.
    package mutating func find(
        deniedBy policy: borrowing CompiledPolicy, _ socket: NetfilterSocket, now: UInt64
    ) throws(KernelError) {
        PacketsUnderWay.waitForForwarded()
        let policy = copy policy
        func isLocal(_ address: IPAddress) -> Bool { (policy.addresses.hosts[address]?.endpoint ?? .none) != .none }
        var denied = try ConnectionTable.connections(socket) { flow in
            (isLocal(flow.source) || isLocal(flow.destination)) && !policy.allows(flow)
        }
        let marks = proxyMarks
        denied.removeAll { $0.mark & marks != 0 && policy.allows($0.flow, isSteered: true) }
        if !denied.isEmpty, let own = NodeAddresses.current() {
            // Flows that the node begins are always allowed; flows to the node are, unless these are judged.
            denied.removeAll {
                own.contains($0.flow.source) || !policy.judgesOwnNode && own.contains($0.flow.destination)
            }
        }
        let before = entries
        entries = [:]
        for connection in denied {
            let since = before[connection.key]?.since ?? now
            entries[connection.key] = Entry(connection: connection, since: since)
        }
    }

    /// Forgets flows that policy allows again.
    ///
    /// - Returns: whether there were any.
    package mutating func forgetAllowed(by policy: borrowing CompiledPolicy) -> Bool {
        guard !entries.isEmpty else { return false }
        let policy = copy policy
        let count = entries.count
        let marks = proxyMarks
        entries = entries.filter { _, entry in
            !policy.allows(entry.connection.flow, isSteered: entry.connection.mark & marks != 0)
        }
        return entries.count != count
    }

    /// Removes the entries whose holding time is over.
    ///
    /// - Returns: whether there were any.
    package mutating func removeExpired(_ socket: NetfilterSocket, now: UInt64) throws(KernelError) -> Bool {
        let due = entries.filter {
            $0.value.connection.flow.ipProtocol != .tcp && now >= $0.value.since + Self.holdNanoseconds
        }
        for (key, entry) in due {
            try ConnectionTable.remove(entry.connection, socket)
            entries[key] = nil
        }
        return !due.isEmpty
    }
}
