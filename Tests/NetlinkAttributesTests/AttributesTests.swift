// SPDX-License-Identifier: Apache-2.0
import NetlinkAttributes
import NetworkTypes
import Testing

/// Attributes as bytes; this machine's order is little-endian.
struct AttributesTests {
    private static func types(_ bytes: [UInt8]) -> [Int] {
        bytes.withUnsafeBytes { Attributes(NetlinkBytes(bytes: $0)).map(\.type) }
    }

    private static func failure(_ bytes: [UInt8]) -> NetlinkFormatError? {
        bytes.withUnsafeBytes { bytes in
            do throws(NetlinkFormatError) {
                try NetlinkBytes(bytes: bytes).forEachAttribute(from: 0) { _, _ in }
                return nil
            } catch {
                return error
            }
        }
    }

    /// The sequence ends where the strict reader throws.
    @Test(
        arguments: [
            ([], [], nil),
            ([5, 0, 1, 0, 7, 0, 0, 0, 4, 0, 2, 0], [1, 2], nil),
            // Nested, and in network byte order.
            ([4, 0, 1, 0x80, 4, 0, 2, 0x40], [1, 2], nil),
            // The last one without its padding.
            ([5, 0, 1, 0, 7], [1], nil),
            ([4, 0, 1, 0, 9, 0], [1], nil),
            ([4, 0, 1, 0, 3, 0, 2, 0], [1], .invalid(what: "attribute length", value: 3)),
            ([4, 0, 1, 0, 9, 0, 2, 0, 1, 2], [1], .truncated(what: "attribute 2", needed: 13, available: 10)),
        ] as [([UInt8], [Int], NetlinkFormatError?)])
    func ends(bytes: [UInt8], types: [Int], failure: NetlinkFormatError?) {
        #expect(Self.types(bytes) == types)
        #expect(Self.failure(bytes) == failure)
    }

    @Test func values() {
        let bytes: [UInt8] = [8, 0, 1, 0, 1, 2, 3, 4, 8, 0, 2, 0, 0x61, 0x62, 0, 0x63]
        bytes.withUnsafeBytes { bytes in
            let found = Array(Attributes(NetlinkBytes(bytes: bytes)))
            #expect(found[0].integer(UInt32.self) == 0x0102_0304 && found[0].integer(UInt16.self) == 0x0102)
            #expect(found[0].integer(UInt64.self) == 0)
            #expect(found[0].value.address == IPAddress(v4: 0x0102_0304))
            #expect(found[1].text == "ab")
            #expect(throws: NetlinkFormatError.invalid(what: "IPv6 address length", value: 4)) {
                try found[0].value.address(.ipv6)
            }
        }
    }

    @Test(
        arguments: [
            (4, "1.2.3.4"), (16, "102:304:506:708:90a:b0c:d0e:f10"), (6, nil), (0, nil),
        ] as [(Int, String?)])
    func addresses(count: Int, text: String?) {
        let bytes = (0..<count).map { UInt8($0 + 1) }
        bytes.withUnsafeBytes { bytes in
            let value = NetlinkBytes(bytes: bytes)
            #expect(value.address.map(\.description) == text)
            #expect(value.hardwareAddress == (count == 6 ? 0x0102_0304_0506 : nil))
        }
    }
}
