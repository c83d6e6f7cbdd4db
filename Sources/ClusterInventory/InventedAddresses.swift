// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import PolicyModel

/// Addresses for pods and nodes that have none: each at most once, and none that occurs elsewhere. An address inside a
/// network that a policy names is not given either, unless that network contains the whole network of pods.
///
/// A pod keeps its address over several inventories, so that those can be compared.
public struct InventedAddresses: Sendable {
    /// What gets addresses.
    enum Holder: Sendable, Hashable {
        case pod(EndpointName)
        case node(String)
    }

    /// Of pods, where the command line names none.
    public static let usualNetworks = [
        CIDR(IPAddress(v4: 10 << 24 | 244 << 16), prefixLength: 16),
        CIDR(IPAddress(v6High: 0xfd00_0010_0244_0000, low: 0), prefixLength: 56),
    ]
    /// Of nodes: networks for tests and documentation (RFC 2544, RFC 3849).
    static let nodeNetworks = [
        CIDR(IPAddress(v4: 198 << 24 | 18 << 16), prefixLength: 15),
        CIDR(IPAddress(v6High: 0x2001_0db8_0000_0000, low: 0), prefixLength: 64),
    ]

    /// The families to give; nil: those that the cluster has.
    let families: Set<AddressFamily>?
    private var pods: [AddressSpace]
    private var nodes: [AddressSpace]
    private var given: [Holder: [IPAddress]] = [:]
    /// All that were ever given; the networks may overlap.
    private var used: Set<IPAddress> = []

    /// - Parameters:
    ///   - networks: of pods; empty for ``usualNetworks``. With others, only their families are given.
    ///   - inputs: clusters that are compared: pods get the families of all of them in each.
    public init(_ networks: [CIDR] = [], comparing inputs: [InventoryInput] = []) {
        if networks.isEmpty {
            let found = Set(inputs.lazy.flatMap { AddressCompletion.families(of: $0.objects) ?? [] })
            families = found.isEmpty ? nil : found
        } else {
            families = Set(networks.map(\.family))
        }
        pods = (networks.isEmpty ? Self.usualNetworks : networks).map { AddressSpace($0) }
        nodes = Self.nodeNetworks.map { AddressSpace($0) }
    }

    /// Excludes addresses for this and all later inventories.
    mutating func avoid(known: [IPAddress], policies: [CIDR]) {
        let networks = known.map { CIDR(host: $0) } + policies
        for index in pods.indices { pods[index].avoid(networks) }
        for index in nodes.indices { nodes[index].avoid(networks) }
    }

    /// One address of each family.
    mutating func addresses(
        of holder: Holder, _ families: Set<AddressFamily>
    ) throws(InventoryError) -> [IPAddress] {
        var result: [IPAddress] = []
        for family in families.sorted() {
            if let kept = given[holder]?.first(where: { $0.family == family && !isExcluded($0) }) {
                result.append(kept)
            } else {
                result.append(try next(for: holder, family))
            }
        }
        given[holder] = result + (given[holder] ?? []).filter { !families.contains($0.family) }
        return result
    }

    private func isExcluded(_ address: IPAddress) -> Bool {
        pods.contains { $0.isExcluded(address) } || nodes.contains { $0.isExcluded(address) }
    }

    private mutating func next(for holder: Holder, _ family: AddressFamily) throws(InventoryError) -> IPAddress {
        let spaces: WritableKeyPath<InventedAddresses, [AddressSpace]>
        switch holder {
        case .pod: spaces = \.pods
        case .node: spaces = \.nodes
        }
        for index in self[keyPath: spaces].indices where self[keyPath: spaces][index].network.family == family {
            while let address = self[keyPath: spaces][index].next() {
                if used.insert(address).inserted { return address }
            }
        }
        throw .addressesExhausted(
            family, networks: self[keyPath: spaces].map(\.network).filter { $0.family == family })
    }
}

/// The addresses of one network in order, without those that are excluded.
struct AddressSpace: Sendable {
    let network: CIDR
    private let last: UInt128
    private var cursor: UInt128
    /// Sorted, disjoint.
    private var excluded: [ClosedRange<UInt128>] = []
    /// The first excluded range that does not end before the cursor.
    private var index = 0

    init(_ network: CIDR) {
        self.network = network
        let range = network.range
        // The network's own address, and IPv4's broadcast address, belong to no pod.
        let isWide = range.upperBound - range.lowerBound >= 2
        cursor = range.lowerBound + (isWide ? 1 : 0)
        last = range.upperBound - (isWide && network.family == .ipv4 ? 1 : 0)
    }

    /// Those that contain the whole network are left out: nothing would remain.
    mutating func avoid(_ networks: [CIDR]) {
        let inside = networks.filter { network.contains($0) && $0 != network }
        guard !inside.isEmpty else { return }
        excluded = Self.merged(excluded + inside.map(\.range))
        index = 0
    }

    private static func merged(_ ranges: [ClosedRange<UInt128>]) -> [ClosedRange<UInt128>] {
        var result: [ClosedRange<UInt128>] = []
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let before = result.last, range.lowerBound <= before.upperBound {
                result[result.count - 1] = before.lowerBound...max(before.upperBound, range.upperBound)
            } else {
                result.append(range)
            }
        }
        return result
    }

    func isExcluded(_ address: IPAddress) -> Bool {
        guard address.family == network.family else { return false }
        let value = address.number
        var (low, high) = (0, excluded.count)
        while low < high {
            let middle = (low + high) / 2
            if excluded[middle].upperBound < value { low = middle + 1 } else { high = middle }
        }
        return low < excluded.count && excluded[low].contains(value)
    }

    /// Nil: none is left.
    mutating func next() -> IPAddress? {
        while cursor <= last {
            while index < excluded.count, excluded[index].upperBound < cursor { index += 1 }
            guard index < excluded.count, excluded[index].contains(cursor) else {
                defer { cursor += 1 }
                return IPAddress(number: cursor, network.family)
            }
            guard excluded[index].upperBound < last else { return nil }
            cursor = excluded[index].upperBound + 1
        }
        return nil
    }
}

extension IPAddress {
    fileprivate var number: UInt128 { UInt128(high) << 64 | UInt128(low) }

    fileprivate init(number: UInt128, _ family: AddressFamily) {
        let low = UInt64(truncatingIfNeeded: number)
        self =
            family == .ipv4
            ? IPAddress(v4: UInt32(truncatingIfNeeded: low))
            : IPAddress(v6High: UInt64(truncatingIfNeeded: number >> 64), low: low)
    }
}

extension CIDR {
    fileprivate var range: ClosedRange<UInt128> {
        let hostBits = family.bitWidth - Int(prefixLength)
        let span: UInt128 = hostBits == 128 ? .max : (1 << UInt128(hostBits)) - 1
        return network.number...(network.number + span)
    }
}
