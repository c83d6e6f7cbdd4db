// SPDX-License-Identifier: Apache-2.0
import NetworkTypes

/// Bytes of a netlink message. Every access is checked against their length.
public struct NetlinkBytes {
    public let bytes: UnsafeRawBufferPointer

    @inlinable public init(bytes: UnsafeRawBufferPointer) { self.bytes = bytes }
    @inlinable public init(_ slice: Slice<UnsafeRawBufferPointer>) { bytes = UnsafeRawBufferPointer(rebasing: slice) }

    @inlinable public var count: Int { bytes.count }

    /// A value in host byte order, as netlink headers carry them.
    @inlinable
    public func load<Value: BitwiseCopyable>(
        _ type: Value.Type, at offset: Int = 0, _ what: @autoclosure () -> String
    ) throws(NetlinkFormatError) -> Value {
        let size = MemoryLayout<Value>.size
        guard offset >= 0, bytes.count - size >= offset else {
            throw .truncated(what: what(), needed: offset + size, available: bytes.count)
        }
        return bytes.loadUnaligned(fromByteOffset: offset, as: type)
    }

    @inlinable
    public func slice(
        _ range: Range<Int>, _ what: @autoclosure () -> String
    ) throws(NetlinkFormatError) -> NetlinkBytes {
        guard range.lowerBound >= 0, range.upperBound <= bytes.count else {
            throw .truncated(what: what(), needed: range.upperBound, available: bytes.count)
        }
        return NetlinkBytes(bytes[range])
    }

    /// The text up to the first zero byte, or all of it.
    public var text: String { String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self) }

    /// The six bytes of an Ethernet address, the first one uppermost; nil for hardware with other addresses.
    public var hardwareAddress: UInt64? { count == 6 ? bytes.reduce(0) { $0 << 8 | UInt64($1) } : nil }

    /// 4 or 16 bytes in network byte order; nil for any other number of bytes.
    public var address: IPAddress? {
        switch count {
        case 4: IPAddress(v4: UInt32(bigEndian: bytes.loadUnaligned(as: UInt32.self)))
        case 16:
            IPAddress(
                v6High: UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)),
                low: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)))
        default: nil
        }
    }

    /// All bytes as an address of `family`.
    public func address(_ family: AddressFamily) throws(NetlinkFormatError) -> IPAddress {
        guard let address, address.family == family else {
            throw .invalid(what: "\(family == .ipv4 ? "IPv4" : "IPv6") address length", value: count)
        }
        return address
    }

    /// Headers and attributes start at multiples of four bytes (NLMSG_ALIGNTO, RTA_ALIGNTO).
    @inlinable public static func aligned(_ length: Int) -> Int { (length + 3) & ~3 }
}
