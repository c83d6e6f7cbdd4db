// SPDX-License-Identifier: Apache-2.0

/// A prefix of addresses of one family (RFC 4632, RFC 4291). Host bits are zero.
public struct CIDR: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// The first address of the prefix.
    public let network: IPAddress
    /// 0...32 for IPv4, 0...128 for IPv6.
    public let prefixLength: UInt8

    /// A prefix; host bits of `address` are cleared. `prefixLength` must fit the family.
    public init(_ address: IPAddress, prefixLength: Int) {
        precondition((0...address.family.bitWidth).contains(prefixLength), "prefix length out of range")
        network = address.masked(to: prefixLength)
        self.prefixLength = UInt8(prefixLength)
    }

    /// The prefix of a single address: /32 or /128.
    public init(host address: IPAddress) {
        network = address
        prefixLength = UInt8(address.family.bitWidth)
    }

    /// Reads `address/length`. Host bits may be set, as the Kubernetes API allows; they are cleared. An IPv4-mapped
    /// IPv6 prefix is refused: implementations differ in whether it means IPv4 packets, and newer API servers refuse it
    /// too.
    ///
    /// - Throws: ``AddressError``.
    public init(_ text: some StringProtocol) throws(AddressError) {
        guard let slash = text.firstIndex(of: "/") else {
            _ = try IPAddress(text)
            throw .prefixMissing(String(text.prefix(64)))
        }
        let address = try IPAddress(text[..<slash])
        let digits = text[text.index(after: slash)...]
        guard address.family == .ipv6 || !text[..<slash].utf8.contains(UInt8(ascii: ":")) else {
            throw .mappedPrefix(String(text.prefix(64)))
        }
        guard (1...3).contains(digits.utf8.count), digits.utf8.allSatisfy({ $0 >= 48 && $0 <= 57 }),
            digits.utf8.count == 1 || digits.utf8.first != 48,
            let length = Int(digits), length <= address.family.bitWidth
        else { throw .prefixOutOfRange(String(text.prefix(64))) }
        self.init(address, prefixLength: length)
    }

    /// What every node delivers to itself (RFC 1122, RFC 4291): 127.0.0.0/8 and ::1/128.
    public static let loopback = [
        CIDR(IPAddress(v4: 127 << 24), prefixLength: 8), CIDR(host: IPAddress(v6High: 0, low: 1)),
    ]

    /// Groups whatever the link's network: multicast (RFC 5771, RFC 4291), and 255.255.255.255.
    public static let groups = [
        CIDR(IPAddress(v4: 0xe << 28), prefixLength: 4), allHosts,
        CIDR(IPAddress(v6High: 0xff << 56, low: 0), prefixLength: 8),
    ]

    /// Every host of the link (RFC 919): 255.255.255.255/32.
    public static let allHosts = CIDR(host: IPAddress(v4: .max))

    public var family: AddressFamily { network.family }

    /// Whether this prefix holds exactly one address.
    public var isHost: Bool { Int(prefixLength) == family.bitWidth }

    public func contains(_ address: IPAddress) -> Bool {
        address.family == family && address.masked(to: Int(prefixLength)) == network
    }

    /// Whether every address of `other` is in this prefix.
    public func contains(_ other: CIDR) -> Bool {
        other.prefixLength >= prefixLength && contains(other.network)
    }

    public var description: String { "\(network)/\(prefixLength)" }

    /// By family, then by first address, then shorter prefixes first: a prefix comes before all prefixes inside it.
    public static func < (a: Self, b: Self) -> Bool {
        a.network == b.network ? a.prefixLength < b.prefixLength : a.network < b.network
    }
}
