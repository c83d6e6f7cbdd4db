// SPDX-License-Identifier: Apache-2.0

/// Columns for people: aligned by their widest cell, two spaces between, nothing cut and nothing wrapped.
struct Table {
    struct Cell: ExpressibleByStringInterpolation {
        var text: String
        var colour: Terminal.Colour?
        init(_ text: String, _ colour: Terminal.Colour? = nil) {
            self.text = text
            self.colour = colour
        }
        init(stringLiteral text: String) { self.init(text) }
    }

    private var rows: [[Cell]]

    init(_ titles: String...) { rows = [titles.map { Cell($0) }] }

    mutating func add(_ cells: Cell...) { rows.append(cells) }

    /// Whether it has rows beside its titles.
    var isEmpty: Bool { rows.count == 1 }

    var text: String {
        let columns = rows.map(\.count).max() ?? 0
        let widths = (0..<columns).map { column in
            rows.map { column < $0.count ? $0[column].text.count : 0 }.max() ?? 0
        }
        return rows.map { row in
            var line = ""
            for (column, cell) in row.enumerated() {
                line += Terminal.paint(cell.text, cell.colour)
                let isLast = column == row.count - 1
                if !isLast { line += String(repeating: " ", count: widths[column] - cell.text.count + 2) }
            }
            return line + "\n"
        }.joined()
    }
}
