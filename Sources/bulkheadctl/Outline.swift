// SPDX-License-Identifier: Apache-2.0
import ControlViews

/// Indented lines, wrapped to the width of the output.
struct Outline {
    /// How far the rest of a wrapped line stands to the right of its beginning.
    private static let hanging = 2
    /// Columns that a line has at least, however far it is indented.
    private static let narrowest = 20

    private(set) var text = ""
    var width = Terminal.width

    /// - Parameters:
    ///   - line: may come from others: its line ends and control characters are shown in printed form.
    ///   - depth: steps of indentation.
    mutating func add(_ line: String, depth: Int = 0, color: Terminal.Color? = nil) {
        let indentation = depth * 2
        let line = VisibleText.line(line)
        guard let width, TextWidth.columns(of: line) > width - indentation else {
            return add(line, indentation: indentation, color)
        }
        let limit = max(Self.narrowest, width - indentation - Self.hanging)
        for (number, part) in TextWrapping.lines(of: line, columns: limit).enumerated() {
            add(part, indentation: indentation + (number == 0 ? 0 : Self.hanging), color)
        }
    }

    private mutating func add(_ part: String, indentation: Int, _ color: Terminal.Color?) {
        text += String(repeating: " ", count: indentation) + Terminal.paint(part, color) + "\n"
    }

    mutating func skip() { text += "\n" }
}
