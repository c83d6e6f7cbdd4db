// SPDX-License-Identifier: Apache-2.0
import NetworkTypes

/// Addresses `first` to `last` of one family, both included.
package struct AddressRange: Hashable, Sendable, Comparable {
    package var first: IPAddress
    package var last: IPAddress

    package init(first: IPAddress, last: IPAddress) {
        self.first = first
        self.last = last
    }

    package init(_ cidr: CIDR) {
        first = cidr.network
        last = cidr.network.filled(from: Int(cidr.prefixLength))
    }

    package static func < (a: Self, b: Self) -> Bool { (a.first, a.last) < (b.first, b.last) }

    /// Nil if the range is not one prefix.
    package var prefix: CIDR? {
        (1...first.family.bitWidth).lazy.map { CIDR(first, prefixLength: $0) }.first { AddressRange($0) == self }
    }
}

extension IPAddress {
    /// The first `prefixLength` bits kept, the rest one.
    package func filled(from prefixLength: Int) -> IPAddress {
        switch family {
        case .ipv4: return IPAddress(v4: prefixLength >= 32 ? v4 : v4 | UInt32.max >> UInt32(prefixLength))
        case .ipv6:
            let ones = UInt64.max
            let high = prefixLength >= 64 ? high : high | ones >> UInt64(prefixLength)
            let low = prefixLength >= 128 ? low : prefixLength <= 64 ? ones : low | ones >> UInt64(prefixLength - 64)
            return IPAddress(v6High: high, low: low)
        }
    }

    /// The next address; nil after the last of the family.
    package var successor: IPAddress? {
        switch family {
        case .ipv4: v4 == .max ? nil : IPAddress(v4: v4 + 1)
        case .ipv6:
            low < .max
                ? IPAddress(v6High: high, low: low + 1)
                : high < .max ? IPAddress(v6High: high + 1, low: 0) : nil
        }
    }

    /// The previous address; nil before the first of the family.
    package var predecessor: IPAddress? {
        switch family {
        case .ipv4: v4 == 0 ? nil : IPAddress(v4: v4 - 1)
        case .ipv6:
            low > 0
                ? IPAddress(v6High: high, low: low - 1) : high > 0 ? IPAddress(v6High: high - 1, low: .max) : nil
        }
    }
}

/// Disjoint ranges in order, not adjacent; both families.
package struct AddressRanges: Hashable, Sendable {
    package private(set) var ranges: [AddressRange] = []

    package init(_ blocks: [AddressRange]) {
        for range in blocks.sorted() {
            if let last = ranges.last, last.first.family == range.first.family,
                range.first <= last.last || range.first == last.last.successor
            {
                if range.last > last.last { ranges[ranges.count - 1].last = range.last }
            } else {
                ranges.append(range)
            }
        }
    }

    package func contains(_ address: IPAddress) -> Bool {
        var low = 0
        var high = ranges.count
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].first <= address { low = middle + 1 } else { high = middle }
        }
        guard low > 0 else { return false }
        return ranges[low - 1].first.family == address.family && address <= ranges[low - 1].last
    }

    package var isEmpty: Bool { ranges.isEmpty }
}
