// SPDX-License-Identifier: Apache-2.0
import Logging
import NIOCore
import Synchronization

/// The connections of one listener, kept within ``ListenerLimits``.
///
/// Beyond a limit, a new connection replaces one that waits: for a request, for the rest of one, or for its client to
/// read. Of those, the peer with the most connections loses its oldest. So clients that only hold connections cannot
/// keep out those that send requests.
final class ConnectionGate: Sendable {
    private enum Phase {
        /// No request is under way.
        case waiting(isFirst: Bool)
        case receiving
        case answering
    }

    private struct Entry {
        var channel: any Channel
        var peer: String
        var phase = Phase.waiting(isFirst: true)
        /// When the phase began.
        var since: NIODeadline
        /// Since when its client leaves an answer unread.
        var stalledSince: NIODeadline?

        var waitsSince: NIODeadline? {
            if let stalledSince { return stalledSince }
            if case .answering = phase { return nil }
            return since
        }
    }

    private struct State {
        var entries: [ObjectIdentifier: Entry] = [:]
        /// Connections closed since the last log line.
        var closed = 0
        var toldAt: NIODeadline?
    }

    let limits: ListenerLimits
    let listener: String
    let logger: Logger
    private let state = Mutex(State())
    private static let tellInterval = TimeAmount.seconds(60)

    /// - Parameter listener: its name in the log.
    init(_ limits: ListenerLimits, listener: String, logger: Logger) {
        self.limits = limits
        self.listener = listener
        self.logger = logger
    }

    var openConnections: Int { state.withLock { $0.entries.count } }

    // MARK: Coming and going

    /// Admits a new connection, and closes another one if there is no room.
    ///
    /// - Returns: whether it may stay.
    func open(_ channel: any Channel, at now: NIODeadline = .now()) -> Bool {
        let peer = channel.remoteAddress?.ipAddress ?? ""
        let (isAdmitted, victim) = state.withLock { state -> (Bool, (any Channel)?) in
            let ofPeer = state.entries.values.count { $0.peer == peer }
            var victim: (key: ObjectIdentifier, channel: any Channel)?
            if ofPeer >= limits.connectionsPerPeer {
                victim = Self.victim(among: state.entries.filter { $0.value.peer == peer })
                guard victim != nil else { return (false, nil) }
            } else if state.entries.count >= limits.connections {
                victim = Self.victim(among: state.entries)
                guard victim != nil else { return (false, nil) }
            }
            if let victim { state.entries[victim.key] = nil }
            state.entries[ObjectIdentifier(channel)] = Entry(channel: channel, peer: peer, since: now)
            return (true, victim?.channel)
        }
        victim?.close(promise: nil)
        if victim != nil || !isAdmitted { tellOfClosing(peer, at: now) }
        return isAdmitted
    }

    func closed(_ channel: any Channel) { state.withLock { $0.entries[ObjectIdentifier(channel)] = nil } }

    private static func victim(
        among entries: [ObjectIdentifier: Entry]
    ) -> (key: ObjectIdentifier, channel: any Channel)? {
        var counts: [String: Int] = [:]
        for entry in entries.values { counts[entry.peer, default: 0] += 1 }
        let waiting = entries.compactMap { key, entry in
            entry.waitsSince.map { (key: key, entry: entry, since: $0, ofPeer: counts[entry.peer] ?? 0) }
        }
        let worst = waiting.min { a, b in a.ofPeer != b.ofPeer ? a.ofPeer > b.ofPeer : a.since < b.since }
        return worst.map { ($0.key, $0.entry.channel) }
    }

    /// A flood of connections must not become one of log lines.
    private func tellOfClosing(_ peer: String, at now: NIODeadline) {
        let closed = state.withLock { state -> Int? in
            state.closed += 1
            guard state.toldAt.map({ now - $0 >= Self.tellInterval }) ?? true else { return nil }
            state.toldAt = now
            defer { state.closed = 0 }
            return state.closed
        }
        guard let closed else { return }
        logger.warning(
            "too many connections; some were closed",
            metadata: [
                "listener": "\(listener)", "closed": "\(closed)", "last": "\(peer.isEmpty ? "local" : peer)",
                "limit": "\(limits.connections)", "limitPerPeer": "\(limits.connectionsPerPeer)",
            ])
    }

    // MARK: Phases of a connection

    /// The head of a request has arrived.
    func began(_ channel: any Channel) { enter(.receiving, channel) }

    /// The whole request has arrived.
    func received(_ channel: any Channel) { enter(.answering, channel) }

    /// The answer is on its way.
    func answered(_ channel: any Channel) { enter(.waiting(isFirst: false), channel) }

    private func enter(_ phase: Phase, _ channel: any Channel) {
        state.withLock {
            $0.entries[ObjectIdentifier(channel)]?.phase = phase
            $0.entries[ObjectIdentifier(channel)]?.since = .now()
        }
    }

    /// The client stops reading, or reads again.
    func noteStall(_ isStalled: Bool, of channel: any Channel) {
        state.withLock { $0.entries[ObjectIdentifier(channel)]?.stalledSince = isStalled ? .now() : nil }
    }

    /// When to close the connection if nothing happens on it; nil while its answer is prepared.
    func deadline(of channel: any Channel) -> NIODeadline? {
        guard let entry = state.withLock({ $0.entries[ObjectIdentifier(channel)] }) else { return nil }
        if let stalledSince = entry.stalledSince { return stalledSince + limits.stallTime }
        return switch entry.phase {
        case .waiting(let isFirst): entry.since + (isFirst ? limits.headTime : limits.idleTime)
        case .receiving: entry.since + limits.bodyTime
        case .answering: nil
        }
    }
}
