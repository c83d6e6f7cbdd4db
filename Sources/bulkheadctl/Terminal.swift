// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Glibc

/// Standard output and error.
enum Terminal {
    /// Whether colors are wanted: only on a terminal, and not if NO_COLOR is set (https://no-color.org).
    static let hasColor: Bool = {
        let refused = getenv("NO_COLOR").map { String(cString: $0) } ?? ""
        return isatty(STDOUT_FILENO) == 1 && refused.isEmpty
    }()

    /// Columns of the output: COLUMNS, or those of the terminal. Nil if there are neither.
    static let width: Int? = {
        if let columns = getenv("COLUMNS").flatMap({ Int(String(cString: $0)) }) { return columns > 0 ? columns : nil }
        var size = winsize()
        guard isatty(STDOUT_FILENO) == 1, ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else {
            return nil
        }
        return Int(size.ws_col)
    }()

    enum Color: Int {
        case red = 31
        case green = 32
        case yellow = 33
    }

    static func paint(_ text: String, _ color: Color?) -> String {
        guard let color, hasColor else { return text }
        return "\u{1b}[\(color.rawValue)m\(text)\u{1b}[0m"
    }

    static func write(_ text: String) { write(Array(visible(text).utf8), to: STDOUT_FILENO) }

    static func complain(_ text: String) { write(Array("\(visible(text))\n".utf8), to: STDERR_FILENO) }

    /// Control characters of `text` in printed form, instead of their effect on a terminal: any user who may create
    /// objects chooses names. Line ends, tabs and the colors of ``paint(_:_:)`` stay.
    static func visible(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: isControl) else { return text }
        var result = ""
        var rest = text[...]
        while let scalar = rest.unicodeScalars.first {
            if let code = colorCodes.first(where: { rest.hasPrefix($0) }) {
                result += code
                rest = rest.dropFirst(code.count)
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

    private static let colorCodes: [String] = hasColor ? ["\u{1b}[31m", "\u{1b}[32m", "\u{1b}[33m", "\u{1b}[0m"] : []

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

    /// JSON as received, which escapes characters below a space; other control characters are escaped here.
    static func writeJSON(_ bytes: [UInt8]) {
        guard bytes.contains(where: { $0 == 0x7f || $0 == 0xc2 || $0 == 0xe2 }) else { return write(bytes) }
        write(String(decoding: bytes, as: UTF8.self))
    }

    static func write(_ bytes: [UInt8], to descriptor: Int32 = STDOUT_FILENO) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if written < 0, errno == EINTR { continue }
            // The reader is gone; there is nothing left to do.
            guard written > 0 else { Glibc.exit(ExitStatus.failure.rawValue) }
            rest = rest.dropFirst(written)
        }
    }
}

/// Why a command failed.
struct CommandFailure: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}
