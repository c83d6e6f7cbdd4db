// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import Testing

@Suite struct CIDRTests {
    @Test(arguments: [
        ("0.0.0.0/0", "0.0.0.0/0"), ("10.1.2.3/8", "10.0.0.0/8"), ("10.1.2.3/32", "10.1.2.3/32"),
        ("255.255.255.255/1", "128.0.0.0/1"), ("::/0", "::/0"), ("2001:db8::1/64", "2001:db8::/64"),
        ("2001:db8::ffff/127", "2001:db8::fffe/127"), ("::1/128", "::1/128"), ("1:2:3:4:5:6:7:8/65", "1:2:3:4::/65"),
    ])
    func reads(text: String, canonical: String) throws {
        #expect("\(try CIDR(text))" == canonical)
    }

    @Test(arguments: [
        "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/08", "10.0.0.0/8 ", "10.0.0.0/ 8",
        "10.0.0.0/8/8", "10.0.0.0/a", "10.0.0.0/1000", "::/129", "::/0128", "::/", "10.0.0.0/255.0.0.0", "10.0.0.0/８",
    ])
    func wrongPrefix(text: String) {
        let error = #expect(throws: AddressError.self) { try CIDR(text) }
        #expect(error == .prefixOutOfRange(text))
    }

    @Test(arguments: ["", "/", "/8", "10/8", "x/8", "10.0.0/8", "010.0.0.0/8", "[::]/0"])
    func wrongAddress(text: String) {
        #expect(throws: AddressError.self) { try CIDR(text) }
    }

    @Test(arguments: ["::ffff:10.0.0.0/104", "::ffff:a00:0/128", "::FFFF:0:0/96", "0:0:0:0:0:ffff:10.0.0.1/120"])
    func ipv4InIPv6Form(text: String) {
        #expect(throws: AddressError.mappedPrefix(text)) { try CIDR(text) }
    }

    @Test func noPrefix() {
        #expect(throws: AddressError.prefixMissing("10.0.0.1")) { try CIDR("10.0.0.1") }
        #expect(throws: AddressError.notAnAddress("10.0.0")) { try CIDR("10.0.0") }
    }

    @Test func contains() throws {
        let ten = try CIDR("10.0.0.0/8")
        #expect(try ten.contains(IPAddress("10.255.255.255")))
        #expect(try !ten.contains(IPAddress("11.0.0.0")))
        #expect(try !ten.contains(IPAddress("::a00:1")))
        #expect(try ten.contains(CIDR("10.1.0.0/16")))
        #expect(ten.contains(ten))
        #expect(try !ten.contains(CIDR("0.0.0.0/0")))
        #expect(try !CIDR("0.0.0.0/0").contains(IPAddress("::1")))
        #expect(try !CIDR("::/0").contains(IPAddress("1.2.3.4")))
        #expect(try CIDR("2001:db8::/33").contains(IPAddress("2001:db8:7fff::1")))
        #expect(try !CIDR("2001:db8::/33").contains(IPAddress("2001:db8:8000::1")))
    }

    @Test func hosts() throws {
        #expect(try CIDR(host: IPAddress("1.2.3.4")).isHost)
        #expect(try CIDR(host: IPAddress("::1")).prefixLength == 128)
        #expect(try !CIDR("::/32").isHost)
    }

    /// A prefix comes right before everything in it.
    @Test func order() throws {
        let sorted = try [
            "0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/16", "10.0.0.0/32", "10.0.1.0/24", "11.0.0.0/8", "::/0", "::/128",
        ].map { try CIDR($0) }
        #expect(sorted.reversed().sorted() == sorted)
    }
}
