// SPDX-License-Identifier: Apache-2.0

/// How many columns of a terminal a text takes: wide characters take two, combining ones none.
public enum TextWidth {
    /// The columns of `text`, which has no control characters.
    public static func columns(of text: some StringProtocol) -> Int {
        // Nearly all names are ASCII, where each byte is a column.
        if text.utf8.allSatisfy({ $0 < 0x80 }) { return text.utf8.count }
        return text.reduce(0) { $0 + columns(of: $1) }
    }

    /// The columns of one character as a reader sees it, which may consist of several scalars.
    public static func columns(of character: Character) -> Int {
        if character.isASCII { return 1 }
        let scalars = character.unicodeScalars
        // U+FE0F asks for the emoji, U+FE0E for the narrow text of the same character.
        if scalars.contains("\u{fe0f}") { return 2 }
        return scalars.map(columns).max() ?? 0
    }

    /// The longest beginning of `text` that fits.
    public static func prefix(of text: String, columns limit: Int) -> String { String(fitting(text, limit)) }

    /// The longest end of `text` that fits.
    public static func suffix(of text: String, columns limit: Int) -> String {
        String(fitting(text.reversed(), limit).reversed())
    }

    /// `text` if it fits, or without its middle: the beginning says what kind it is, and the end which one.
    public static func shortened(_ text: String, columns limit: Int) -> String {
        guard columns(of: text) > limit else { return text }
        guard limit > 1 else { return prefix(of: text, columns: limit) }
        let end = (limit - 1) / 2
        return prefix(of: text, columns: limit - 1 - end) + "…" + suffix(of: text, columns: end)
    }

    private static func fitting(_ text: some Sequence<Character>, _ limit: Int) -> [Character] {
        var characters: [Character] = []
        var used = 0
        for character in text {
            used += columns(of: character)
            guard used <= limit else { break }
            characters.append(character)
        }
        return characters
    }

    private static func columns(of scalar: Unicode.Scalar) -> Int {
        switch scalar.properties.generalCategory {
        case .nonspacingMark, .enclosingMark, .format: return 0
        default: break
        }
        // The vowels and final consonants that join a Hangul syllable's first letter.
        if (0x1160...0x11ff).contains(scalar.value) { return 0 }
        return scalar.properties.isEmojiPresentation || isWide(scalar.value) ? 2 : 1
    }

    /// Unicode's East Asian Width, W and F (UAX 11), by blocks; emoji have a property of their own.
    private static let wide: [ClosedRange<UInt32>] = [
        0x1100...0x115f, 0x2329...0x232a, 0x2e80...0x303e, 0x3041...0x4dbf, 0x4e00...0xa4cf, 0xa960...0xa97f,
        0xac00...0xd7a3, 0xf900...0xfaff, 0xfe10...0xfe19, 0xfe30...0xfe6f, 0xff00...0xff60, 0xffe0...0xffe6,
        0x16fe0...0x18dff, 0x1aff0...0x1b2ff, 0x1f200...0x1f2ff, 0x1f900...0x1f9ff, 0x20000...0x3fffd,
    ]

    private static func isWide(_ value: UInt32) -> Bool { wide.contains { $0.contains(value) } }
}
