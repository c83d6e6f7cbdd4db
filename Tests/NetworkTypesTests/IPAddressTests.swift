// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import Testing
import WorldKit

@Suite struct IPAddressTests {
    @Test(arguments: [
        ("0.0.0.0", UInt32(0)), ("255.255.255.255", .max), ("10.1.2.3", 0x0a01_0203), ("169.254.169.254", 0xa9fe_a9fe),
    ])
    func v4(text: String, bits: UInt32) throws {
        let address = try IPAddress(text)
        #expect(address == IPAddress(v4: bits))
        #expect(address.v4 == bits)
        #expect(address.family == .ipv4)
        #expect("\(address)" == text)
    }

    /// RFC 5952: lower case, longest run of zeros shortened, the first of equal ones, a single zero never.
    @Test(arguments: [
        ("::", "::"), ("::1", "::1"), ("1::", "1::"), ("0:0:0:0:0:0:0:0", "::"),
        ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"), ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
        ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"), ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
        ("fe80:0:0:0:1:2:3:0", "fe80::1:2:3:0"), ("0001:02:003:4::", "1:2:3:4::"),
        ("::fffe:1.2.3.4", "::fffe:102:304"), ("1::ffff:1.2.3.4", "1::ffff:102:304"),
        ("::1:ffff:1.2.3.4", "::1:ffff:102:304"), ("64:ff9b::192.0.2.33", "64:ff9b::c000:221"),
        ("1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"), ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
        ("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"), ("1:0:0:0:0:0:0:8", "1::8"), ("0:0:1:0:0:1:0:0", "::1:0:0:1:0:0"),
        ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("::1.2.3.4", "::102:304"),
    ])
    func v6(text: String, canonical: String) throws {
        let address = try IPAddress(text)
        #expect(address.family == .ipv6)
        #expect("\(address)" == canonical)
        #expect(try IPAddress(canonical) == address)
    }

    @Test func v6Bits() throws {
        let address = try IPAddress("0123:4567:89ab:cdef:fedc:ba98:7654:3210")
        #expect(address == IPAddress(v6High: 0x0123_4567_89ab_cdef, low: 0xfedc_ba98_7654_3210))
    }

    /// RFC 4291, 2.5.5.2: the IPv4 address that it stands for.
    @Test(arguments: [
        ("::ffff:1.2.3.4", "1.2.3.4"), ("::FFFF:0102:0304", "1.2.3.4"), ("0:0:0:0:0:ffff:a00:1", "10.0.0.1"),
        ("::ffff:0:0", "0.0.0.0"),
    ])
    func ipv4InIPv6Form(text: String, canonical: String) throws {
        let address = try IPAddress(text)
        #expect(address.family == .ipv4 && "\(address)" == canonical)
    }

    @Test func inAPacketAMappedAddressIsIPv6() {
        let address = IPAddress(v6High: 0, low: 0xffff_0102_0304)
        #expect(address.family == .ipv6 && "\(address)" == "::ffff:102:304")
    }

    @Test(arguments: [
        "", " ", "1", "1.2.3", "1.2.3.4.5", "1.2.3.", ".1.2.3", "1..2.3", "256.1.1.1", "1.2.3.999", "1.2.3.1000",
        "01.2.3.4", "1.2.3.00", "1.2.3.4 ", " 1.2.3.4", "+1.2.3.4", "1.2.3.-4", "1.2.3.4/32", "0x1.2.3.4", "1.2.3.a",
        "１.2.3.4", "1.2.3.4\n", "1.2.3.4\0", ":", ":::", "::::", "1:", ":1", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:",
        ":1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8", "1::2::3", "1:::2", "12345::",
        "g::", "::-1", "::1%eth0", "[::1]", "::1.2.3", "::1.2.3.256", "1.2.3.4::", "1:2:3:4:5:6:7:1.2.3.4",
        "::1.2.3.4:5", "::1/128", "1:2", "fe80::1%1", "::ffff:01.2.3.4", "1::2:", ":1::2", "1:2:3:4:5:6:7::8:9",
        String(repeating: "1", count: 100_000), String(repeating: ":", count: 100_000),
    ])
    func wrong(text: String) {
        #expect(throws: AddressError.self) { try IPAddress(text) }
    }

    @Test func errorsAreShort() {
        let error = #expect(throws: AddressError.self) { try IPAddress(String(repeating: "x", count: 10_000)) }
        #expect(error.map { "\($0)".count < 120 } == true)
    }

    @Test func order() throws {
        let sorted = try ["0.0.0.0", "9.0.0.0", "10.0.0.0", "255.255.255.255", "::", "::1", "1::", "ffff::"]
            .map { try IPAddress($0) }
        #expect(sorted.reversed().sorted() == sorted)
    }

    @Test func masks() throws {
        let v4 = try IPAddress("255.255.255.255")
        let v6 = try IPAddress("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")
        for length in 0...32 { #expect((0..<32).allSatisfy { v4.masked(to: length).bit($0) == ($0 < length) }) }
        for length in 0...128 { #expect((0..<128).allSatisfy { v6.masked(to: length).bit($0) == ($0 < length) }) }
        #expect(v4.masked(to: 0) == IPAddress(v4: 0))
        #expect(v6.masked(to: 65) == IPAddress(v6High: .max, low: 1 << 63))
    }

    /// Printing and reading give the same address, for random ones with many zeros.
    @Test func roundTrip() throws {
        var random = SplitMix64(seed: 11)
        for _ in 0..<20_000 {
            var parts: [UInt64] = []
            for _ in 0..<2 {
                let mask = (0..<4).reduce(UInt64(0)) { mask, _ in mask << 16 | (random.next() & 1 == 0 ? 0 : 0xffff) }
                parts.append(random.next() & mask)
            }
            let v6 = IPAddress(v6High: parts[0], low: parts[1])
            #expect(try IPAddress("\(v6)") == v6)
            let v4 = IPAddress(v4: UInt32(truncatingIfNeeded: random.next()))
            #expect(try IPAddress("\(v4)") == v4)
        }
    }

    /// Garbage near the syntax is either refused or read as what it prints as.
    @Test func garbage() throws {
        var random = SplitMix64(seed: 12)
        let alphabet = Array("0123456789abcdefF:::...%/ ")
        for _ in 0..<50_000 {
            let text = String(
                (0..<random.next() % 24).map { _ in alphabet[Int(random.next() % UInt64(alphabet.count))] })
            if let address = try? IPAddress(text) { #expect(try IPAddress("\(address)") == address) }
            if let cidr = try? CIDR(text) { #expect(try CIDR("\(cidr)") == cidr) }
        }
    }
}
