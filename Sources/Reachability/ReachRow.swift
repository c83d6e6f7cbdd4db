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
    /// Some prefixes outside are in no row, because all is denied there, and they are inside those of this row, or this
    /// row is of all other addresses.
    public var leavesOutDenied: Bool
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
        let sources = UnitIndex(try units(of: source, byParty: true))
        let destinations = UnitIndex(try units(of: destination, byParty: true))
        var table = RowTable(sources, destinations, PairAnswers(PortSpan.normalized(ports), withDenied: withDenied))
        for from in sources.parties.indices {
            for to in destinations.parties.indices { try table.add(from, to, &self) }
            table.endSource(from)
        }
        return table.rows
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
