// SPDX-License-Identifier: Apache-2.0

/// The bytes of a base64 text (RFC 4648) in which the build embeds objects: no line breaks, padded at the end.
func decodeBase64(_ text: StaticString) -> [UInt8] {
    func value(_ character: UInt8) -> UInt32 {
        switch character {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(character - UInt8(ascii: "A"))
        case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(character - UInt8(ascii: "a")) + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(character - UInt8(ascii: "0")) + 52
        case UInt8(ascii: "+"): 62
        default: 63
        }
    }
    return text.withUTF8Buffer { characters in
        var bytes: [UInt8] = []
        bytes.reserveCapacity(characters.count / 4 * 3)
        var (bits, count): (UInt32, Int) = (0, 0)
        for character in characters where character != UInt8(ascii: "=") {
            bits = bits << 6 | value(character)
            count += 6
            guard count >= 8 else { continue }
            count -= 8
            bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
        }
        return bytes
    }
}
