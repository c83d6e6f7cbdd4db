// SPDX-License-Identifier: Apache-2.0
import NetworkTypes

/// Netlink attributes in bytes of outside, one after the other; ends at the first that does not fit.
package struct Attributes: Sequence, IteratorProtocol {
    private var rest: Slice<UnsafeRawBufferPointer>

    package init(_ bytes: Slice<UnsafeRawBufferPointer>) { rest = bytes }
    package init(_ bytes: UnsafeRawBufferPointer) { rest = bytes[...] }

    package mutating func next() -> Attribute? {
        guard rest.count >= 4 else { return nil }
        let header = UnsafeRawBufferPointer(rebasing: rest)
        let length = Int(header.loadUnaligned(as: UInt16.self))
        let type = header.loadUnaligned(fromByteOffset: 2, as: UInt16.self)
        guard length >= 4, length <= rest.count else { return nil }
        let value = rest.prefix(length).dropFirst(4)
        rest = rest.dropFirst((length + 3) & ~3)
        // The two upper bits tell nesting and byte order.
        return Attribute(type: Int(type & 0x3fff), value: value)
    }
}

package struct Attribute {
    package var type: Int
    package var value: Slice<UnsafeRawBufferPointer>

    package var nested: Attributes { Attributes(value) }

    /// An integer in network byte order; 0 when the value is shorter.
    package func integer<Value: FixedWidthInteger>(_: Value.Type = Value.self) -> Value {
        guard value.count >= MemoryLayout<Value>.size else { return 0 }
        return Value(bigEndian: UnsafeRawBufferPointer(rebasing: value).loadUnaligned(as: Value.self))
    }

    /// 4 or 16 bytes in network byte order; nil for any other number of them.
    package var address: IPAddress? {
        let bytes = UnsafeRawBufferPointer(rebasing: value)
        switch bytes.count {
        case 4: return IPAddress(v4: UInt32(bigEndian: bytes.loadUnaligned(as: UInt32.self)))
        case 16:
            let high = UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self))
            let low = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            return IPAddress(v6High: high, low: low)
        default: return nil
        }
    }

    /// Text up to its terminating zero.
    package var text: String { String(decoding: value.prefix { $0 != 0 }, as: UTF8.self) }
}
