// SPDX-License-Identifier: Apache-2.0

/// When to query what the kernel never reports: addresses and hardware addresses at the other ends of veth pairs, what
/// bridges have learned, and the ports on which the kernel decapsulates.
///
/// A pod can change these as often as it likes without causing work, because the queries follow the clock. A new pair
/// is queried at once and often, because a pod's address comes after its interface; a pair without known addresses,
/// once a second; all others, now and then.
/// each second; where all is known, now and then.
struct InquirySchedule {
    /// For each link, when it was first seen in its present form.
    private var known: [UInt32: (link: Link, since: ContinuousClock.Instant)] = [:]
    private var hasNew = false
    private var nextNew = ContinuousClock.Instant.now
    private var nextSilent = ContinuousClock.Instant.now
    private var nextAll = ContinuousClock.Instant.now

    /// How long a link is new.
    static let new: Duration = .seconds(15)
    static let newInterval: Duration = .milliseconds(250)
    static let silentInterval: Duration = .seconds(1)
    static let interval: Duration = .seconds(2)

    /// What must be queried now; the result counts as queried.
    mutating func due(
        _ state: NetworkState, at now: ContinuousClock.Instant
    ) -> (links: Set<UInt32>, bridges: Bool, ports: Bool) {
        let links = state.linksByNamespace.values.joined()
        var due = note(links, now)
        hasNew = false
        let isNewDue = now >= nextNew
        let isSilentDue = now >= nextSilent
        let isAllDue = now >= nextAll
        for link in links {
            let isNew = known[link.index].map { now - $0.since < Self.new } ?? true
            let isSilent = state.peers[link.index]?.addresses.isEmpty ?? true
            hasNew = hasNew || isNew
            if isAllDue || isNew && isNewDue || isSilent && isSilentDue { due.insert(link.index) }
        }
        if isNewDue { nextNew = now + Self.newInterval }
        if isSilentDue { nextSilent = now + Self.silentInterval }
        if isAllDue { nextAll = now + Self.interval }
        return (
            due, bridges: isSilentDue && (!state.silentPorts.isEmpty || state.bridges != BridgeState()),
            ports: isSilentDue
        )
    }

    /// Returns the links that are new or have a different other end.
    private mutating func note(
        _ links: some Sequence<Link>, _ now: ContinuousClock.Instant
    ) -> Set<UInt32> {
        var news: Set<UInt32> = []
        var current: [UInt32: (link: Link, since: ContinuousClock.Instant)] = [:]
        for link in links {
            if let old = known[link.index], old.link.isSamePair(as: link) {
                current[link.index] = old
            } else {
                current[link.index] = (link, now)
                news.insert(link.index)
            }
        }
        known = current
        return news
    }

    /// Milliseconds until something is due.
    func pause(at now: ContinuousClock.Instant) -> Int32 {
        let next = hasNew ? min(nextNew, nextSilent) : nextSilent
        // Rounded up: a little too early would query again at once.
        return Int32(max(0, (next - now) / .milliseconds(1)).rounded(.up))
    }
}

extension Link {
    /// Whether both links have the same other end.
    func isSamePair(as other: Link) -> Bool {
        index == other.index && name == other.name && master == other.master
            && peerNamespace == other.peerNamespace && peerIndex == other.peerIndex
    }
}
