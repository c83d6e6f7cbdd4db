// SPDX-License-Identifier: Apache-2.0

/// Columns for people: aligned by their widest cell, two spaces between. If the output has a width, the widest columns
/// give way until the table fits; otherwise each row is one line, and nothing is cut.
public struct Table: Sendable {
    /// One cell, on one line.
    public struct Cell: ExpressibleByStringInterpolation, Sendable {
        /// Without control characters, because these have no width.
        public let text: String
        /// Nil: the terminal's own.
        public let color: TextColor?

        /// - Parameter text: may come from others; its control characters are shown in printed form.
        public init(_ text: String, _ color: TextColor? = nil) {
            self.text = VisibleText.line(text)
            self.color = color
        }
        public init(stringLiteral text: String) { self.init(text) }
    }

    private let titles: [Cell]
    private var rows: [[Cell]] = []

    /// - Parameter titles: of the columns. Without any, the table has no line of titles.
    public init(_ titles: String...) { self.init(titles: titles) }

    public init(titles: [String]) { self.titles = titles.map { Cell($0) } }

    /// Appends a row.
    public mutating func add(_ cells: Cell...) { rows.append(cells) }

    /// Appends a row.
    public mutating func add(row cells: [Cell]) { rows.append(cells) }

    /// Whether it has no rows except its titles.
    public var isEmpty: Bool { rows.isEmpty }

    /// - Parameters:
    ///   - width: columns of the output; nil: unlimited.
    ///   - hasTitles: whether the titles come first.
    ///   - paint: the text in the color.
    /// - Returns: lines of at most `width` columns, without trailing spaces.
    public func lines(
        width: Int?, hasTitles: Bool = true, paint: (String, TextColor?) -> String
    ) -> [String] {
        rowLines(width: width, hasTitles: hasTitles, paint: paint).flatMap { $0 }
    }

    /// The same, with the lines of each row together; the titles are the first row.
    func rowLines(
        width: Int?, hasTitles: Bool = true, paint: (String, TextColor?) -> String
    ) -> [[String]] {
        let rows = hasTitles && !titles.isEmpty ? [titles] + self.rows : self.rows
        let count = rows.map(\.count).max() ?? 0
        var widths = (0..<count).map { column in
            rows.map { column < $0.count ? TextWidth.columns(of: $0[column].text) : 0 }.max() ?? 0
        }
        if let width { Self.fit(&widths, in: width) }
        return rows.map { row in
            let cells = zip(row, widths).map { TextWrapping.lines(of: $0.text, columns: $1) }
            return (0..<(cells.map(\.count).max() ?? 1)).map { Self.line($0, row, cells, widths, paint) }
        }
    }

    /// One line of a row.
    private static func line(
        _ number: Int, _ row: [Cell], _ cells: [[String]], _ widths: [Int], _ paint: (String, TextColor?) -> String
    ) -> String {
        var text = ""
        var gap = 0
        for (column, lines) in cells.enumerated() {
            let part = number < lines.count ? lines[number] : ""
            if !part.isEmpty {
                text += String(repeating: " ", count: gap) + paint(part, row[column].color)
                gap = 0
            }
            gap += widths[column] - TextWidth.columns(of: part) + 2
        }
        return text
    }

    /// Lowers the widest columns to one level, at which all fit.
    private static func fit(_ widths: inout [Int], in width: Int) {
        let available = max(widths.count, width - 2 * (widths.count - 1))
        guard widths.reduce(0, +) > available else { return }
        var left = available
        for (position, column) in widths.indices.sorted(by: { widths[$0] < widths[$1] }).enumerated() {
            // What is left is shared evenly by the columns that are still to come, the widest last.
            widths[column] = min(widths[column], left / (widths.count - position))
            left -= widths[column]
        }
    }
}

/// The colors of output for people.
public enum TextColor: Int, Sendable, CaseIterable {
    case red = 31
    case green = 32
    case yellow = 33

    /// What makes a terminal write in it (ECMA-48).
    public var sequence: String { "\u{1b}[\(rawValue)m" }

    /// What ends it.
    public static let end = "\u{1b}[0m"
}
