// SPDX-License-Identifier: Apache-2.0
import NetworkTypes

/// A prefix as its first and its last address.
struct AddressSpan {
    var first: UInt128
    var last: UInt128

    init(_ prefix: CIDR) {
        first = UInt128(prefix.network.high) << 64 | UInt128(prefix.network.low)
        let free = prefix.family.bitWidth - Int(prefix.prefixLength)
        last = free == 128 ? .max : first | ((UInt128(1) << UInt128(free)) - 1)
    }

    static func address(_ bits: UInt128, _ family: AddressFamily) -> IPAddress {
        switch family {
        case .ipv4: IPAddress(v4: UInt32(truncatingIfNeeded: bits))
        case .ipv6:
            IPAddress(
                v6High: UInt64(truncatingIfNeeded: bits >> 64), low: UInt64(truncatingIfNeeded: bits))
        }
    }

    /// Addresses of RFC 5737 and RFC 3849: good examples of an address outside.
    static let documentation = [
        IPAddress(v4: 203 << 24 | 113 << 8 | 1), IPAddress(v4: 198 << 24 | 51 << 16 | 100 << 8 | 1),
        IPAddress(v6High: 0x2001_0db8_0000_0000, low: 1),
    ]
}

extension CIDR {
    /// What is in both: of two prefixes one is inside the other, or they have nothing in common. Nil: all addresses.
    func intersection(_ other: CIDR?) -> CIDR? {
        guard let other else { return self }
        return contains(other) ? other : other.contains(self) ? self : nil
    }
}
