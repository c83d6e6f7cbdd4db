// SPDX-License-Identifier: Apache-2.0
import NetworkTypes

/// The address entries, by prefix. Longest prefix wins.
public struct AddressTable: Sendable, Equatable {
    /// Single addresses (pods, nodes): by far the most entries.
    public private(set) var hosts: [IPAddress: AddressEntry] = [:]
    /// Prefixes shorter than a single address.
    public private(set) var prefixes: [CIDR: AddressEntry] = [:]
    /// How many prefixes there are of each length, so that a look-up tries only lengths that exist.
    private var lengthsV4 = LengthCounts()
    private var lengthsV6 = LengthCounts()

    public init() {}

    /// The entry of exactly this prefix.
    public subscript(prefix: CIDR) -> AddressEntry? {
        get { prefix.isHost ? hosts[prefix.network] : prefixes[prefix] }
        set {
            guard !prefix.isHost else {
                hosts[prefix.network] = newValue
                return
            }
            let old = newValue.map { prefixes.updateValue($0, forKey: prefix) } ?? prefixes.removeValue(forKey: prefix)
            let difference = (newValue == nil ? 0 : 1) - (old == nil ? 0 : 1)
            guard difference != 0 else { return }
            switch prefix.family {
            case .ipv4: lengthsV4.add(difference, to: Int(prefix.prefixLength))
            case .ipv6: lengthsV6.add(difference, to: Int(prefix.prefixLength))
            }
        }
    }

    /// The entry of the longest prefix that covers `address`; ``AddressEntry/none`` if there is none.
    public func entry(of address: IPAddress) -> AddressEntry {
        if let entry = hosts[address] { return entry }
        let lengths = address.family == .ipv4 ? lengthsV4 : lengthsV6
        for length in lengths.descending {
            if let entry = prefixes[CIDR(address, prefixLength: length)] { return entry }
        }
        return .none
    }

    /// Reserves room, so that a large table is not copied again and again while it is filled.
    public mutating func reserveHosts(_ count: Int) {
        if count > hosts.capacity { hosts.reserveCapacity(count) }
    }
}

/// How many prefixes have each length, and the lengths that have any, longest first.
private struct LengthCounts: Sendable, Equatable {
    private var counts: [Int: Int] = [:]
    private(set) var descending: [Int] = []

    mutating func add(_ difference: Int, to length: Int) {
        let count = counts[length, default: 0] + difference
        counts[length] = count == 0 ? nil : count
        if counts.count != descending.count { descending = counts.keys.sorted(by: >) }
    }
}
