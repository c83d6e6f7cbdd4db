// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import RequestDecider
import RequestPolicy
import SPOP
import Testing

/// How HAProxy's messages are read: what is missing, hostile or huge is never allowed, and never read as another question.
@Suite struct QuestionTests {
    typealias Shop = DeciderShop

    private static let damaged: [SPOPMessage] = [
        SPOPMessage(name: "", arguments: []), SPOPMessage(name: "request", arguments: []),
        Shop.message("other"), Shop.message("Flow"), Shop.message("request2"),
        Shop.message().with("source", nil), Shop.message().with("source", .null),
        Shop.message().with("source", .text("10.0.0.1")), Shop.message().with("source", .uint32(0x0a00_0001)),
        Shop.message().with("destination", nil), Shop.message().with("destination", .binary([10, 0, 0, 2])),
        Shop.message().with("sourcePort", nil), Shop.message().with("sourcePort", .bool(true)),
        Shop.message().with("port", nil), Shop.message().with("port", .int32(-1)),
        Shop.message().with("port", .int32(65_536)), Shop.message().with("port", .uint64(.max)),
        Shop.message().with("port", .text("80")), Shop.message().with("method", nil),
        Shop.message().with("method", .text("")), Shop.message().with("method", .null),
        Shop.message().with("target", nil), Shop.message().with("target", .int32(1)),
        Shop.headers([]).with("headers", .binary([])), Shop.headers([]).with("headers", .binary([1, 97, 1, 98])),
        Shop.headers([]).with("headers", .binary([4, 104, 111])),
        Shop.headers([]).with("headers", .binary([255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255])),
    ]

    @Test(arguments: damaged)
    func whatIsDamagedIsUnknown(message: SPOPMessage) {
        let decider = AskedDecider(Shop.policy)
        #expect(decider.verdict(message) == "unknown")
        let told = decider.told()
        #expect(told?.counts.contains { $0.verdict == .allow } != true)
    }

    @Test func numbersOfAnyType() {
        let decider = AskedDecider(Shop.policy)
        for value: SPOPValue in [.int32(81), .uint32(81), .int64(81), .uint64(81)] {
            #expect(decider.verdict(Shop.message("flow").with("port", value)) == "pass")
        }
    }

    /// ::ffff:10.0.0.1 is 10.0.0.1; ::10.0.0.1 is another address.
    @Test func mappedAddressesAreIPv4Addresses() {
        let decider = AskedDecider(Shop.policy)
        let mapped = Shop.message("flow", port: 81).with("source", .ipv6(0, 0xffff_0a00_0001))
            .with("destination", .ipv6(0, 0xffff_0a00_0002))
        #expect(decider.verdict(mapped) == "pass")
        let compatible = Shop.message("flow", port: 81).with("source", .ipv6(0, 0x0a00_0001))
        #expect(decider.verdict(compatible) == "deny")
        #expect(decider.verdict(mapped.with("source", .ipv6(1, 0xffff_0a00_0001))) == "deny")
    }

    /// The first of two arguments of one name counts, as in ``SPOPMessage``.
    @Test func aSecondArgumentChangesNothing() {
        let decider = AskedDecider(Shop.policy)
        var message = Shop.message("flow", from: Shop.stranger, port: 81)
        message.arguments.append(.init(name: "source", value: SPOPValue(Shop.client)))
        #expect(decider.verdict(message) == "deny")
    }

    @Test(
        arguments: [
            [0xff, 0xfe], [0x2f, 0xc3], [0x2f, 0xc0, 0xaf], [0x2f, 0xed, 0xa0, 0x80], [0x2f, 0], [],
            Array("/\u{FFFD}".utf8), Array("/a\r\nHost: x".utf8) + [0xff],
        ] as [[UInt8]])
    func hostileTargetsAreRefusedWherePathsAreRead(target: [UInt8]) {
        let decider = AskedDecider(Shop.policy)
        let verdict = decider.verdict(Shop.headers([], method: "PUT").with("target", .string(target)))
        #expect(verdict == "refuse" || verdict == "deny")
        let allowed = decider.verdict(Shop.headers([]).with("target", .string(target)))
        // A null byte itself never comes from HAProxy; it is like any other byte of a name.
        #expect(allowed == (target == [0x2f, 0] ? "allow" : "refuse"))
    }

    /// Bytes that are not UTF-8 equal no text of a policy.
    @Test func hostileHostsAndHeadersMatchNothing() {
        let decider = AskedDecider(Shop.policy)
        let host = Shop.message(port: 82).with("host", .string(Array("api.shop".utf8) + [0xff]))
        #expect(decider.verdict(host) == "refuse")
        let value: [UInt8] = [7] + Array("x-token".utf8) + [2, 0xff, 0x61, 0, 0]
        let token = Shop.headers([], from: Shop.stranger, method: "GET").with("headers", .binary(value))
        #expect(decider.verdict(token) == "deny")
        let method = Shop.headers([]).with("method", .string(Array("POST".utf8) + [0]))
        #expect(decider.verdict(method) == "deny")
    }

    /// What is kept of a request is bounded in bytes, although one character may have thousands.
    @Test func recordsAreShort() throws {
        let decider = AskedDecider(Shop.policy)
        let long = "/e" + String(repeating: "\u{301}", count: 8000)
        let message = Shop.message(port: 82, method: String(repeating: "M", count: 5000), target: long, host: long)
        let record = try #require(decider.record(message))
        #expect(record.path.utf8.count == 512 && record.host.utf8.count == 512 && record.method.utf8.count == 512)
        #expect(long.unicodeScalars.starts(with: record.path.unicodeScalars))
        let odd = try #require(decider.record(Shop.message(port: 82, target: "/ee" + long, host: "b")))
        #expect(odd.path.utf8.count == 511, "a scalar is never cut")
        #expect(("/ee" + long).unicodeScalars.starts(with: odd.path.unicodeScalars))
    }

    /// A whole frame of headers, read in time.
    @Test func hugeRequestsAreRead() {
        let decider = AskedDecider(Shop.policy)
        let many = (0..<4000).map { ("x-\($0 % 7)", "v") } + [("x-token", "a")]
        #expect(decider.verdict(Shop.headers(many, from: Shop.stranger, method: "GET")) == "allow")
        let path = "/" + String(repeating: "a/", count: 200_000)
        #expect(decider.verdict(Shop.headers([], target: path)) == "allow")
        #expect(decider.verdict(Shop.headers([], target: path + "../" + path)) == "refuse", "//")
        #expect(decider.verdict(Shop.headers([], target: String(repeating: "/..", count: 100_000))) == "refuse")
    }
}
