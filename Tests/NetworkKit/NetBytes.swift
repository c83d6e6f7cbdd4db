// SPDX-License-Identifier: Apache-2.0
import NetworkTypes

/// Packet bytes by hand, for what the kernel's sockets don't send: SCTP, spoofed sources, odd fragments.
public enum NetBytes {
    public static func big(_ value: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: value.bigEndian) { Array($0) }
    }

    /// The bytes at the start of `bytes` as an integer in network byte order; missing ones are zero.
    public static func integer<Value: FixedWidthInteger>(_ bytes: ArraySlice<UInt8>) -> Value {
        (0..<MemoryLayout<Value>.size).reduce(0) { value, index in
            value << 8 | (index < bytes.count ? Value(bytes[bytes.startIndex + index]) : 0)
        }
    }

    public static func of(_ address: IPAddress) -> [UInt8] {
        address.family == .ipv4 ? big(address.v4) : big(address.high) + big(address.low)
    }

    /// The 16 bytes of an IPv6 address.
    static func address(_ bytes: Slice<UnsafeRawBufferPointer>) -> IPAddress {
        let bytes = Array(bytes)
        return IPAddress(v6High: integer(bytes[0..<8]), low: integer(bytes[8..<16]))
    }

    /// RFC 1071.
    public static func checksum(_ bytes: [UInt8]) -> UInt16 {
        var sum: UInt32 = 0
        for index in stride(from: 0, to: bytes.count, by: 2) {
            sum += UInt32(bytes[index]) << 8 | (index + 1 < bytes.count ? UInt32(bytes[index + 1]) : 0)
        }
        while sum > 0xffff { sum = sum & 0xffff + sum >> 16 }
        return ~UInt16(sum)
    }

    /// An IP header for `payload`. IPv4: identification and fragment fields as given, and the checksum (RFC 791).
    public static func ip(
        from source: IPAddress, to destination: IPAddress, protocol number: UInt8, payload: [UInt8],
        identification: UInt16 = 0, fragment: UInt16 = 0
    ) -> [UInt8] {
        if source.family == .ipv4 {
            let lengths = [0x45, 0] + big(UInt16(20 + payload.count)) + big(identification) + big(fragment)
            let sum = checksum(lengths + [64, number, 0, 0] + of(source) + of(destination))
            return lengths + [64, number] + big(sum) + of(source) + of(destination) + payload
        }
        return [0x60, 0, 0, 0] + big(UInt16(payload.count)) + [number, 64] + of(source) + of(destination) + payload
    }

    /// A UDP datagram with its checksum (RFC 768, RFC 8200 section 8.1).
    public static func udp(
        from source: IPAddress, _ sourcePort: UInt16, to destination: IPAddress, _ port: UInt16, payload: [UInt8]
    ) -> [UInt8] {
        let length = big(UInt16(8 + payload.count))
        let header = big(sourcePort) + big(port) + length
        let pseudo = of(source) + of(destination) + [0, 17] + length
        let sum = checksum(pseudo + header + [0, 0] + payload)
        return header + big(sum == 0 ? 0xffff : sum) + payload
    }

    /// An SCTP packet of one chunk (RFC 9260), with its CRC32c.
    public static func sctp(
        from sourcePort: UInt16, to port: UInt16, tag: UInt32, chunk: UInt8, body: [UInt8]
    ) -> [UInt8] {
        let header = big(sourcePort) + big(port) + big(tag)
        let chunk = [chunk, 0] + big(UInt16(4 + body.count)) + body
        let sum = crc32c(header + [0, 0, 0, 0] + chunk)
        return header + withUnsafeBytes(of: sum.littleEndian) { Array($0) } + chunk
    }

    /// RFC 9260, appendix A.
    public static func crc32c(_ bytes: [UInt8]) -> UInt32 {
        var crc: UInt32 = ~0
        for byte in bytes {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0x82f6_3b78 : crc >> 1 }
        }
        return ~crc
    }
}
