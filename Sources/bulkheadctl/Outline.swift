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
        for part in parts(of: line, depth) { add(part.text, indentation: part.indentation, color) }
    }

    /// One word in a color: the first of its kind in the line.
    mutating func add(_ line: String, depth: Int = 0, first word: String, _ color: Terminal.Color?) {
        var isPainted = false
        for part in parts(of: line, depth) {
            let place = isPainted ? nil : Self.first(word, in: part.text)
            isPainted = isPainted || place != nil
            add(part.text, indentation: part.indentation, place, color)
        }
    }

    /// The same for the word with which the line ends.
    mutating func add(_ line: String, depth: Int = 0, last word: String, _ color: Terminal.Color?) {
        let parts = parts(of: line, depth)
        for (number, part) in parts.enumerated() {
            let isEnd = number == parts.count - 1 && part.text.hasSuffix(word)
            let start = part.text.index(part.text.endIndex, offsetBy: isEnd ? -word.count : 0)
            add(part.text, indentation: part.indentation, isEnd ? start..<part.text.endIndex : nil, color)
        }
    }

    private func parts(of line: String, _ depth: Int) -> [(text: String, indentation: Int)] {
        let indentation = depth * 2
        let line = VisibleText.line(line)
        guard let width, TextWidth.columns(of: line) > width - indentation else { return [(line, indentation)] }
        let limit = max(Self.narrowest, width - indentation - Self.hanging)
        return TextWrapping.lines(of: line, columns: limit).enumerated().map { number, part in
            (part, indentation + (number == 0 ? 0 : Self.hanging))
        }
    }

    private static func first(_ word: String, in text: String) -> Range<String.Index>? {
        guard !word.isEmpty else { return nil }
        var rest = text[...]
        while let start = rest.firstIndex(of: word[word.startIndex]) {
            if text[start...].hasPrefix(word) { return start..<text.index(start, offsetBy: word.count) }
            rest = text[text.index(after: start)...]
        }
        return nil
    }

    private mutating func add(
        _ part: String, indentation: Int, _ painted: Range<String.Index>?, _ color: Terminal.Color?
    ) {
        guard let painted else { return add(part, indentation: indentation, nil) }
        let word = Terminal.paint(String(part[painted]), color)
        add("\(part[..<painted.lowerBound])\(word)\(part[painted.upperBound...])", indentation: indentation, nil)
    }

    private mutating func add(_ part: String, indentation: Int, _ color: Terminal.Color?) {
        text += String(repeating: " ", count: indentation) + Terminal.paint(part, color) + "\n"
    }

    mutating func skip() { text += "\n" }
}
