// SPDX-License-Identifier: Apache-2.0

/// Writes strings as JSON (RFC 8259, 7), in one line and without control characters.
public enum JSONString {
    /// The text in quotes.
    public static func quoted(_ text: String) -> String {
        var quoted: [UInt8] = []
        quoted.reserveCapacity(text.utf8.count + 2)
        append(text, to: &quoted)
        return String(decoding: quoted, as: UTF8.self)
    }

    /// Appends the text in quotes.
    public static func append(_ text: String, to output: inout [UInt8]) {
        output.append(UInt8(ascii: "\""))
        var hasC1Lead = false
        for byte in text.utf8 {
            // U+0080 to U+009F are also control characters: 0xc2 and a byte below 0xa0.
            if hasC1Lead {
                hasC1Lead = false
                if byte < 0xa0 {
                    appendEscape(byte, to: &output)
                } else {
                    output.append(0xc2)
                    output.append(byte)
                }
                continue
            }
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                output.append(UInt8(ascii: "\\"))
                output.append(byte)
            case UInt8(ascii: "\n"): output.append(contentsOf: #"\n"#.utf8)
            case UInt8(ascii: "\t"): output.append(contentsOf: #"\t"#.utf8)
            case ..<0x20, 0x7f: appendEscape(byte, to: &output)
            case 0xc2: hasC1Lead = true
            default: output.append(byte)
            }
        }
        output.append(UInt8(ascii: "\""))
    }

    private static func appendEscape(_ scalar: UInt8, to output: inout [UInt8]) {
        let digits = String(scalar, radix: 16)
        output.append(contentsOf: "\\u00\(digits.count == 1 ? "0" : "")\(digits)".utf8)
    }
}
