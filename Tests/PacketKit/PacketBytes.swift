// SPDX-License-Identifier: Apache-2.0
import NetworkTypes

extension [UInt8] {
    /// In network byte order.
    mutating func append16(_ value: UInt16) { append(contentsOf: [UInt8(value >> 8), UInt8(value & 0xFF)]) }
    mutating func append32(_ value: UInt32) {
        append16(UInt16(value >> 16))
        append16(UInt16(value & 0xFFFF))
    }
    mutating func store16(_ value: UInt16, at offset: Int) {
        self[offset] = UInt8(value >> 8)
        self[offset + 1] = UInt8(value & 0xFF)
    }

    mutating func append(address: IPAddress) {
        if address.family == .ipv6 {
            append32(UInt32(truncatingIfNeeded: address.high >> 32))
            append32(UInt32(truncatingIfNeeded: address.high))
            append32(UInt32(truncatingIfNeeded: address.low >> 32))
        }
        append32(UInt32(truncatingIfNeeded: address.low))
    }

    /// Nil where the bytes end too early.
    func load16(_ offset: Int) -> UInt16? {
        guard offset >= 0, offset + 2 <= count else { return nil }
        return UInt16(self[offset]) << 8 | UInt16(self[offset + 1])
    }
    func load32(_ offset: Int) -> UInt32? {
        guard let high = load16(offset), let low = load16(offset + 2) else { return nil }
        return UInt32(high) << 16 | UInt32(low)
    }
    func load64(_ offset: Int) -> UInt64? {
        guard let high = load32(offset), let low = load32(offset + 4) else { return nil }
        return UInt64(high) << 32 | UInt64(low)
    }
}

/// The checksums of the internet protocols.
package enum PacketChecksum {
    /// RFC 1071, over all the bytes, an odd last one padded with zero.
    static func internet(_ bytes: [UInt8]) -> UInt16 {
        var sum: UInt32 = 0
        for offset in stride(from: 0, to: bytes.count, by: 2) {
            sum += UInt32(bytes[offset]) << 8 | (offset + 1 < bytes.count ? UInt32(bytes[offset + 1]) : 0)
        }
        while sum > 0xFFFF { sum = (sum & 0xFFFF) + sum >> 16 }
        return ~UInt16(sum)
    }

    /// With the pseudo-header of RFC 768/793 (IPv4) or RFC 8200 section 8.1 (IPv6).
    static func transport(
        _ segment: [UInt8], _ ipProtocol: IPProtocol, source: IPAddress, destination: IPAddress
    ) -> UInt16 {
        var bytes: [UInt8] = []
        bytes.append(address: source)
        bytes.append(address: destination)
        bytes.append32(UInt32(segment.count))
        bytes.append32(UInt32(ipProtocol.rawValue))
        return internet(bytes + segment)
    }

    /// CRC32c (RFC 9260 appendix A), as SCTP stores it.
    package static func sctp(_ bytes: [UInt8]) -> UInt32 {
        var crc: UInt32 = ~0
        for byte in bytes {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc >> 1 ^ (crc & 1 == 1 ? 0x82F6_3B78 : 0) }
        }
        return (~crc).byteSwapped
    }
}
