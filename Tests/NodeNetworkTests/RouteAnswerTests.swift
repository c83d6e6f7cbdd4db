// SPDX-License-Identifier: Apache-2.0
import NetworkTypes
import NodeNetwork
import Testing

/// Answers about rules and routes, byte for byte: pure.
struct RouteAnswerTests {
    /// RTM_NEWRULE, 32 bytes of header and body, and the attributes FRA_PRIORITY 110, FRA_FWMARK 0x10, FRA_FWMASK 0x30,
    /// FRA_TABLE 9105, FRA_PROTOCOL 66.
    private static let rule: [UInt8] =
        [64, 0, 0, 0, 32, 0, 2, 0, 7, 0, 0, 0, 0, 0, 0, 0]
        + [2, 0, 0, 0, 252, 0, 0, 1, 0, 0, 0, 0]
        + [8, 0, 6, 0, 110, 0, 0, 0, 8, 0, 10, 0, 16, 0, 0, 0, 8, 0, 16, 0, 48, 0, 0, 0]
        + [8, 0, 15, 0, 0x91, 0x23, 0, 0, 5, 0, 21, 0, 66, 0, 0, 0]

    /// RTM_NEWROUTE to everything, by 192.0.2.7 over the link 5 in table 9105 with metric 100, of another owner.
    private static let route: [UInt8] =
        [60, 0, 0, 0, 24, 0, 2, 0, 7, 0, 0, 0, 0, 0, 0, 0]
        + [2, 0, 0, 0, 252, 4, 0, 1, 4, 0, 0, 0]
        + [8, 0, 15, 0, 0x91, 0x23, 0, 0, 8, 0, 6, 0, 100, 0, 0, 0]
        + [8, 0, 5, 0, 192, 0, 2, 7, 8, 0, 4, 0, 5, 0, 0, 0]

    private static func parse(_ bytes: [UInt8]) throws -> [RouteAnswer] {
        try bytes.withUnsafeBytes { try RouteAnswer.parse($0) }
    }

    /// The length of the message's header follows from its bytes.
    private static func message(_ bytes: [UInt8]) -> [UInt8] { [UInt8(bytes.count)] + bytes.dropFirst() }

    @Test func known() throws {
        let rule = MarkRule(.ipv4, priority: 110, mark: 0x10, mask: 0x30, table: 9105)
        let router = IPAddress(v4: 0xc000_0207)
        let route = TableRoute(defaultOf: .ipv4, table: 9105, .link(5, via: router), metric: 100)
        #expect(route.description == "0.0.0.0/0 via 192.0.2.7 dev 5 table 9105 metric 100")
        let bytes = Self.message(Self.rule) + Self.message(Self.route)
        #expect(try Self.parse(bytes) == [.rule(rule, isOwn: true), .route(route, isOwn: false)])
    }

    /// RTN_BLACKHOLE (6) is a kind that is not read; RTN_UNREACHABLE (7) has no link.
    @Test(arguments: [(UInt8(6), RouteAnswer.other), (7, nil)]) func kinds(kind: UInt8, answer: RouteAnswer?) throws {
        var bytes = Self.message(Self.route)
        bytes[16 + 7] = kind
        let unreachable = TableRoute(defaultOf: .ipv4, table: 9105, .unreachable, metric: 100)
        #expect(try Self.parse(bytes) == [answer ?? .route(unreachable, isOwn: false)])
    }

    @Test func truncated() {
        let bytes = Self.message(Self.rule)
        #expect(throws: NodeNetworkError.self) { try Self.parse(Array(bytes.prefix(20))) }
        var long = bytes
        long[28] = 200
        #expect(throws: NodeNetworkError.self) { try Self.parse(long) }
    }

    /// NLMSG_ERROR with EEXIST (17), and with the number that has no opposite.
    @Test(arguments: [([0xef, 0xff, 0xff, 0xff], 17), ([0, 0, 0, 0x80], Int32.min)] as [([UInt8], Int32)])
    func errors(code: [UInt8], number: Int32) throws {
        let bytes: [UInt8] = [20, 0, 0, 0, 2, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0] + code
        #expect(try Self.parse(bytes) == [.ended(sequence: 7, code: number)])
    }

    /// Whatever the bytes, they are read or refused.
    @Test func damaged() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<20_000 {
            var bytes = Self.message(Self.rule) + Self.message(Self.route)
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                bytes[Int.random(in: bytes.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            _ = try? Self.parse(Array(bytes.prefix(Int.random(in: 0...bytes.count, using: &random))))
        }
    }
}
