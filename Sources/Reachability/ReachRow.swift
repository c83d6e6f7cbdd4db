// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import PolicyModel

/// Pods of a party that a row is about.
public struct ReachCount: Sendable, Hashable {
    /// Pods in the row.
    public var pods: Int
    /// Pods of the party with an address of these families.
    public var total: Int
}

/// What policy says from one party to another. Where pods of a workload differ, the workload has several rows.
public struct ReachRow: Sendable, Hashable {
    public var from: ReachParty
    public var to: ReachParty
    /// Nil for nodes and outside.
    public var fromPods: ReachCount?
    public var toPods: ReachCount?
    /// Sorted; the families for which this is the answer.
    public var families: [AddressFamily]
    /// One end is a pod, the other its own node.
    public var isOwnNode: Bool
    /// Of addresses outside, the prefixes at either end, sorted. The policies name these; `0.0.0.0/0` stands for all
    /// other addresses.
    public var prefixes: [CIDR]
    /// The answer for every port asked about, in order.
    public var access: [PortAccess]
    /// One of its flows.
    public var example: (source: IPAddress, destination: IPAddress) { (exampleSource, exampleDestination) }
    var exampleSource: IPAddress
    var exampleDestination: IPAddress

    /// Without what is denied.
    public var open: [PortAccess] { access.filter { $0.verdict != .deny } }
}

extension ReachabilityMap {
    /// Every source that can reach an end, and with which ports.
    ///
    /// - Parameters:
    ///   - ports: the ports asked about.
    ///   - withDenied: also sources that reach none of them.
    public mutating func reach(
        to end: ReachEnd, ports: [PortSpan] = PortSpan.all, withDenied: Bool = false
    ) throws(ReachabilityError) -> [ReachRow] {
        try reach(from: .anywhere, to: end, ports: ports, withDenied: withDenied)
    }

    /// Every destination that an end can reach, and with which ports.
    public mutating func reach(
        from end: ReachEnd, ports: [PortSpan] = PortSpan.all, withDenied: Bool = false
    ) throws(ReachabilityError) -> [ReachRow] {
        try reach(from: end, to: .anywhere, ports: ports, withDenied: withDenied)
    }

    /// What policy says between two ends, one row for each pair of parties and answer; sorted. Flows of a pod with
    /// itself, and flows without a pod at either end, are in no row.
    public mutating func reach(
        from source: ReachEnd, to destination: ReachEnd, ports: [PortSpan] = PortSpan.all, withDenied: Bool = false
    ) throws(ReachabilityError) -> [ReachRow] {
        let sources = try units(of: source, byParty: true)
        let destinations = try units(of: destination, byParty: true)
        let spans = PortSpan.normalized(ports)
        var table = RowTable()
        var known: [Int: Int?] = [:]
        for (a, from) in sources.enumerated() {
            for (b, to) in destinations.enumerated() where from.key.family == to.key.family {
                for meeting in ReachUnit.meetings(from, to) {
                    let number = try access(Pair(from, to, meeting))
                    let answer: Int?
                    if let old = known[number] {
                        answer = old
                    } else {
                        answer = table.number(of: accesses[number].limited(to: spans).merged, withDenied)
                        known[number] = answer
                    }
                    if let answer { table.add(a, from, b, to, meeting, answer) }
                }
            }
        }
        return table.rows(sources, destinations)
    }
}

/// Rows while they are collected.
private struct RowTable {
    struct Key: Hashable {
        var from: ReachParty?
        var to: ReachParty?
        var isOwnNode: Bool
        var answer: Int
    }

    struct Parts {
        var sources: Set<Int> = []
        var destinations: Set<Int> = []
        var example: (IPAddress, IPAddress)
    }

    private var answers: [[PortAccess]] = []
    private var numbers: [[PortAccess]: Int] = [:]
    private var parts: [Key: Parts] = [:]

    /// Nil for an answer that is not wanted.
    mutating func number(of access: [PortAccess], _ withDenied: Bool) -> Int? {
        guard withDenied || access.contains(where: { $0.verdict != .deny }) else { return nil }
        if let number = numbers[access] { return number }
        numbers[access] = answers.count
        answers.append(access)
        return answers.count - 1
    }

    mutating func add(
        _ a: Int, _ from: ReachUnit, _ b: Int, _ to: ReachUnit, _ meeting: ReachMeeting, _ answer: Int
    ) {
        let key = Key(
            from: from.key.party, to: to.key.party, isOwnNode: meeting.isToOwnNode || meeting.isFromOwnNode,
            answer: answer)
        var entry = parts[key] ?? Parts(example: (meeting.source.address, meeting.destination.address))
        entry.sources.insert(a)
        entry.destinations.insert(b)
        parts[key] = entry
    }

    func rows(_ sources: [ReachUnit], _ destinations: [ReachUnit]) -> [ReachRow] {
        let totals = (Self.unitsByParty(sources), Self.unitsByParty(destinations))
        func count(_ units: [ReachUnit], _ chosen: Set<Int>, _ party: ReachParty, _ all: [ReachParty: [Int]])
            -> ReachCount?
        {
            guard case .workload = party else { return nil }
            let families = Set(chosen.map { units[$0].key.family })
            let everyone = (all[party] ?? []).filter { families.contains(units[$0].key.family) }
            return ReachCount(
                pods: ReachUnit.podCount(units, chosen), total: ReachUnit.podCount(units, everyone))
        }
        var rows: [ReachRow] = []
        for (key, entry) in parts {
            guard let from = key.from, let to = key.to else { continue }
            var prefixes = entry.sources.flatMap { sources[$0].prefixes }
            prefixes += entry.destinations.flatMap { destinations[$0].prefixes }
            rows.append(
                ReachRow(
                    from: from, to: to, fromPods: count(sources, entry.sources, from, totals.0),
                    toPods: count(destinations, entry.destinations, to, totals.1),
                    families: Set(entry.sources.map { sources[$0].key.family }).sorted(), isOwnNode: key.isOwnNode,
                    prefixes: prefixes.sorted(), access: answers[key.answer], exampleSource: entry.example.0,
                    exampleDestination: entry.example.1))
        }
        return rows.sorted {
            ($0.from, $0.to, $0.isOwnNode ? 1 : 0, $0.exampleSource, $0.exampleDestination)
                < ($1.from, $1.to, $1.isOwnNode ? 1 : 0, $1.exampleSource, $1.exampleDestination)
        }
    }

    private static func unitsByParty(_ units: [ReachUnit]) -> [ReachParty: [Int]] {
        var result: [ReachParty: [Int]] = [:]
        for (index, unit) in units.enumerated() {
            if let party = unit.key.party { result[party, default: []].append(index) }
        }
        return result
    }
}

extension ReachabilityMap.Pair {
    init(_ from: ReachUnit, _ to: ReachUnit, _ meeting: ReachMeeting) {
        self.init(
            egress: from.key.egress, ingress: to.key.ingress, sourceClass: from.key.addressClass,
            destinationClass: to.key.addressClass, isToOwnNode: meeting.isToOwnNode,
            isFromOwnNode: meeting.isFromOwnNode)
    }
}
