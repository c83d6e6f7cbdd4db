// SPDX-License-Identifier: Apache-2.0

/// Numbers and lists in sentences.
enum Words {
    /// `1 file`, `2 files`, `0 policies`.
    static func count(_ count: Int, _ one: String, _ many: String? = nil) -> String {
        "\(count) \(count == 1 ? one : many ?? one + "s")"
    }

    /// `a, b and 18 more`.
    static func some(_ names: [String], limit: Int) -> String { some(names, limit: limit, of: names.count) }

    /// The same of many names, of which not all are given.
    static func some(_ names: [String], limit: Int, of count: Int) -> String {
        let shown = names.prefix(limit)
        let more = count > shown.count ? " and \(count - shown.count) more" : ""
        return shown.joined(separator: ", ") + more
    }
}
