// SPDX-License-Identifier: Apache-2.0
import PolicyModel

/// The answers that are wanted, each once, by pairs of what policy sees.
struct PairAnswers {
    /// In place of a number: nothing that is asked about is open.
    static let unwanted: Int32 = -1

    /// By number.
    private(set) var lists: [[PortAccess]] = []
    private let spans: [PortSpan]
    private let withDenied: Bool
    private var numbers: [[PortAccess]: Int32] = [:]
    private var ofAccess: [Int: Int32] = [:]
    private var open: OpenPorts

    /// - Parameters:
    ///   - spans: the ports asked about, normalized.
    ///   - withDenied: also answers that leave nothing open.
    init(_ spans: [PortSpan], withDenied: Bool) {
        self.spans = spans
        self.withDenied = withDenied
        open = OpenPorts(spans)
    }

    /// The number of the answer for a pair, or ``unwanted``.
    mutating func number(
        of pair: ReachabilityMap.Pair, _ map: inout ReachabilityMap
    ) throws(ReachabilityError) -> Int32 {
        // Most pairs of a cluster with policies have nothing open: that is seen without the joint answer.
        if !withDenied, try !open.isAnyOpen(pair, &map) { return Self.unwanted }
        let access = try map.access(pair)
        if let known = ofAccess[access] { return known }
        let number = self.number(of: map.accesses[access].limited(to: spans).merged)
        ofAccess[access] = number
        return number
    }

    private mutating func number(of list: [PortAccess]) -> Int32 {
        guard withDenied || list.contains(where: { $0.verdict != .deny }) else { return Self.unwanted }
        if let number = numbers[list] { return number }
        let number = Int32(lists.count)
        numbers[list] = number
        lists.append(list)
        return number
    }
}

/// The ports that each side of a flow leaves open, as numbers: of thousands of programs and rows, few differ in that.
private struct OpenPorts {
    private struct Key: Hashable {
        var program: UInt32
        /// A class of addresses, or a row.
        var index: UInt32
        var isOwnNode = false
    }

    private struct Both: Hashable {
        var egress: Int32
        var ingress: Int32
    }

    private let spans: [PortSpan]
    private var lists: [[PortSpan]] = []
    private var numbers: [[PortSpan]: Int32] = [:]
    private var ofClass: [Key: Int32] = [:]
    private var ofRow: [Key: Int32] = [:]
    private var meet: [Both: Bool] = [:]

    init(_ spans: [PortSpan]) { self.spans = spans }

    /// Whether both sides leave one of the ports open.
    mutating func isAnyOpen(
        _ pair: ReachabilityMap.Pair, _ map: inout ReachabilityMap
    ) throws(ReachabilityError) -> Bool {
        let both = Both(
            egress: try number(
                pair.egress, .init(addressClass: pair.destinationClass, isOwnNode: pair.isToOwnNode), .egress, &map),
            ingress: try number(
                pair.ingress, .init(addressClass: pair.sourceClass, isOwnNode: pair.isFromOwnNode), .ingress, &map))
        if let known = meet[both] { return known }
        let result = Self.meet(lists[Int(both.egress)], lists[Int(both.ingress)])
        meet[both] = result
        return result
    }

    private mutating func number(
        _ program: UInt32, _ rowKey: ReachabilityMap.RowKey, _ direction: Direction, _ map: inout ReachabilityMap
    ) throws(ReachabilityError) -> Int32 {
        // Without a program of its own, every class has the same answer, in both directions.
        let isShared = program == ReachabilityMap.unselected || program == ReachabilityMap.notJudged
        let key = Key(
            program: program, index: isShared ? 0 : rowKey.addressClass, isOwnNode: !isShared && rowKey.isOwnNode)
        if let number = ofClass[key] { return number }
        let row = try map.row(program, rowKey)
        let ofRowKey = Key(program: program, index: row)
        let number = ofRow[ofRowKey] ?? self.number(map.side(program, Int(row), map.sets(rowKey), direction))
        ofRow[ofRowKey] = number
        ofClass[key] = number
        return number
    }

    private mutating func number(_ side: [ReachabilityMap.Side]) -> Int32 {
        var list: [PortSpan] = []
        for part in side where part.answer?.verdict != .deny {
            for span in spans { if let both = part.ports.intersection(span) { list.append(both) } }
        }
        list = PortSpan.normalized(list)
        if let number = numbers[list] { return number }
        let number = Int32(lists.count)
        numbers[list] = number
        lists.append(list)
        return number
    }

    /// Whether two lists in order have a port in common.
    private static func meet(_ a: [PortSpan], _ b: [PortSpan]) -> Bool {
        var (first, second) = (0, 0)
        while first < a.count, second < b.count {
            if a[first].intersection(b[second]) != nil { return true }
            if a[first].end < b[second].end { first += 1 } else { second += 1 }
        }
        return false
    }
}
