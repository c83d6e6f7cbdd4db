// SPDX-License-Identifier: Apache-2.0
import Netfilter
import NetworkTypes
import Testing

/// Ranges of addresses: pure.
struct AddressRangeTests {
    @Test(arguments: [
        ("10.0.0.0/8", "10.0.0.0", "10.255.255.255"), ("0.0.0.0/0", "0.0.0.0", "255.255.255.255"),
        ("192.0.2.1/32", "192.0.2.1", "192.0.2.1"), ("fe80::/10", "fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("2001:db8::/64", "2001:db8::", "2001:db8::ffff:ffff:ffff:ffff"), ("::1/128", "::1", "::1"),
    ])
    func ofAPrefix(cidr: String, first: String, last: String) throws {
        let range = AddressRange(try CIDR(cidr))
        #expect(try range == AddressRange(first: IPAddress(first), last: IPAddress(last)))
        #expect(try range.prefix == (CIDR(cidr).prefixLength == 0 ? nil : CIDR(cidr)))
    }

    @Test func noPrefix() throws {
        let range = AddressRange(first: try IPAddress("10.0.0.1"), last: try IPAddress("10.0.0.4"))
        #expect(range.prefix == nil)
    }

    @Test(arguments: [
        ("10.0.0.255", "10.0.1.0"), ("255.255.255.255", nil), ("::ffff:ffff:ffff:ffff", "0:0:0:1::"),
        ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", nil),
    ])
    func neighbors(address: String, next: String?) throws {
        let (address, next) = (try IPAddress(address), try next.map { try IPAddress($0) })
        #expect(address.successor == next)
        if let next { #expect(next.predecessor == address) }
        #expect(address.masked(to: 0).predecessor == nil)
    }

    /// Ranges in any order, what they become, and one address inside and one outside.
    @Test(
        arguments: [
            ([], [], nil, "10.0.0.1"),
            (["10.0.0.0/25", "10.0.0.128/25"], ["10.0.0.0-10.0.0.255"], "10.0.0.200", "10.0.1.0"),
            (["10.0.2.0/24", "10.0.0.0/24"], ["10.0.0.0-10.0.0.255", "10.0.2.0-10.0.2.255"], "10.0.2.1", "10.0.1.1"),
            (["10.0.0.0/8", "10.1.0.0/16"], ["10.0.0.0-10.255.255.255"], "10.1.0.0", "::1"),
            (["255.255.255.255/32", "::/128"], ["255.255.255.255-255.255.255.255", "::-::"], "::", "::1"),
        ] as [([String], [String], String?, String)])
    func merged(blocks: [String], expected: [String], inside: String?, outside: String) throws {
        let ranges = AddressRanges(try blocks.map { AddressRange(try CIDR($0)) })
        #expect(ranges.ranges.map { "\($0.first)-\($0.last)" } == expected)
        #expect(ranges.isEmpty == blocks.isEmpty)
        if let inside { #expect(ranges.contains(try IPAddress(inside))) }
        #expect(!ranges.contains(try IPAddress(outside)))
    }
}
