// SPDX-License-Identifier: Apache-2.0
import ControlViews
import Testing

@Suite struct TableTests {
    private static func plain(_ text: String, _ color: TextColor?) -> String { text }

    private func lines(_ table: Table, _ width: Int?) -> [String] { table.lines(width: width, paint: Self.plain) }

    private static let longest = (0..<9).map { "part-\($0)" }.joined(separator: "-") + "x"

    private static var longNames: Table {
        var table = Table("KIND", "NAMESPACE", "NAME", "TIER", "STATE", "ENDPOINTS")
        table.add("AuthorizationPolicy", .init(longest), .init(longest), "Admin 1000", "newer version refused", "20")
        table.add("NetworkPolicy", "shop", "redis", "-", "enforced", "1")
        return table
    }

    @Test func columnsAreAlignedByTheirWidestCell() {
        var table = Table("NAME", "N", "LAST")
        table.add("a", "1000", "x")
        table.add("longer", "1", "")
        #expect(lines(table, nil) == ["NAME    N     LAST", "a       1000  x", "longer  1"])
        #expect(lines(table, 80) == lines(table, nil))
        #expect(
            table.lines(width: 80, hasTitles: false, paint: Self.plain) == ["a       1000  x", "longer  1"])
    }

    @Test func aTableWithoutTitlesStartsWithItsFirstRow() {
        var table = Table()
        table.add("NODE", "node1")
        table.add("healthy", "yes")
        #expect(lines(table, nil) == ["NODE     node1", "healthy  yes"])
    }

    /// Nothing is lost at 80 columns; without a width each row stays one line.
    @Test func longNamesAreWrapped() {
        #expect(Self.longest.count == 63)
        let wrapped = lines(Self.longNames, 80)
        #expect(wrapped.allSatisfy { $0.count <= 80 && $0.last != " " })
        let columns = Self.column(of: "NAME", in: wrapped)
        #expect(columns.hasPrefix("NAME" + Self.longest + "redis"))
        #expect(lines(Self.longNames, nil).count == 3)
        #expect(lines(Self.longNames, nil)[1].contains("  \(Self.longest)  \(Self.longest)  Admin 1000  "))
    }

    /// The text in a column, whose place its title shows.
    private static func column(of title: String, in lines: [String]) -> String {
        guard let place = lines[0].firstRange(of: " \(title) ") else { return "" }
        let from = lines[0].distance(from: lines[0].startIndex, to: place.lowerBound) + 1
        return lines.map { line in String(line.dropFirst(from).prefix { $0 != " " }) }.joined()
    }

    @Test(arguments: 1...100) func noLineIsWiderThanTheOutput(width: Int) {
        let widest = lines(Self.longNames, width).map(\.count).max() ?? 0
        // Six columns of one character, and the gaps between.
        #expect(widest <= max(width, 16))
    }

    @Test func wideAndCombiningCharactersAreMeasured() {
        var table = Table("POD", "N")
        table.add("日本", "1")
        table.add("e\u{301}a", "2")
        table.add("👩‍👩‍👧", "3")
        #expect(lines(table, nil) == ["POD   N", "日本  1", "e\u{301}a    2", "👩‍👩‍👧    3"])
        #expect(lines(table, 6) == ["POD  N", "日   1", "本", "e\u{301}a   2", "👩‍👩‍👧   3"])
    }

    /// A name must neither move the cursor nor look like another row.
    @Test func controlCharactersAreShown() {
        var table = Table("NAME", "N")
        table.add("a\u{1b}[2Jb\nshop\tweb", "1")
        #expect(lines(table, nil)[1] == "a\\u001b[2Jb shop web  1")
        var painted = Table("T", "N")
        painted.add(.init("\u{1b}[31mred", .green), "x")
        #expect(
            painted.lines(width: nil) { text, color in color.map { "<\($0)>\(text)" } ?? text }.last
                == "<green>\\u001b[31mred  x")
    }

    @Test(arguments: [
        ("a b", 3, ["a b"]), ("ab cd", 4, ["ab", "cd"]), ("ab cd", 2, ["ab", "cd"]), ("abcdef", 2, ["ab", "cd", "ef"]),
        ("payments-api-7d9f", 10, ["payments-", "api-7d9f"]), ("  egress", 4, ["  eg", "ress"]),
        ("by shop/default-deny here", 15, ["by shop/", "default-deny", "here"]), ("日本語", 3, ["日", "本", "語"]),
        ("", 5, [""]), ("a", 0, ["a"]), ("ab   cd", 3, ["ab", "cd"]), ("日", 1, ["日"]),
    ])
    func textIsWrapped(text: String, columns: Int, lines: [String]) {
        #expect(TextWrapping.lines(of: text, columns: columns) == lines)
    }

    @Test(arguments: [
        ("abc", 3), ("e\u{301}", 1), ("ｆ", 2), ("한", 2), ("\u{1112}\u{1161}\u{11ab}", 2), ("❤\u{fe0f}", 2), ("❤", 1),
        ("🇩🇪", 2), ("é", 1), ("…", 1), ("\u{200b}", 0), ("🦊", 2), ("ä日", 3),
    ])
    func widths(text: String, columns: Int) { #expect(TextWidth.columns(of: text) == columns) }
}
