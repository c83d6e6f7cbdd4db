// SPDX-License-Identifier: Apache-2.0

extension UInt8 {
    package var isASCIIDigit: Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) }
    package var isASCIILower: Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(self) }
    package var isASCIILetter: Bool { isASCIILower || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(self) }
    package var isASCIIAlphanumeric: Bool { isASCIILetter || isASCIIDigit }
    /// The four bytes that JSON allows between its tokens (RFC 8259, 2).
    package var isJSONSpace: Bool { self == 32 || self == 9 || self == 13 || self == 10 }
}
