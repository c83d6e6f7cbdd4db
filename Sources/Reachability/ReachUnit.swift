// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import PolicyModel

/// Addresses that policies cannot tell apart, of one family and one party.
struct ReachUnit: Sendable {
    struct Key: Hashable, Sendable {
        var family: AddressFamily
        var addressClass: UInt32
        var ingress: UInt32
        var egress: UInt32
        /// Nil where units are not divided by party.
        var party: ReachParty?
        var kind: Kind
        /// Apart from all others, where a pod's address is also a node's; -1 for others.
        var single: Int32 = -1
    }

    enum Kind: UInt8, Sendable, Hashable {
        case pods
        /// Nodes, and pods with their node's network.
        case hosts
        case outside
    }

    struct Member: Sendable {
        /// An index of the map's pods; -1: none.
        var pod: Int32 = -1
        var address: IPAddress
        /// The pod's node.
        var node = ReachabilityMap.noNode
        /// The nodes that have the address as theirs.
        var hosts: [UInt32] = []
    }

    var key: Key
    /// Not empty. One example for addresses outside.
    var members: [Member] = []
    /// Of addresses outside: the prefixes, without those inside them that are in other units.
    var prefixes: [CIDR] = []

    /// Whether an address is a node's.
    var hasHosts: Bool { key.kind == .hosts || key.single >= 0 }
}

/// Two members of two units that meet, and whether one is the other's own node.
struct ReachMeeting: Sendable {
    var source: ReachUnit.Member
    var destination: ReachUnit.Member
    var isToOwnNode = false
    var isFromOwnNode = false
}

extension ReachUnit {
    /// The ways in which members of two units meet: at most one example for each of the combinations of own nodes. None
    /// if only a pod and itself would meet, or if no pod is at either end.
    static func meetings(_ source: ReachUnit, _ destination: ReachUnit) -> [ReachMeeting] {
        guard source.key.kind == .pods || destination.key.kind == .pods else { return [] }
        if !source.hasHosts, !destination.hasHosts { return firstMeeting(source, destination).map { [$0] } ?? [] }
        var found: [ReachMeeting] = []
        var nodes: Set<[UInt32]> = []
        for a in source.members {
            // Pods of one node, and addresses of one node, meet others in the same way.
            guard !nodes.contains([a.node] + a.hosts) else { continue }
            var others: Set<[UInt32]> = []
            for b in destination.members where a.pod < 0 || a.pod != b.pod {
                guard others.insert([b.node] + b.hosts).inserted else { continue }
                let meeting = ReachMeeting(
                    source: a, destination: b,
                    isToOwnNode: source.key.egress != ReachabilityMap.notJudged && b.hosts.contains(a.node),
                    isFromOwnNode: destination.key.ingress != ReachabilityMap.notJudged && a.hosts.contains(b.node))
                let isKnown = found.contains {
                    $0.isToOwnNode == meeting.isToOwnNode && $0.isFromOwnNode == meeting.isFromOwnNode
                }
                if !isKnown { found.append(meeting) }
            }
            if !others.isEmpty { nodes.insert([a.node] + a.hosts) }
            // No more combinations are possible where only one side has nodes' addresses.
            if found.count == (source.hasHosts && destination.hasHosts ? 4 : 2) { break }
        }
        return found
    }

    static func firstMeeting(_ source: ReachUnit, _ destination: ReachUnit) -> ReachMeeting? {
        for a in source.members {
            for b in destination.members where a.pod < 0 || a.pod != b.pod {
                return ReachMeeting(source: a, destination: b)
            }
        }
        return nil
    }

    /// As ``meetings(_:_:)``, without a look at every pair of members where only one side has nodes' addresses.
    static func meetings(
        _ source: ReachUnit, _ destination: ReachUnit, _ nodes: (source: NodeMembers?, destination: NodeMembers?)
    ) -> [ReachMeeting] {
        if let hosts = nodes.destination, source.isOfJudgedPods(source.key.egress) {
            return meetings(source, destination, hosts)
        }
        if let hosts = nodes.source, destination.isOfJudgedPods(destination.key.ingress) {
            return meetings(hosts, source, destination)
        }
        return meetings(source, destination)
    }

    private func isOfJudgedPods(_ program: UInt32) -> Bool {
        key.kind == .pods && !hasHosts && program != ReachabilityMap.notJudged
    }

    /// Of pods with nodes: the first pair of a pod with its own node and of one with another, in order.
    private static func meetings(
        _ source: ReachUnit, _ destination: ReachUnit, _ hosts: NodeMembers
    ) -> [ReachMeeting] {
        var found: [(place: (Int, Int), meeting: ReachMeeting)] = []
        for isOwn in [false, true] {
            for (index, a) in source.members.enumerated() {
                guard let other = isOwn ? hosts.first(of: a.node) : hosts.first(notOf: a.node) else { continue }
                let meeting = ReachMeeting(source: a, destination: destination.members[other], isToOwnNode: isOwn)
                found.append(((index, other), meeting))
                break
            }
        }
        return found.sorted { $0.place < $1.place }.map(\.meeting)
    }

    /// Of nodes with pods.
    private static func meetings(
        _ hosts: NodeMembers, _ source: ReachUnit, _ destination: ReachUnit
    ) -> [ReachMeeting] {
        var found: [(place: (Int, Int), meeting: ReachMeeting)] = []
        for isOwn in [false, true] {
            let places = destination.members.enumerated().compactMap { index, b in
                (isOwn ? hosts.first(of: b.node) : hosts.first(notOf: b.node)).map { ($0, index) }
            }
            guard let place = places.min(by: <) else { continue }
            let meeting = ReachMeeting(
                source: source.members[place.0], destination: destination.members[place.1], isFromOwnNode: isOwn)
            found.append((place, meeting))
        }
        return found.sorted { $0.place < $1.place }.map(\.meeting)
    }

    /// How many pods it has.
    static func podCount(_ units: [ReachUnit], _ indices: some Sequence<Int>) -> Int {
        var pods: Set<Int32> = []
        for index in indices { for member in units[index].members where member.pod >= 0 { pods.insert(member.pod) } }
        return pods.count
    }
}
