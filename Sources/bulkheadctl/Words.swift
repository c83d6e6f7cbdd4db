// SPDX-License-Identifier: Apache-2.0

/// Numbers and lists in sentences.
enum Words {
    /// `1 file`, `2 files`, `0 policies`.
    static func count(_ count: Int, _ one: String, _ many: String? = nil) -> String {
        "\(count) \(count == 1 ? one : many ?? one + "s")"
    }

    /// `a, b and 18 more`.
    static func some(_ names: [String], limit: Int) -> String {
        let more = names.count > limit ? " and \(names.count - limit) more" : ""
        return names.prefix(limit).joined(separator: ", ") + more
    }
}
