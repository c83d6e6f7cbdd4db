// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import NetworkTypes

/// A few addresses of each class and family, as far as the sweep has met them. Later ones replace them, so that each
/// sweep asks about others.
struct ClassMembers: Sendable {
    private var v4: [IPAddress?] = []
    private var v6: [IPAddress?] = []

    /// How many are kept of each class.
    private static let kept = 4

    mutating func note(_ address: IPAddress, _ entry: AddressEntry, _ random: inout ProofRandom) {
        switch address.family {
        case .ipv4: Self.note(address, entry, &v4, &random)
        case .ipv6: Self.note(address, entry, &v6, &random)
        }
    }

    private static func note(
        _ address: IPAddress, _ entry: AddressEntry, _ members: inout [IPAddress?], _ random: inout ProofRandom
    ) {
        guard entry.addressClass.rawValue < AddressClassID.limit else { return }
        let first = Int(entry.addressClass.rawValue) * kept
        if first + kept > members.count {
            members.append(contentsOf: repeatElement(nil, count: first + kept - members.count))
        }
        let places = members[first..<first + kept]
        guard !places.contains(address) else { return }
        members[places.firstIndex(of: nil) ?? first + random.below(kept)] = address
    }

    /// A member of the class now; nil if none is known.
    func member(
        of addressClass: AddressClassID, _ family: AddressFamily, in policy: CompiledPolicy,
        _ random: inout ProofRandom
    ) -> IPAddress? {
        let members = family == .ipv4 ? v4 : v6
        let first = Int(addressClass.rawValue) * Self.kept
        guard first + Self.kept <= members.count else { return nil }
        let turn = random.below(Self.kept)
        for step in 0..<Self.kept {
            if let address = members[first + (turn + step) % Self.kept],
                policy.addresses.entry(of: address).addressClass == addressClass
            {
                return address
            }
        }
        return nil
    }

    /// Whether a member was met, in any family. It may have left the class since.
    func hasMember(of addressClass: AddressClassID) -> Bool {
        let first = Int(addressClass.rawValue) * Self.kept
        return first < v4.count && v4[first] != nil || first < v6.count && v6[first] != nil
    }

    /// Some member of some class; nil if a few tries find none.
    func any(_ family: AddressFamily, _ random: inout ProofRandom) -> IPAddress? {
        let members = family == .ipv4 ? v4 : v6
        guard !members.isEmpty else { return nil }
        for _ in 0..<8 { if let found = members[random.below(members.count)] { return found } }
        return nil
    }
}
