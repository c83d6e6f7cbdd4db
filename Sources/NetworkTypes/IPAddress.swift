// SPDX-License-Identifier: Apache-2.0

/// The two families of addresses that policy judges.
public enum AddressFamily: UInt8, Sendable, Hashable, Comparable, CaseIterable {
    case ipv4 = 4
    case ipv6 = 6

    /// Bits of an address: 32 or 128.
    public var bitWidth: Int { self == .ipv4 ? 32 : 128 }

    public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// One IPv4 (RFC 791) or IPv6 (RFC 4291) address, in host byte order.
///
/// Both families share one form, so that no code is written twice: `high` and `low` are the 128 bits of an IPv6
/// address; an IPv4 address is the low 32 bits of `low`. An IPv4-mapped IPv6 address (RFC 4291, 2.5.5.2) is the IPv4
/// address in a text, and an IPv6 address without an owner in a packet.
public struct IPAddress: Sendable, Hashable, Comparable {
    public let high: UInt64
    public let low: UInt64
    public let family: AddressFamily

    /// An IPv4 address from its 32 bits in host byte order.
    public init(v4 bits: UInt32) {
        high = 0
        low = UInt64(bits)
        family = .ipv4
    }

    /// An IPv6 address from its upper and lower 64 bits in host byte order.
    public init(v6High high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
        family = .ipv6
    }

    /// The 32 bits of an IPv4 address, host byte order.
    public var v4: UInt32 { UInt32(truncatingIfNeeded: low) }

    /// Whether it is in ``CIDR/groups``.
    public var isGroup: Bool { CIDR.groups.contains { $0.contains(self) } }

    public static func < (a: Self, b: Self) -> Bool {
        (a.family.rawValue, a.high, a.low) < (b.family.rawValue, b.high, b.low)
    }

    /// Bit `index`, counted from the most significant one.
    public func bit(_ index: Int) -> Bool {
        switch family {
        case .ipv4: low >> UInt64(31 - index) & 1 == 1
        case .ipv6:
            index < 64 ? high >> UInt64(63 - index) & 1 == 1 : low >> UInt64(127 - index) & 1 == 1
        }
    }

    /// The first `prefixLength` bits kept, the rest zero.
    public func masked(to prefixLength: Int) -> IPAddress {
        switch family {
        case .ipv4:
            let mask: UInt32 = prefixLength == 0 ? 0 : ~0 << UInt32(32 - prefixLength)
            return IPAddress(v4: v4 & mask)
        case .ipv6:
            let highMask: UInt64 =
                prefixLength >= 64 ? ~0 : prefixLength == 0 ? 0 : ~0 << UInt64(64 - prefixLength)
            let lowMask: UInt64 =
                prefixLength >= 128 ? ~0 : prefixLength <= 64 ? 0 : ~0 << UInt64(128 - prefixLength)
            return IPAddress(v6High: high & highMask, low: low & lowMask)
        }
    }
}

/// Why a text is not an address or CIDR.
public enum AddressError: Error, Hashable, Sendable, CustomStringConvertible {
    case notAnAddress(String)
    case prefixMissing(String)
    case prefixOutOfRange(String)
    case mappedPrefix(String)

    public var description: String {
        switch self {
        case .notAnAddress(let text): "'\(text)' is not an IPv4 or IPv6 address"
        case .prefixMissing(let text): "'\(text)' has no prefix length: write it as address/length"
        case .prefixOutOfRange(let text): "'\(text)' has a prefix length out of range"
        case .mappedPrefix(let text): "'\(text)' is IPv4 in IPv6 form: write the IPv4 prefix"
        }
    }
}
