// SPDX-License-Identifier: Apache-2.0

extension IPAddress: CustomStringConvertible {
    /// Reads dotted decimal IPv4 (no leading zeros) or RFC 4291 IPv6 text, with an embedded IPv4 tail; no zone. An
    /// IPv4-mapped IPv6 address is read as its IPv4 address.
    ///
    /// - Throws: ``AddressError/notAnAddress(_:)``.
    public init(_ text: some StringProtocol) throws(AddressError) {
        guard let address = Array(text.utf8).withUnsafeBytes({ IPAddress(utf8: $0) }) else {
            throw .notAnAddress(String(text.prefix(64)))
        }
        self = address
    }

    /// Reads bytes in the same way as a text; nil if they are not an address.
    package init?(utf8: UnsafeRawBufferPointer) {
        if let bits = Self.parseV4(utf8) {
            self.init(v4: bits)
        } else if utf8.count <= 45, let (high, low) = Self.parseV6(Array(utf8)) {
            self = IPAddress(v6High: high, low: low).unmapped
        } else {
            return nil
        }
    }

    /// The IPv4 address of an IPv4-mapped IPv6 address; any other address itself.
    private var unmapped: IPAddress {
        family == .ipv6 && high == 0 && low >> 32 == 0xffff ? IPAddress(v4: UInt32(truncatingIfNeeded: low)) : self
    }

    private static func parseV4(_ utf8: UnsafeRawBufferPointer) -> UInt32? {
        guard (7...15).contains(utf8.count) else { return nil }
        var (bits, octet, digits, dots) = (UInt32(0), UInt32(0), 0, 0)
        for byte in utf8 {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"):
                // No digit may follow a leading zero.
                guard digits < 3, digits == 0 || octet > 0 else { return nil }
                octet = octet * 10 + UInt32(byte - UInt8(ascii: "0"))
                digits += 1
            case UInt8(ascii: "."):
                guard digits > 0, octet <= 255, dots < 3 else { return nil }
                bits = bits << 8 | octet
                (octet, digits, dots) = (0, 0, dots + 1)
            default: return nil
            }
        }
        guard dots == 3, digits > 0, octet <= 255 else { return nil }
        return bits << 8 | octet
    }

    private static func parseV6(_ utf8: [UInt8]) -> (UInt64, UInt64)? {
        let colon = UInt8(ascii: ":")
        let fields = utf8.split(separator: colon, omittingEmptySubsequences: false)
        guard (3...9).contains(fields.count) else { return nil }
        var head: [UInt16] = []
        var tail: [UInt16] = []
        var gap = false
        var index = 0
        while index < fields.count {
            let field = fields[index]
            if field.isEmpty {
                // "::" is one empty field in the middle, two at either end, three alone.
                guard !gap else { return nil }
                gap = true
                if index == 0 {
                    guard fields[1].isEmpty else { return nil }
                    index += 1
                }
                if index + 1 == fields.count - 1, fields[index + 1].isEmpty {
                    index += 1
                } else if index == fields.count - 1 {
                    return nil
                }
            } else if index == fields.count - 1, field.contains(UInt8(ascii: ".")) {
                guard let v4 = field.withUnsafeBytes(parseV4) else { return nil }
                let groups = [UInt16(truncatingIfNeeded: v4 >> 16), UInt16(truncatingIfNeeded: v4)]
                if gap { tail += groups } else { head += groups }
            } else {
                guard field.count <= 4, let group = hexadecimal(field) else { return nil }
                if gap { tail.append(group) } else { head.append(group) }
            }
            index += 1
        }
        let count = head.count + tail.count
        guard gap ? count <= 7 : count == 8 else { return nil }
        let groups = head + Array(repeating: 0, count: 8 - count) + tail
        let high = groups[0..<4].reduce(UInt64(0)) { $0 << 16 | UInt64($1) }
        let low = groups[4..<8].reduce(UInt64(0)) { $0 << 16 | UInt64($1) }
        return (high, low)
    }

    private static func hexadecimal(_ digits: ArraySlice<UInt8>) -> UInt16? {
        var value: UInt16 = 0
        for byte in digits {
            let digit: UInt8
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte - UInt8(ascii: "a") + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = byte - UInt8(ascii: "A") + 10
            default: return nil
            }
            value = value << 4 | UInt16(digit)
        }
        return value
    }

    /// Dotted decimal, or the canonical IPv6 text of RFC 5952.
    public var description: String {
        switch family {
        case .ipv4:
            return "\(v4 >> 24).\(v4 >> 16 & 255).\(v4 >> 8 & 255).\(v4 & 255)"
        case .ipv6:
            let groups = (0..<8).map { UInt16(truncatingIfNeeded: ($0 < 4 ? high : low) >> UInt64(48 - $0 % 4 * 16)) }
            var best = 0..<0
            var start = 0
            while start < 8 {
                var end = start
                while end < 8, groups[end] == 0 { end += 1 }
                if end - start > max(best.count, 1) { best = start..<end }
                start = max(end, start + 1)
            }
            func text(_ part: ArraySlice<UInt16>) -> String {
                part.map { String($0, radix: 16) }.joined(separator: ":")
            }
            if best.isEmpty { return text(groups[...]) }
            return text(groups[..<best.lowerBound]) + "::" + text(groups[best.upperBound...])
        }
    }
}
