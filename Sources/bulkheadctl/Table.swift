// SPDX-License-Identifier: Apache-2.0

/// Columns for people: aligned by their widest cell, two spaces between. If the output has a width, the last column is
/// wrapped at spaces and the widest others are shortened in their middle; otherwise nothing is cut.
struct Table {
    struct Cell: ExpressibleByStringInterpolation {
        var text: String
        var color: Terminal.Color?
        init(_ text: String, _ color: Terminal.Color? = nil) {
            self.text = text
            self.color = color
        }
        init(stringLiteral text: String) { self.init(text) }
    }

    /// The smallest width of a shortened or wrapped column.
    private static let shortest = 12
    private static let narrowest = 20

    private var rows: [[Cell]]

    init(_ titles: String...) { rows = [titles.map { Cell($0) }] }

    init(titles: [String]) { rows = [titles.map { Cell($0) }] }

    mutating func add(_ cells: Cell...) { rows.append(cells) }

    mutating func add(row cells: [Cell]) { rows.append(cells) }

    /// Whether it has no rows except its titles.
    var isEmpty: Bool { rows.count == 1 }

    var text: String { text(width: Terminal.width) }

    /// - Parameter width: columns of the output; nil: unlimited.
    func text(width: Int?) -> String {
        let columns = rows.map(\.count).max() ?? 0
        var widths = (0..<columns).map { column in
            rows.map { column < $0.count ? $0[column].text.count : 0 }.max() ?? 0
        }
        if let width { Self.fit(&widths, in: width) }
        return rows.map { line($0, widths) }.joined()
    }

    private static func fit(_ widths: inout [Int], in width: Int) {
        guard let last = widths.last else { return }
        let gaps = 2 * (widths.count - 1)
        var others = Array(widths.dropLast())
        let wanted = max(min(last, narrowest), width - gaps - others.reduce(0, +))
        while others.reduce(gaps + wanted, +) > width, let widest = others.indices.max(by: { others[$0] < others[$1] }),
            others[widest] > shortest
        {
            others[widest] -= 1
        }
        let left = width - others.reduce(gaps, +)
        widths = others + [min(last, max(left, shortest))]
    }

    private func line(_ row: [Cell], _ widths: [Int]) -> String {
        var text = ""
        var indentation = 0
        for (column, cell) in row.enumerated() {
            guard column < row.count - 1 || column < widths.count - 1 else {
                let lines = Self.wrapped(cell.text, widths[column]).map { Terminal.paint($0, cell.color) }
                return text + lines.joined(separator: "\n" + String(repeating: " ", count: indentation)) + "\n"
            }
            let shown = Self.shortened(cell.text, widths[column])
            text += Terminal.paint(shown, cell.color)
            if column < row.count - 1 { text += String(repeating: " ", count: widths[column] - shown.count + 2) }
            indentation += widths[column] + 2
        }
        return text + "\n"
    }

    /// Without its middle, where names differ least: the beginning says what kind they are, and the end which one.
    private static func shortened(_ text: String, _ width: Int) -> String {
        guard text.count > width else { return text }
        let end = (width - 1) / 2
        return "\(text.prefix(width - 1 - end))…\(text.suffix(end))"
    }

    private static func wrapped(_ text: String, _ width: Int) -> [String] {
        guard text.count > width else { return [text] }
        var lines: [String] = []
        var line = ""
        for word in text.split(separator: " ", omittingEmptySubsequences: false) {
            if !line.isEmpty, line.count + 1 + word.count > width {
                lines.append(line)
                line = String(word)
            } else {
                line += (line.isEmpty ? "" : " ") + word
            }
        }
        return lines + [line]
    }
}
