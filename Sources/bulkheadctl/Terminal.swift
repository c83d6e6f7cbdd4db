// SPDX-License-Identifier: Apache-2.0
import ControlViews
import Glibc
import Synchronization

/// Standard output and error.
enum Terminal {
    typealias Color = TextColor

    /// What the command line asks for.
    struct Settings: Sendable {
        var color = ColorChoice.auto
        /// Whether tables are as wide as what they hold.
        var isWide = false
        /// Whether tables have titles.
        var hasTitles = true
    }

    static let settings = Mutex(Settings())

    /// Whether colors are wanted. By default only on a terminal, and not if NO_COLOR is set (https://no-color.org).
    static var hasColor: Bool {
        switch settings.withLock({ $0.color }) {
        case .always: true
        case .never: false
        case .auto: isColorTerminal
        }
    }

    private static let isColorTerminal: Bool = {
        let refused = getenv("NO_COLOR").map { String(cString: $0) } ?? ""
        return isatty(STDOUT_FILENO) == 1 && refused.isEmpty
    }()

    /// Columns of the output: COLUMNS, or those of the terminal. Nil if there are neither, or all are wanted.
    static var width: Int? {
        if settings.withLock({ $0.isWide }) { return nil }
        if let columns = getenv("COLUMNS").flatMap({ Int(String(cString: $0)) }) { return columns > 0 ? columns : nil }
        return size.map { $0.columns }
    }

    /// Of the terminal; nil if the output is none, or does not know it.
    static var size: (columns: Int, rows: Int)? {
        var size = winsize()
        guard isatty(STDOUT_FILENO) == 1, ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else {
            return nil
        }
        return (Int(size.ws_col), Int(size.ws_row))
    }

    static func paint(_ text: String, _ color: Color?) -> String {
        guard let color, hasColor else { return text }
        return color.sequence + text + TextColor.end
    }

    static func write(_ text: String) { write(Array(visible(text).utf8), to: STDOUT_FILENO) }

    static func complain(_ text: String) { write(Array("\(visible(text))\n".utf8), to: STDERR_FILENO) }

    /// Control characters of `text` in printed form, instead of their effect on a terminal: any user who may create
    /// objects chooses names. Line ends, tabs and the colors of ``paint(_:_:)`` stay.
    static func visible(_ text: String) -> String {
        VisibleText.escaped(text, keeping: hasColor ? TextColor.allCases.map(\.sequence) + [TextColor.end] : [])
    }

    /// JSON as received, which escapes characters below a space; other control characters are escaped here.
    static func writeJSON(_ bytes: [UInt8]) {
        guard bytes.contains(where: { $0 == 0x7f || $0 == 0xc2 || $0 == 0xe2 }) else { return write(bytes) }
        write(String(decoding: bytes, as: UTF8.self))
    }

    static func write(_ bytes: [UInt8], to descriptor: Int32 = STDOUT_FILENO) {
        if descriptor == STDOUT_FILENO, OutputFailure.discards { return }
        var rest = bytes[...]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if written < 0, errno == EINTR { continue }
            guard written > 0 else { return OutputFailure.handle(errno, on: descriptor) }
            rest = rest.dropFirst(written)
        }
    }
}

/// Why a command failed.
struct CommandFailure: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}
