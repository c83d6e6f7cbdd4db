// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import PolicyModel

/// The units of an end by party, and by class: units of one class differ only by party, so that one of them answers
/// for all.
struct UnitIndex {
    /// What is asked of a unit for every pair, in a few bytes.
    struct Traits {
        var family: AddressFamily
        /// Its class.
        var number: Int32
        var isOfPods: Bool
        /// No member has a node's address.
        var isSimple: Bool
        /// The pod that all members are of; -1: there is no such pod.
        var onlyPod: Int32
    }

    struct Party {
        var party: ReachParty
        var units: [Int] = []
        /// By the numbers of families.
        fileprivate var podCounts = [-1, -1, -1, -1]
    }

    struct Class {
        /// How many units are of it.
        var count: Int
    }

    let units: [ReachUnit]
    private(set) var traits: [Traits] = []
    private(set) var classes: [Class] = []
    /// Sorted.
    private(set) var parties: [Party] = []
    /// Of units of nodes.
    private(set) var nodes: [Int: NodeMembers] = [:]
    private var podCounts: [Int]

    /// - Parameter units: divided by party.
    init(_ units: [ReachUnit]) {
        self.units = units
        podCounts = [Int](repeating: -1, count: units.count)
        var numbers: [ReachUnit.Key: Int] = [:]
        var ofParty: [ReachParty: [Int]] = [:]
        for (index, unit) in units.enumerated() {
            var key = unit.key
            if let party = key.party { ofParty[party, default: []].append(index) }
            key.party = nil
            let number = numbers[key] ?? classes.count
            if number == classes.count {
                numbers[key] = number
                classes.append(Class(count: 0))
            }
            classes[number].count += 1
            traits.append(
                Traits(
                    family: key.family, number: Int32(number), isOfPods: key.kind == .pods, isSimple: !unit.hasHosts,
                    onlyPod: Self.onlyPod(unit)))
            if key.kind == .hosts { nodes[index] = NodeMembers(unit) }
        }
        parties = ofParty.map { Party(party: $0, units: $1) }.sorted { $0.party < $1.party }
    }

    private static func onlyPod(_ unit: ReachUnit) -> Int32 {
        let first = unit.members[0].pod
        return unit.members.allSatisfy { $0.pod == first } ? first : -1
    }

    /// 1 for IPv4, 2 for IPv6, 3 for both.
    func families(_ chosen: [Int]) -> Int {
        var families = 0
        for unit in chosen { families |= traits[unit].family == .ipv4 ? 1 : 2 }
        return families
    }

    /// How many pods of a party are in some of its units. Nil for nodes and outside.
    mutating func count(_ party: Int, _ chosen: [Int]) -> ReachCount? {
        guard case .workload = parties[party].party else { return nil }
        let families = families(chosen)
        let all = parties[party].units
        let total = total(party, families, all)
        if chosen.count == 1 {
            return ReachCount(pods: podCount(chosen[0]), total: total)
        }
        let isWhole = chosen.count == all.count
        return ReachCount(pods: isWhole ? total : ReachUnit.podCount(units, chosen), total: total)
    }

    private mutating func total(_ party: Int, _ families: Int, _ all: [Int]) -> Int {
        if parties[party].podCounts[families] >= 0 { return parties[party].podCounts[families] }
        let count =
            all.count == 1
            ? podCount(all[0]) : ReachUnit.podCount(units, all.filter { self.families([$0]) & families != 0 })
        parties[party].podCounts[families] = count
        return count
    }

    private mutating func podCount(_ unit: Int) -> Int {
        if podCounts[unit] < 0 { podCounts[unit] = ReachUnit.podCount(units, [unit]) }
        return podCounts[unit]
    }
}

/// The members of a unit of nodes, by node.
struct NodeMembers {
    private let members: [ReachUnit.Member]
    private var first: [UInt32: Int] = [:]

    /// Nil if pods with their node's network are among the members.
    init?(_ unit: ReachUnit) {
        guard unit.members.allSatisfy({ $0.pod < 0 }) else { return nil }
        members = unit.members
        for (index, member) in members.enumerated() {
            for node in member.hosts where first[node] == nil { first[node] = index }
        }
    }

    /// The first member that a node takes packets to in itself.
    func first(of node: UInt32) -> Int? { first[node] }

    /// The first member that is another node's.
    func first(notOf node: UInt32) -> Int? { members.firstIndex { !$0.hosts.contains(node) } }
}
