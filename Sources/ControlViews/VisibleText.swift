// SPDX-License-Identifier: Apache-2.0

/// Text from others for a terminal. Any user who may create objects chooses names.
public enum VisibleText {
    /// Control characters in printed form, instead of their effect on a terminal. Line ends, tabs and the sequences
    /// in `keeping` stay.
    public static func escaped(_ text: String, keeping sequences: [String] = []) -> String {
        guard text.unicodeScalars.contains(where: isControl) else { return text }
        var result = ""
        var rest = text[...]
        while let scalar = rest.unicodeScalars.first {
            if let sequence = sequences.first(where: { rest.hasPrefix($0) }) {
                result += sequence
                rest = rest.dropFirst(sequence.count)
                continue
            }
            rest.unicodeScalars.removeFirst()
            guard isControl(scalar) else {
                result.unicodeScalars.append(scalar)
                continue
            }
            let digits = String(scalar.value, radix: 16)
            result += "\\u" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
        }
        return result
    }

    /// The same on one line: a line end in a name must not start a line of a table.
    public static func line(_ text: String) -> String {
        let escaped = escaped(text)
        guard escaped.utf8.contains(where: { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\t") }) else {
            return escaped
        }
        return String(escaped.map { $0 == "\n" || $0 == "\t" ? " " : $0 })
    }

    /// C0 and C1 controls, and the characters that reverse the direction of text (Unicode, UAX 9).
    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "\n", "\t": false
        case "\u{0}"..."\u{1f}", "\u{7f}"..."\u{9f}", "\u{200e}"..."\u{200f}", "\u{202a}"..."\u{202e}",
            "\u{2066}"..."\u{2069}":
            true
        default: false
        }
    }
}
