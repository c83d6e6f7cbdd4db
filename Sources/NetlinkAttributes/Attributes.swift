// SPDX-License-Identifier: Apache-2.0

/// One netlink attribute (`struct nlattr`, which rtnetlink calls `struct rtattr`).
public struct Attribute {
    public let type: Int
    public let value: NetlinkBytes

    @usableFromInline
    init(type: Int, value: NetlinkBytes) {
        self.type = type
        self.value = value
    }

    @inlinable public var nested: Attributes { Attributes(value) }

    /// An integer in network byte order; 0 if the value is shorter.
    @inlinable
    public func integer<Value: FixedWidthInteger & BitwiseCopyable>(_: Value.Type = Value.self) -> Value {
        (try? value.load(Value.self, "integer")).map { Value(bigEndian: $0) } ?? 0
    }

    /// The value's text up to its terminating zero.
    public var text: String { value.text }
}

extension NetlinkBytes {
    /// The size of an attribute's header: length and type.
    @usableFromInline static var attributeHeader: Int { 4 }

    /// The attribute at `position`, which advances to the next one by at least the size of a header; nil at the end.
    @inlinable
    public func attribute(at position: inout Int) throws(NetlinkFormatError) -> Attribute? {
        guard count - position >= Self.attributeHeader else { return nil }
        let length = Int(try load(UInt16.self, at: position, "attribute"))
        let type = try load(UInt16.self, at: position + 2, "attribute")
        guard length >= Self.attributeHeader else { throw .invalid(what: "attribute length", value: length) }
        let value = try slice(position + Self.attributeHeader..<position + length, "attribute \(type)")
        position += Self.aligned(length)
        // The two upper bits mean "nested" and "network byte order" (NLA_F_NESTED, NLA_F_NET_BYTEORDER).
        return Attribute(type: Int(type & 0x3fff), value: value)
    }

    /// Calls `body` with the type and the value of each attribute from `offset` on.
    public func forEachAttribute(
        from offset: Int, _ body: (_ type: Int, _ value: NetlinkBytes) throws(NetlinkFormatError) -> Void
    ) throws(NetlinkFormatError) {
        var position = offset
        while let attribute = try attribute(at: &position) { try body(attribute.type, attribute.value) }
    }
}

/// Netlink attributes, one after the other. The sequence ends at the first one that does not fit into the bytes.
public struct Attributes: Sequence, IteratorProtocol {
    @usableFromInline let bytes: NetlinkBytes
    @usableFromInline var position = 0

    @inlinable public init(_ bytes: NetlinkBytes) { self.bytes = bytes }
    @inlinable public init(_ bytes: Slice<UnsafeRawBufferPointer>) { self.bytes = NetlinkBytes(bytes) }

    @inlinable
    public mutating func next() -> Attribute? {
        // What does not fit is never skipped: the position stays.
        try? bytes.attribute(at: &position)
    }
}
