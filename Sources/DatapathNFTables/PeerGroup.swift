// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Netfilter
import NetworkTypes
import PolicyModel

/// The union of the peer sets of a rule, as sets in the kernel: one look-up a kind, however many peers the rule has.
///
/// Single addresses stand in hash sets, of which one member is changed in microseconds; ranges in interval sets, which
/// never change while the group lives.
struct PeerGroup: Sendable {
    /// The sets' numbers at present, sorted.
    var peerSets: [PeerSetID]
    /// What makes it this group: numbers of peer sets may be given to others.
    let descriptions: [PeerSetDescription]
    /// Begins the names of its sets.
    let name: String
    let comment: String
    /// Everything that the blocks hold, also single addresses.
    let covered: AddressRanges
    /// Whether pods come and go.
    let hasSelectors: Bool
    /// All there is, where that is one prefix: rules name it without a set. The kernel looks for sets one by one.
    private let only: CIDR?
    /// How many programs refer to it.
    var uses = 0
    /// Whether a rule that denies or passes refers to it, so that a new member can take something away.
    var mayDeny = false
    /// Names of its sets that exist.
    var hostSets: [AddressFamily: String] = [:]
    var rangeSets: [AddressFamily: String] = [:]

    init(_ peerSets: [PeerSetID], described descriptions: [PeerSetDescription], name: String) {
        self.peerSets = peerSets
        self.descriptions = descriptions
        self.name = name
        let text = Self.text(descriptions)
        comment = TableName.comment(text)
        covered = AddressRanges(descriptions.flatMap { $0.blocks.flatMap(\.ranges) })
        hasSelectors = descriptions.contains { $0.blocks.isEmpty }
        only = hasSelectors || covered.ranges.count != 1 ? nil : covered.ranges[0].prefix
        guard only == nil else { return }
        for family in AddressFamily.allCases {
            let own = covered.ranges.filter { $0.first.family == family }
            if hasSelectors || own.contains(where: { $0.first == $0.last }) { addHosts(family) }
            if own.contains(where: { $0.first != $0.last }) { rangeSets[family] = "\(name)/ranges-\(family)" }
        }
    }

    private static func text(_ descriptions: [PeerSetDescription]) -> String {
        descriptions.map(\.description).joined(separator: " or ")
    }

    /// A name by content: words, and a digest of all.
    static func name(_ descriptions: [PeerSetDescription]) -> String {
        let text = text(descriptions)
        var digest = Digest()
        digest.add(text)
        for description in descriptions {
            for block in description.blocks + description.bounds {
                for cidr in [block.cidr] + block.except {
                    digest.add(cidr.network.high)
                    digest.add(cidr.network.low)
                    digest.add(UInt64(cidr.prefixLength) << 8 | UInt64(cidr.family.rawValue))
                }
                digest.add(UInt64(block.except.count))
            }
        }
        return "peers/\(TableName.slug(text, limit: 64))/\(digest.text)"
    }

    mutating func addHosts(_ family: AddressFamily) { hostSets[family] = "\(name)/\(family)" }

    /// The sets with the members that the blocks give.
    func sets() -> [TableSet] {
        AddressFamily.allCases.flatMap { family -> [TableSet] in
            let own = covered.ranges.filter { $0.first.family == family }
            var sets: [TableSet] = []
            if let set = hostSets[family] {
                let hosts = own.lazy.filter { $0.first == $0.last }.map(\.first)
                let shape = SetShape(name: set, fields: [.source(family)], comment: comment)
                sets.append(TableSet(shape, .addresses(Set(hosts))))
            }
            if let set = rangeSets[family] {
                let shape = SetShape(name: set, fields: [.source(family)], isInterval: true, comment: comment)
                sets.append(TableSet(shape, .ranges(own.filter { $0.first != $0.last })))
            }
            return sets
        }
    }

    /// The steps that match a peer, one list a set.
    func matches(_ direction: Direction) -> [[Term]] {
        if let only {
            return [
                [
                    .family(only.family),
                    .within(direction == .ingress ? .source(only.family) : .destination(only.family), only),
                ]
            ]
        }
        return AddressFamily.allCases.flatMap { family -> [[Term]] in
            let field: Field = direction == .ingress ? .source(family) : .destination(family)
            return [hostSets[family], rangeSets[family]].compactMap { $0 }.map { set in
                [.family(family), .member([field], of: set)]
            } + (isOwnNode && direction == .egress ? [[.family(family), .toOwnNode]] : [])
        }
    }

    /// Whether the node itself is a peer: then whatever it takes in is, by whatever address.
    private var isOwnNode: Bool { descriptions.contains(where: \.holdsOwnNode) }

    /// Whether one of these peer sets (sorted) is in the group.
    func intersects(_ others: [PeerSetID]) -> Bool {
        var index = 0
        for id in others {
            while index < peerSets.count, peerSets[index] < id { index += 1 }
            if index < peerSets.count, peerSets[index] == id { return true }
        }
        return false
    }
}
