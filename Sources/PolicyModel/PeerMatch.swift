// SPDX-License-Identifier: Apache-2.0

/// The peers that a rule matches: every address, or the members of any of some peer sets (empty: none), or what
/// several terms leave.
public enum PeerMatch: Sendable, Hashable {
    case any
    case sets([PeerSetID])
    /// Addresses that meet all of these. Never empty, and never one term that is not excluded: that is ``sets(_:)``.
    case terms([PeerTerm])
}

/// Members of any of some peer sets, or of none of them. Sets are sorted, without duplicates.
public struct PeerTerm: Sendable, Hashable {
    /// Empty: no address is a member.
    public var sets: [PeerSetID]
    /// Addresses that are members of none of the sets.
    public var isExcluded: Bool

    public init(_ sets: [PeerSetID], isExcluded: Bool = false) {
        self.sets = sets
        self.isExcluded = isExcluded
    }
}

extension PeerMatch {
    /// Every set that it names.
    public var sets: [PeerSetID] {
        switch self {
        case .any: []
        case .sets(let sets): sets
        case .terms(let terms): terms.flatMap(\.sets)
        }
    }
}
