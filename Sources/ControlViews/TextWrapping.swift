// SPDX-License-Identifier: Apache-2.0

/// Breaks text into lines: at a space; in a long name after `-`, `/`, `.`, `,` or `:`; otherwise where the line is full.
public enum TextWrapping {
    /// Lines of at most `limit` columns, at least one.
    public static func lines(of text: String, columns limit: Int) -> [String] {
        guard limit > 0, TextWidth.columns(of: text) > limit else { return [text] }
        var wrapping = Line(limit: limit)
        for character in text { wrapping.append(character) }
        return wrapping.finished
    }

    private struct Line {
        let limit: Int
        private var lines: [String] = []
        private var line: [Character] = []
        private var used = 0
        /// The character after the last space, and after the last mark inside a name.
        private var space = 0
        private var mark = 0

        init(limit: Int) { self.limit = limit }

        mutating func append(_ character: Character) {
            let width = TextWidth.columns(of: character)
            if character == " ", used + width > limit, !line.isEmpty { return end(at: line.count) }
            while used + width > limit, !line.isEmpty { end(at: place) }
            // A line that goes on does not begin with the space at which it was broken.
            if character == " ", line.isEmpty, !lines.isEmpty { return }
            line.append(character)
            used += width
            if character == " ", line.contains(where: { $0 != " " }) { space = line.count }
            if "-/.,:".contains(character) { mark = line.count }
        }

        /// A space, unless that leaves the line mostly empty.
        private var place: Int {
            if space * 2 >= line.count { return space }
            return mark > 0 ? mark : space > 0 ? space : line.count
        }

        private mutating func end(at index: Int) {
            let end = index > 0 ? index : line.count
            lines.append(Self.text(line[..<end]))
            line.removeFirst(end)
            (space, mark) = (0, 0)
            used = 0
            for (index, character) in line.enumerated() {
                used += TextWidth.columns(of: character)
                if "-/.,:".contains(character) { mark = index + 1 }
            }
        }

        var finished: [String] { line.isEmpty && !lines.isEmpty ? lines : lines + [Self.text(line[...])] }

        private static func text(_ line: ArraySlice<Character>) -> String {
            String(line[..<(line.lastIndex { $0 != " " }.map { $0 + 1 } ?? line.startIndex)])
        }
    }
}
