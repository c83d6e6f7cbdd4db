// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import PolicyModel

/// Rows while they are collected, in order: party by party on both sides.
struct RowTable {
    private struct Part {
        var answer: Int32
        var isOwnNode: Bool
        var sources: [Int]
        var destinations: [Int]
        var example: (IPAddress, IPAddress)
    }

    private static let unknown = Int32.min
    private static let families: [[AddressFamily]] = [[], [.ipv4], [.ipv6], [.ipv4, .ipv6]]

    private var collected: [ReachRow] = []
    /// By party, units outside that are closed to it as destinations, and as sources.
    private var deniedOutside: (sources: [ReachParty: Set<Int>], destinations: [ReachParty: Set<Int>]) = ([:], [:])
    private var sources: UnitIndex
    private var destinations: UnitIndex
    private var answers: PairAnswers
    /// By class of the source, then by class of the destination. Empty: not begun.
    private var lines: [[Int32]]
    /// Of the pair of parties that is being added.
    private var parts: [Part] = []

    init(_ sources: UnitIndex, _ destinations: UnitIndex, _ answers: PairAnswers) {
        self.sources = sources
        self.destinations = destinations
        self.answers = answers
        lines = [[Int32]](repeating: [], count: sources.classes.count)
    }

    /// The rows of all parties that were added.
    var rows: [ReachRow] {
        guard !deniedOutside.sources.isEmpty || !deniedOutside.destinations.isEmpty else { return collected }
        var rows = collected
        for index in rows.indices where !rows[index].prefixes.isEmpty {
            // Who reads of the prefixes around these, or of all other addresses, would take these for open.
            rows[index].leavesOutDenied =
                rows[index].to == .outside
                ? Self.hides(deniedOutside.sources[rows[index].from], destinations, rows[index].prefixes)
                : Self.hides(deniedOutside.destinations[rows[index].to], sources, rows[index].prefixes)
        }
        return rows
    }

    /// Whether units that are closed are among all other addresses, or inside a prefix that is open.
    private static func hides(_ denied: Set<Int>?, _ index: UnitIndex, _ open: [CIDR]) -> Bool {
        guard let denied, !open.contains(where: { $0.prefixLength == 0 }) else { return denied != nil }
        return denied.contains { unit in
            index.units[unit].prefixes.contains { prefix in open.contains { $0 != prefix && $0.contains(prefix) } }
        }
    }

    /// Adds the rows from one party to another.
    mutating func add(_ from: Int, _ to: Int, _ map: inout ReachabilityMap) throws(ReachabilityError) {
        parts.removeAll(keepingCapacity: true)
        for a in sources.parties[from].units {
            for b in destinations.parties[to].units {
                guard sources.traits[a].family == destinations.traits[b].family else { continue }
                if sources.traits[a].isSimple, destinations.traits[b].isSimple {
                    try addSimple(a, b, &map)
                } else {
                    try addMeetings(a, b, &map)
                }
            }
        }
        if !parts.isEmpty { appendRows(from, to) }
    }

    /// Drops what no later source asks for again.
    mutating func endSource(_ from: Int) {
        for unit in sources.parties[from].units {
            let number = Int(sources.traits[unit].number)
            if sources.classes[number].count == 1 { lines[number] = [] }
        }
    }

    /// Units without addresses of nodes: all pairs of members have one answer, the same as for other parties.
    private mutating func addSimple(_ a: Int, _ b: Int, _ map: inout ReachabilityMap) throws(ReachabilityError) {
        let (source, destination) = (sources.traits[a], destinations.traits[b])
        guard source.isOfPods || destination.isOfPods else { return }
        let (line, column) = (Int(source.number), Int(destination.number))
        if lines[line].isEmpty {
            lines[line] = [Int32](repeating: Self.unknown, count: destinations.classes.count)
        }
        if lines[line][column] == Self.unknown {
            let pair = ReachabilityMap.Pair(sources.units[a].key, destinations.units[b].key)
            lines[line][column] = try answers.number(of: pair, &map)
        }
        let answer = lines[line][column]
        guard answer != PairAnswers.unwanted else {
            if !source.isOfPods || !destination.isOfPods { leaveOut(a, b) }
            return
        }
        // Nothing but a pod and itself would meet.
        if source.onlyPod >= 0, source.onlyPod == destination.onlyPod { return }
        if note(a, b, answer, isOwnNode: false) { return }
        guard let meeting = ReachUnit.firstMeeting(sources.units[a], destinations.units[b]) else { return }
        append(a, b, answer, meeting)
    }

