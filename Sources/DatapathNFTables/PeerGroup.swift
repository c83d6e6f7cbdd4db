// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Netfilter
import NetworkTypes
import PolicyModel

/// The union of the peer sets of a rule, as sets in the kernel: one lookup per kind, however many peers the rule has.
///
/// Single addresses are in hash sets: one member changes in microseconds. Ranges are in interval sets. An interval set
/// changes only when a prefix joins or leaves one of the peer sets, and is filled again then.
struct PeerGroup: Sendable {
    /// The present numbers of the sets, sorted.
    var peerSets: [PeerSetID]
    /// The identity of this group: the numbers of peer sets may be reused.
    let identities: [PeerSetDescription]
    /// The beginning of the names of its sets.
    let name: String
    let comment: String
    /// Everything in blocks that stay, including single addresses.
    let covered: AddressRanges
    /// Whether single addresses come and go.
    let hasChangingHosts: Bool
    /// Whether prefixes come and go.
    let hasChangingPrefixes: Bool
    /// The only member, if that is one prefix: rules name it without a set. The kernel searches sets one by one.
    private let only: CIDR?
    /// How many programs refer to it.
    var uses = 0
    /// Whether a rule that denies or passes refers to it, so that a new member can take something away.
    var mayDeny = false
    /// Ranges of the prefixes that come and go.
    private var changingRanges: [AddressRange] = []
    /// Whether the node itself is a peer, whatever the destination of a packet to it.
    private var holdsOwnNode = false
    /// Names of its sets that exist.
    private(set) var hostSets: [AddressFamily: String] = [:]
    private(set) var rangeSets: [AddressFamily: String] = [:]
    /// The set that says whether the node itself is a peer; nil if that is always so, or never.
    private var ownNodeSet: String?

    init(_ peerSets: [PeerSetID], described descriptions: [PeerSetDescription], name: String) {
        self.peerSets = peerSets
        identities = descriptions.map(\.identity)
        self.name = name
        let text = Self.text(descriptions)
        comment = TableName.comment(text)
        covered = AddressRanges(identities.flatMap { $0.blocks.flatMap(\.ranges) })
        hasChangingHosts = identities.contains { $0.blocks.isEmpty }
        hasChangingPrefixes = descriptions.contains(where: \.hasChangingMembers)
        only = hasChangingHosts || covered.ranges.count != 1 ? nil : covered.ranges[0].prefix
        guard only == nil else { return }
        for family in AddressFamily.allCases {
            let own = covered.ranges.filter { $0.first.family == family }
            if hasChangingHosts || own.contains(where: { $0.first == $0.last }) {
                hostSets[family] = "\(name)/\(family)"
            }
            if hasChangingPrefixes || own.contains(where: { $0.first != $0.last }) {
                rangeSets[family] = "\(name)/ranges-\(family)"
            }
        }
        if hasChangingPrefixes, !isAlwaysOwnNode { ownNodeSet = "\(name)/own-node" }
        setPrefixes(descriptions)
    }

    /// Sets the prefixes that are members now. Returns whether that changed anything.
    @discardableResult mutating func setPrefixes(_ descriptions: [PeerSetDescription]) -> Bool {
        let old = (changingRanges, holdsOwnNode)
        let changing = descriptions.filter(\.hasChangingMembers)
        changingRanges = changing.flatMap { $0.blocks.lazy.map(\.cidr).filter { !$0.isHost }.map { AddressRange($0) } }
        holdsOwnNode = changing.contains(where: \.holdsOwnNode)
        return old != (changingRanges, holdsOwnNode)
    }

    private static func text(_ descriptions: [PeerSetDescription]) -> String {
        descriptions.map(\.description).joined(separator: " or ")
    }

    /// A name by content: words, and a digest of everything.
    static func name(_ descriptions: [PeerSetDescription]) -> String {
        let text = text(descriptions)
        var digest = Digest()
        digest.add(text)
        for description in descriptions.map(\.identity) {
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

    /// The sets with the members from the blocks.
    func sets() -> [TableSet] {
        var sets = AddressFamily.allCases.flatMap { family -> [TableSet] in
            let own = covered.ranges.filter { $0.first.family == family }
            var sets: [TableSet] = []
            if let set = hostSets[family] {
                let hosts = own.lazy.filter { $0.first == $0.last }.map(\.first)
                let shape = SetShape(name: set, fields: [.source(family)], comment: comment)
                sets.append(TableSet(shape, .addresses(Set(hosts))))
            }
            if let set = rangeSets[family] {
                let shape = SetShape(name: set, fields: [.source(family)], isInterval: true, comment: comment)
                sets.append(TableSet(shape, .ranges(ranges(own, family))))
            }
            return sets
        }
        if let ownNodeSet {
            let shape = SetShape(name: ownNodeSet, fields: [.outInterface], comment: "0 where the node is a peer")
            sets.append(TableSet(shape, .elements(holdsOwnNode ? [SetElement(key: [0, 0, 0, 0])] : [])))
        }
        return sets
    }

    private func ranges(_ own: [AddressRange], _ family: AddressFamily) -> [AddressRange] {
        AddressRanges(own.filter { $0.first != $0.last } + changingRanges.filter { $0.first.family == family }).ranges
    }

    /// The terms that match a peer, one list per set.
    func matches(_ direction: Direction) -> [[Term]] {
        if let only {
            return [
                [
                    .family(only.family),
                    .within(direction == .ingress ? .source(only.family) : .destination(only.family), only),
                ]
            ]
        }
        let isOwnNode = direction == .egress && isAlwaysOwnNode
        let byAddress = AddressFamily.allCases.flatMap { family -> [[Term]] in
            let field: Field = direction == .ingress ? .source(family) : .destination(family)
            return [hostSets[family], rangeSets[family]].compactMap { $0 }.map { set in
                [.family(family), .member([field], of: set)]
            } + (isOwnNode ? [[.family(family), .toOwnNode]] : [])
        }
        guard direction == .egress, let ownNodeSet else { return byAddress }
        return byAddress + [[.member([.outInterface], of: ownNodeSet)]]
    }

    /// The terms that match a peer among packets of one family, one list per set.
    func inclusions(_ direction: Direction, _ family: AddressFamily) -> [[Term]] {
        matches(direction).filter { $0.first?.family ?? family == family }.map { terms in
            terms.filter { $0.family == nil }
        }
    }

    /// The terms that match all but the peers among packets of one family.
    func exclusion(_ direction: Direction, _ family: AddressFamily) -> [Term] {
        inclusions(direction, family).flatMap { terms in terms.map(\.negated) }
    }

    /// Whether the node itself is always a peer.
    private var isAlwaysOwnNode: Bool { identities.contains(where: \.isOwnNode) }

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

extension Term {
    /// The family that the term asks for.
    fileprivate var family: AddressFamily? {
        guard case .family(let family) = self else { return nil }
        return family
    }

    /// The opposite of a term that matches a peer.
    fileprivate var negated: Term {
        switch self {
        case .member(let fields, let set, let isNegated): .member(fields, of: set, negated: !isNegated)
        case .within(let field, let prefix): .outside(field, prefix)
        case .toOwnNode: .differs(.outInterface, [0, 0, 0, 0])
        default: preconditionFailure("peers are matched by sets and prefixes")
        }
    }
}
