// SPDX-License-Identifier: Apache-2.0

/// Indented lines, wrapped at spaces to the width of the output.
struct Outline {
    /// How far the rest of a wrapped line stands to the right of its beginning.
    private static let hanging = 2
    /// Columns that a line has at least, however far it is indented.
    private static let narrowest = 20

    private(set) var text = ""
    var width = Terminal.width

    /// - Parameter depth: steps of indentation.
    mutating func add(_ line: String, depth: Int = 0, color: Terminal.Color? = nil) {
        let indentation = depth * 2
        guard let width else {
            text += String(repeating: " ", count: indentation) + Terminal.paint(line, color) + "\n"
            return
        }
        var rest = line[...]
        var isFirst = true
        while !rest.isEmpty || isFirst {
            let indentation = indentation + (isFirst ? 0 : Self.hanging)
            let limit = max(Self.narrowest, width - indentation)
            let (part, left) = Self.split(rest, at: limit)
            text += String(repeating: " ", count: indentation) + Terminal.paint(String(part), color) + "\n"
            rest = left
            isFirst = false
        }
    }

    mutating func skip() { text += "\n" }

    /// What fits, and what is left. A word that is longer than the line stays whole: names must not be cut.
    private static func split(_ line: Substring, at limit: Int) -> (Substring, Substring) {
        guard line.count > limit else { return (line, "") }
        let end = line.index(line.startIndex, offsetBy: limit)
        let space = line[...end].lastIndex(of: " ") ?? line[end...].firstIndex(of: " ")
        guard let space, space > line.startIndex else { return (line, "") }
        return (line[..<space], line[line.index(after: space)...])
    }
}
