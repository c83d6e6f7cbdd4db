// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import PolicyCompiler
import PolicyModel

/// Flows whose verdict differs between two clusters.
public struct ReachChange: Sendable, Hashable {
    public var from: ReachParty
    public var to: ReachParty
    public var ports: PortSpan
    public var old: Verdict
    public var new: Verdict
    /// Both depend on the request, by different rules, and no request is known for which the answers differ.
    public var mayBeEqual: Bool
    /// One of the flows, as each cluster judges it.
    public var oldFlow: ReachFlow
    public var newFlow: ReachFlow
}

/// A pod with an address in only one of two clusters.
public struct UnmatchedPod: Sendable, Hashable, Comparable, CustomStringConvertible {
    public var name: EndpointName
    /// Nil: it has no address at all in the other cluster.
    public var family: AddressFamily?

    public init(_ name: EndpointName, _ family: AddressFamily? = nil) {
        self.name = name
        self.family = family
    }

    /// "shop/web", "shop/web (IPv6)".
    public var description: String {
        family.map { "\(name) (\($0 == .ipv4 ? "IPv4" : "IPv6"))" } ?? "\(name)"
    }

    public static func < (a: Self, b: Self) -> Bool { (a.name, a.order) < (b.name, b.order) }

    private var order: Int { family == nil ? 0 : family == .ipv4 ? 1 : 2 }
}

/// How two clusters differ, over all addresses, ports and protocols.
public struct ReachabilityDifference: Sendable, Hashable {
    /// One for each pair of parties, ports and verdicts; sorted.
    public var changes: [ReachChange]
    /// Pods with an address, or one of a family, in only one of the two. Those flows of theirs are not compared.
    public var onlyOld: [UnmatchedPod]
    public var onlyNew: [UnmatchedPod]
    /// How many pairs of addresses stood for all others: what the comparison cost.
    public var comparisons = 0

    /// The same verdict for every flow, and the same pods.
    public var isEqual: Bool { changes.isEmpty && onlyOld.isEmpty && onlyNew.isEmpty }

    /// Compares every flow of two clusters. Pods are the same if their names are: their addresses may differ.
    ///
    /// - Parameter limit: after this many changes, no more are collected.
    public init(
        _ old: inout ReachabilityMap, _ new: inout ReachabilityMap, limit: Int = .max
    ) throws(ReachabilityError) {
        let joint = JointUnits(old, new)
        onlyOld = joint.onlyOld.sorted()
        onlyNew = joint.onlyNew.sorted()
        var comparison = ReachComparison(limit: limit)
        outer: for from in joint.units {
            for to in joint.units where from.key.family == to.key.family {
                for (first, second) in JointUnit.meetings(from, to) {
                    let pairs = (
                        ReachabilityMap.Pair(from.old, to.old, first), ReachabilityMap.Pair(from.new, to.new, second)
                    )
                    comparisons += 1
                    let numbers = (try old.access(pairs.0), try new.access(pairs.1))
                    let key = ReachComparison.Key(old: numbers.0, new: numbers.1)
                    for part in comparison.parts(key, old, new, pairs) {
                        comparison.add(
                            from, to, part, (old.flow(first, part.old), new.flow(second, part.new)))
                    }
                    if comparison.isFull { break outer }
                }
            }
        }
        changes = comparison.sorted
    }
}

/// What is found while two maps are compared.
struct ReachComparison {
    struct Key: Hashable {
        var old: Int
        var new: Int
    }

    struct Part {
        var old: PortAccess
        var new: PortAccess
        var mayBeEqual = false
    }

    private struct ChangeKey: Hashable {
        var from: ReachParty
        var to: ReachParty
        var ports: PortSpan
        var old: Verdict
        var new: Verdict
    }

    let limit: Int
    private var known: [Key: [Part]] = [:]
    private var changes: [ChangeKey: ReachChange] = [:]

    init(limit: Int) { self.limit = limit }

    var isFull: Bool { changes.count >= limit }

    var sorted: [ReachChange] {
        changes.values.sorted {
            ($0.from, $0.to, $0.ports, $0.old.rawValue) < ($1.from, $1.to, $1.ports, $1.old.rawValue)
        }
    }

    /// The ports whose verdicts differ, with both answers.
    mutating func parts(
        _ key: Key, _ old: ReachabilityMap, _ new: ReachabilityMap,
        _ pairs: (ReachabilityMap.Pair, ReachabilityMap.Pair)
    ) -> [Part] {
        if let parts = known[key] { return parts }
        var parts: [Part] = []
        for (a, b) in Self.aligned(old.accesses[key.old], new.accesses[key.new]) {
            if a.verdict != b.verdict {
                parts.append(Part(old: a, new: b))
            } else if a.verdict == .dependsOnRequest {
                let rules = (old.requestRules(pairs.0, a.ports), new.requestRules(pairs.1, b.ports))
                switch RequestComparison.compare(rules.0, rules.1) {
                case .equal: break
                case .different: parts.append(Part(old: a, new: b))
                case .unknown: parts.append(Part(old: a, new: b, mayBeEqual: true))
                }
            }
        }
        known[key] = parts
        return parts
    }

    /// The answers of both, cut to the same ports.
    static func aligned(_ old: [PortAccess], _ new: [PortAccess]) -> [(PortAccess, PortAccess)] {
        var result: [(PortAccess, PortAccess)] = []
        var (first, second) = (0, 0)
        while first < old.count, second < new.count {
            var (a, b) = (old[first], new[second])
            if a.ports.end == min(a.ports.end, b.ports.end) { first += 1 }
            if b.ports.end == min(a.ports.end, b.ports.end) { second += 1 }
            guard let both = a.ports.intersection(b.ports) else { continue }
            a.ports = both
            b.ports = both
            result.append((a, b))
        }
        return result
    }

    mutating func add(_ from: JointUnit, _ to: JointUnit, _ part: Part, _ flows: (ReachFlow, ReachFlow)) {
        guard let source = from.key.party, let destination = to.key.party else { return }
        let key = ChangeKey(
            from: source, to: destination, ports: part.old.ports, old: part.old.verdict, new: part.new.verdict)
        if let change = changes[key], !change.mayBeEqual || part.mayBeEqual { return }
        changes[key] = ReachChange(
            from: source, to: destination, ports: part.old.ports, old: part.old.verdict, new: part.new.verdict,
            mayBeEqual: part.mayBeEqual, oldFlow: flows.0, newFlow: flows.1)
    }
}
