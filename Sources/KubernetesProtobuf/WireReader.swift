// SPDX-License-Identifier: Apache-2.0

/// Field number and wire type, as a message has them before each value.
struct WireTag {
    let raw: UInt32
    var number: UInt32 { raw >> 3 }
    var wireType: UInt8 { UInt8(raw & 7) }
}

/// Pulls fields from one message of the protobuf wire format.
///
/// Every step consumes a byte or fails, and none reads beyond the end of the message, so the time is linear in any
/// input. A known field with another wire type is refused, not skipped: it would be a part of a policy that is not
/// read.
struct WireReader {
    /// The bytes to which all positions refer.
    let bytes: UnsafeRawBufferPointer
    private(set) var position: Int
    let end: Int

    /// - Parameter range: a range of `bytes`, which must outlive the reader.
    init(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) {
        precondition(range.lowerBound >= 0 && range.upperBound <= bytes.count)
        self.bytes = bytes
        position = range.lowerBound
        end = range.upperBound
    }

    func failure(_ reason: ProtobufError.Reason) -> ProtobufError { ProtobufError(offset: position, reason: reason) }

    /// Nil at the end of the message.
    @inline(__always)
    mutating func next() throws(ProtobufError) -> WireTag? {
        guard position < end else { return nil }
        let start = position
        let raw = try number()
        guard raw >= 8, raw <= UInt64(UInt32.max) else {
            position = start
            throw failure(.fieldNumber(raw >> 3))
        }
        return WireTag(raw: UInt32(truncatingIfNeeded: raw))
    }

    /// A number of 1 to 10 bytes.
    @inline(__always)
    private mutating func number() throws(ProtobufError) -> UInt64 {
        guard position < end else { throw failure(.truncated(missing: 1)) }
        let first = bytes[position]
        if first < 0x80 {
            position += 1
            return UInt64(first)
        }
        return try longNumber()
    }

    private mutating func longNumber() throws(ProtobufError) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        var at = position
        while at < end {
            let byte = bytes[at]
            at += 1
            // The tenth byte holds only the 64th bit.
            if shift == 63, byte > 1 { throw failure(.numberTooLong) }
            value |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 {
                position = at
                return value
            }
            shift += 7
        }
        throw failure(.truncated(missing: 1))
    }

    /// The value of a varint field: `int32`, `int64`, `bool`.
    @inline(__always)
    mutating func integer(_ tag: WireTag) throws(ProtobufError) -> Int64 {
        try expect(0, tag)
        return Int64(bitPattern: try number())
    }

    mutating func flag(_ tag: WireTag) throws(ProtobufError) -> Bool { try integer(tag) != 0 }

    /// The low 32 bits, as other implementations read an `int32`.
    mutating func integer32(_ tag: WireTag) throws(ProtobufError) -> Int32 {
        Int32(truncatingIfNeeded: try integer(tag))
    }

    /// The range of the content of a `string`, `bytes` or message field.
    @inline(__always)
    mutating func content(_ tag: WireTag) throws(ProtobufError) -> Range<Int> {
        try expect(2, tag)
        return try content()
    }

    @inline(__always)
    private mutating func content() throws(ProtobufError) -> Range<Int> {
        let length = try number()
        let left = end - position
        guard length <= UInt64(left) else {
            throw failure(.truncated(missing: Int(clamping: length - UInt64(left))))
        }
        let start = position
        position += Int(length)
        return start..<position
    }

    @inline(__always)
    mutating func text(_ tag: WireTag) throws(ProtobufError) -> String { text(in: try content(tag)) }

    /// Bytes that are not UTF-8 become U+FFFD, as in JSON from the API server: any user may put them into an
    /// annotation, and one object must not make a whole list unreadable.
    @inline(__always)
    func text(in range: Range<Int>) -> String {
        String(decoding: UnsafeRawBufferPointer(rebasing: bytes[range]), as: UTF8.self)
    }

    @inline(__always)
    mutating func message(_ tag: WireTag) throws(ProtobufError) -> WireReader {
        WireReader(bytes, try content(tag))
    }

    /// Skips a field that is not needed.
    @inline(__always)
    mutating func skip(_ tag: WireTag) throws(ProtobufError) {
        switch tag.wireType {
        case 0: _ = try number()
        case 1: try skip(bytes: 8)
        case 2: _ = try content()
        case 5: try skip(bytes: 4)
        default: throw failure(.wireType(tag.wireType))
        }
    }

    private mutating func skip(bytes count: Int) throws(ProtobufError) {
        guard count <= end - position else { throw failure(.truncated(missing: count - (end - position))) }
        position += count
    }

    @inline(__always)
    private func expect(_ wireType: UInt8, _ tag: WireTag) throws(ProtobufError) {
        guard tag.wireType == wireType else {
            throw failure(.wrongWireType(field: tag.number, found: tag.wireType, expected: wireType))
        }
    }
}

extension UnsafeRawBufferPointer {
    /// Whether both ranges have the same bytes. Compares eight at a time from the end, because long texts with a common
    /// beginning usually differ there.
    func areSame(_ a: Range<Int>, _ b: Range<Int>) -> Bool {
        guard a.count == b.count else { return false }
        precondition(a.lowerBound >= 0 && b.lowerBound >= 0 && a.upperBound <= count && b.upperBound <= count)
        var left = a.count
        while left >= 8 {
            left -= 8
            let word = loadUnaligned(fromByteOffset: a.lowerBound + left, as: UInt64.self)
            guard word == loadUnaligned(fromByteOffset: b.lowerBound + left, as: UInt64.self) else { return false }
        }
        while left > 0 {
            left -= 1
            guard self[a.lowerBound + left] == self[b.lowerBound + left] else { return false }
        }
        return true
    }

    /// Whether the bytes of `range` are those of `text`.
    func isText(_ range: Range<Int>, _ text: StaticString) -> Bool {
        guard range.count == text.utf8CodeUnitCount else { return false }
        for offset in 0..<range.count where self[range.lowerBound + offset] != text.utf8Start[offset] { return false }
        return true
    }
}
