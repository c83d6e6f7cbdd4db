// SPDX-License-Identifier: Apache-2.0
import CLinuxShim
import NetworkTypes

/// Bytes of a netlink datagram, every access checked against their length.
struct NetlinkBytes {
    let bytes: UnsafeRawBufferPointer

    var count: Int { bytes.count }

    /// A value in host byte order, as netlink headers carry them.
    func load<Value: BitwiseCopyable>(_ type: Value.Type, at offset: Int = 0, _ what: String) throws(NodeNetworkError)
        -> Value
    {
        let size = MemoryLayout<Value>.size
        guard offset >= 0, bytes.count - size >= offset else {
            throw .truncated(what: what, needed: offset + size, available: bytes.count)
        }
        return bytes.loadUnaligned(fromByteOffset: offset, as: type)
    }

    func slice(_ range: Range<Int>, _ what: String) throws(NodeNetworkError) -> NetlinkBytes {
        guard range.lowerBound >= 0, range.upperBound <= bytes.count else {
            throw .truncated(what: what, needed: range.upperBound, available: bytes.count)
        }
        return NetlinkBytes(bytes: UnsafeRawBufferPointer(rebasing: bytes[range]))
    }

    /// Calls `body` with type and payload of each attribute (`struct rtattr`) from `offset` on. Each step advances by
    /// at least the four bytes of a header, so the loop ends.
    func forEachAttribute(
        from offset: Int, _ body: (_ type: Int, _ payload: NetlinkBytes) throws(NodeNetworkError) -> Void
    ) throws(NodeNetworkError) {
        let header = MemoryLayout<rtattr>.size
        var position = offset
        while count - position >= header {
            let attribute = try load(rtattr.self, at: position, "attribute")
            let length = Int(attribute.rta_len)
            guard length >= header else { throw .invalid(what: "attribute length", value: length) }
            let payload = try slice(position + header..<position + length, "attribute \(attribute.rta_type)")
            // The two upper bits mean "nested" and "network byte order" (NLA_F_NESTED, NLA_F_NET_BYTEORDER).
            try body(Int(attribute.rta_type & 0x3fff), payload)
            position += Self.aligned(length)
        }
    }

    /// The text up to the first zero byte, or all of it.
    var text: String { String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self) }

    /// The six bytes of an Ethernet address, the first one uppermost; nil for hardware with other addresses.
    var hardwareAddress: UInt64? { count == 6 ? bytes.reduce(0) { $0 << 8 | UInt64($1) } : nil }

    /// All bytes as an address of `family`.
    func address(_ family: AddressFamily) throws(NodeNetworkError) -> IPAddress {
        switch family {
        case .ipv4:
            guard count == 4 else { throw .invalid(what: "IPv4 address length", value: count) }
            return IPAddress(v4: UInt32(bigEndian: try load(UInt32.self, "address")))
        case .ipv6:
            guard count == 16 else { throw .invalid(what: "IPv6 address length", value: count) }
            return IPAddress(
                v6High: UInt64(bigEndian: try load(UInt64.self, "address")),
                low: UInt64(bigEndian: try load(UInt64.self, at: 8, "address")))
        }
    }

    /// Headers and attributes start at multiples of four bytes (NLMSG_ALIGNTO, RTA_ALIGNTO).
    static func aligned(_ length: Int) -> Int { (length + 3) & ~3 }
}
