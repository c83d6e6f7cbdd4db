// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import NetworkTypes
import Testing

@Suite struct AddressTableTests {
    private static func prefix(_ text: String) -> CIDR {
        do { return try CIDR(text) } catch { preconditionFailure("\(error)") }
    }

    private static func table(_ rows: [(String, UInt32)]) -> AddressTable {
        var table = AddressTable()
        for (text, number) in rows {
            table[prefix(text)] = AddressEntry(addressClass: AddressClassID(rawValue: number))
        }
        return table
    }

    private static let full = table([
        ("0.0.0.0/0", 1), ("10.0.0.0/8", 2), ("10.1.0.0/16", 3), ("10.1.2.3/32", 4), ("fd00::/8", 5), ("fd00::/64", 6),
        ("fd00::1/128", 7),
    ])

    @Test(arguments: [
        ("8.8.8.8", 1), ("10.9.9.9", 2), ("10.1.9.9", 3), ("10.1.2.3", 4), ("10.1.2.2", 3), ("fdff::1", 5),
        ("fd00::2", 6), ("fd00::1", 7), ("fe80::1", 0), ("255.255.255.255", 1),
    ])
    func theLongestPrefixWins(_ text: String, number: UInt32) throws {
        let entry = Self.full.entry(of: try IPAddress(text))
        #expect(entry.addressClass.rawValue == number)
    }

    @Test func whatIsTakenOutIsInherited() throws {
        var table = Self.full
        table[Self.prefix("10.1.2.3/32")] = nil
        table[Self.prefix("10.1.0.0/16")] = nil
        #expect(table.entry(of: try IPAddress("10.1.2.3")).addressClass.rawValue == 2)
        table[Self.prefix("10.0.0.0/8")] = nil
        table[Self.prefix("0.0.0.0/0")] = nil
        #expect(table.entry(of: try IPAddress("10.1.2.3")) == .none)
        #expect(table.entry(of: try IPAddress("fd00::1")).addressClass.rawValue == 7)
        table[Self.prefix("10.0.0.0/8")] = nil
        #expect(table == Self.table([("fd00::/8", 5), ("fd00::/64", 6), ("fd00::1/128", 7)]))
    }

    @Test func anEntryIsThatOfExactlyThisPrefix() {
        #expect(Self.full[Self.prefix("10.1.0.0/16")]?.addressClass.rawValue == 3)
        #expect(Self.full[Self.prefix("10.1.0.0/17")] == nil)
        #expect(Self.full[Self.prefix("10.1.2.4/32")] == nil)
        #expect(Self.full.hosts.count == 2 && Self.full.prefixes.count == 5)
    }
}
