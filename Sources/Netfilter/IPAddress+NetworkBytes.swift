// SPDX-License-Identifier: Apache-2.0
import NetworkTypes

extension IPAddress {
    /// Network byte order: 4 or 16 bytes.
    package var networkBytes: [UInt8] {
        family == .ipv4
            ? withUnsafeBytes(of: v4.bigEndian) { Array($0) }
            : withUnsafeBytes(of: high.bigEndian) { Array($0) } + withUnsafeBytes(of: low.bigEndian) { Array($0) }
    }

    /// From 4 or 16 bytes in network byte order; nil for any other number of bytes.
    package init?(networkBytes bytes: some RandomAccessCollection<UInt8>) {
        switch bytes.count {
        case 4: self.init(v4: bytes.reduce(0) { $0 << 8 | UInt32($1) })
        case 16:
            self.init(
                v6High: bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) },
                low: bytes.suffix(8).reduce(0) { $0 << 8 | UInt64($1) })
        default: return nil
        }
    }
}
