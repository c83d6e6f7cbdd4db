// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Glibc

/// Standard output and error.
enum Terminal {
    /// Whether colours are wanted: only on a terminal, and not where NO_COLOR is set (https://no-color.org).
    static let hasColour: Bool = {
        let refused = getenv("NO_COLOR").map { String(cString: $0) } ?? ""
        return isatty(STDOUT_FILENO) == 1 && refused.isEmpty
    }()

    /// Columns that the output has: what COLUMNS says, or the terminal. Nil where neither does.
    static let width: Int? = {
        if let columns = getenv("COLUMNS").flatMap({ Int(String(cString: $0)) }) { return columns > 0 ? columns : nil }
        var size = winsize()
        guard isatty(STDOUT_FILENO) == 1, ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else {
            return nil
        }
        return Int(size.ws_col)
    }()

    enum Colour: Int {
        case red = 31
        case green = 32
        case yellow = 33
    }

    static func paint(_ text: String, _ colour: Colour?) -> String {
        guard let colour, hasColour else { return text }
        return "\u{1b}[\(colour.rawValue)m\(text)\u{1b}[0m"
    }

    static func write(_ text: String) { write(Array(text.utf8), to: STDOUT_FILENO) }

    static func complain(_ text: String) { write(Array("\(text)\n".utf8), to: STDERR_FILENO) }

    static func write(_ bytes: [UInt8], to descriptor: Int32 = STDOUT_FILENO) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if written < 0, errno == EINTR { continue }
            // Nobody reads any more; there is nothing left to do.
            guard written > 0 else { Glibc.exit(ExitStatus.failure.rawValue) }
            rest = rest.dropFirst(written)
        }
    }
}

/// Why a command could not do what it was asked.
struct CommandFailure: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}
