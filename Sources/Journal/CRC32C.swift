// SPDX-License-Identifier: Apache-2.0

/// The checksum of iSCSI, btrfs and ext4 (RFC 3720, appendix B.4): it finds every error of up to 32 bits in a row.
package struct CRC32C: Sendable {
    private var remainder: UInt32 = 0xffff_ffff

    package init() {}

    /// By byte; the reflected polynomial 0x1EDC6F41.
    private static let table: [UInt32] = (0..<256).map { byte in
        (0..<8).reduce(UInt32(byte)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0x82f6_3b78 : value >> 1 }
    }

    package mutating func add(_ bytes: some Sequence<UInt8>) {
        var value = remainder
        Self.table.withUnsafeBufferPointer { table in
            for byte in bytes { value = value >> 8 ^ table[Int((value ^ UInt32(byte)) & 0xff)] }
        }
        remainder = value
    }

    package var value: UInt32 { ~remainder }
}