    private mutating func addMeetings(_ a: Int, _ b: Int, _ map: inout ReachabilityMap) throws(ReachabilityError) {
        let (source, destination) = (sources.units[a], destinations.units[b])
        let nodes = (source: sources.nodes[a], destination: destinations.nodes[b])
        for meeting in ReachUnit.meetings(source, destination, nodes) {
            let answer = try answers.number(of: ReachabilityMap.Pair(source, destination, meeting), &map)
            guard answer != PairAnswers.unwanted else {
                leaveOut(a, b)
                continue
            }
            if note(a, b, answer, isOwnNode: meeting.isWithOwnNode) { continue }
            append(a, b, answer, meeting)
        }
    }

    /// For units between which everything is denied.
    private mutating func leaveOut(_ a: Int, _ b: Int) {
        let (from, to) = (sources.units[a].key, destinations.units[b].key)
        if to.kind == .outside, let party = from.party { deniedOutside.sources[party, default: []].insert(b) }
        if from.kind == .outside, let party = to.party { deniedOutside.destinations[party, default: []].insert(a) }
    }

    /// Whether the pair belongs to a row that has begun.
    private mutating func note(_ a: Int, _ b: Int, _ answer: Int32, isOwnNode: Bool) -> Bool {
        guard let index = parts.firstIndex(where: { $0.answer == answer && $0.isOwnNode == isOwnNode }) else {
            return false
        }
        if parts[index].sources.last != a { parts[index].sources.append(a) }
        if parts[index].destinations.last != b { parts[index].destinations.append(b) }
        return true
    }

    private mutating func append(_ a: Int, _ b: Int, _ answer: Int32, _ meeting: ReachMeeting) {
        parts.append(
            Part(
                answer: answer, isOwnNode: meeting.isWithOwnNode, sources: [a], destinations: [b],
                example: (meeting.source.address, meeting.destination.address)))
    }

    private mutating func appendRows(_ from: Int, _ to: Int) {
        if parts.count > 1 {
            parts.sort {
                ($0.isOwnNode ? 1 : 0, $0.example.0, $0.example.1) < ($1.isOwnNode ? 1 : 0, $1.example.0, $1.example.1)
            }
        }
        for part in parts {
            // A destination is noted once for each source.
            let destinations =
                part.sources.count == 1 ? part.destinations : Set(part.destinations).sorted()
            var prefixes: [CIDR] = []
            for unit in part.sources { prefixes += sources.units[unit].prefixes }
            for unit in destinations { prefixes += self.destinations.units[unit].prefixes }
            if prefixes.count > 1 { prefixes.sort() }
            collected.append(
                ReachRow(
                    from: sources.parties[from].party, to: self.destinations.parties[to].party,
                    fromPods: sources.count(from, part.sources), toPods: self.destinations.count(to, destinations),
                    families: Self.families[sources.families(part.sources)], isOwnNode: part.isOwnNode,
                    prefixes: prefixes, access: answers.lists[Int(part.answer)], leavesOutDenied: false,
                    exampleSource: part.example.0, exampleDestination: part.example.1))
        }
    }
}

extension ReachMeeting {
    fileprivate var isWithOwnNode: Bool { isToOwnNode || isFromOwnNode }
}

extension ReachabilityMap.Pair {
    /// Of units that cannot be of the other's own node.
    fileprivate init(_ from: ReachUnit.Key, _ to: ReachUnit.Key) {
        self.init(
            egress: from.egress, ingress: to.ingress, sourceClass: from.addressClass,
            destinationClass: to.addressClass)
    }
}
