// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import ControlViews

/// The answers of `preview` as Markdown, for a comment on a pull request.
enum PreviewMarkdown {
    /// Rows of one table: comments have a limit of 65,536 characters.
    private static let rowLimit = 100

    static func text(_ answer: PreviewAnswer) -> String {
        var text = headline(answer.changes)
        if answer.leftOut > 0 { text += "There are more changes than these.\n\n" }
        text += changes(answer.changes)
        return text + pods(answer.onlyOld, "go") + pods(answer.onlyNew, "come")
    }

    static func text(_ answer: NodePreviewAnswer) -> String {
        var text = headline(answer.changes) + "On node \(code(answer.node)), for its pods.\n\n"
        text += changes(answer.changes)
        for list in PreviewText.lists(answer) where !list.flows.isEmpty {
            text += "#### \(list.title.prefix(1).uppercased() + list.title.dropFirst())\n\n"
            text += table(
                ["From", "To", "Protocol", "Count", "Decided by"],
                list.flows.map { ["\($0.source)", "\($0.destination)", $0.protocol, "\($0.count)", $0.ruleText] })
        }
        text += pods(answer.lostPods, "go") + pods(answer.newPods, "come")
        return text + answer.notes.map { "- \(code($0))\n" }.joined()
    }

    private static func headline(_ changes: [PreviewChange]) -> String {
        let counts = PreviewEffect.allCases.compactMap { effect in
            let count = changes.count { $0.effect == effect }
            return count == 0 ? nil : "\(count) \(effect.rawValue)"
        }
        let result = counts.isEmpty ? "no flow changes its verdict" : counts.joined(separator: ", ")
        return "### Network policy preview: \(result)\n\n"
    }

    private static func changes(_ changes: [PreviewChange]) -> String {
        guard !changes.isEmpty else { return "" }
        return table(
            ["Effect", "From", "To", "Ports", "Verdict", "Decided by"],
            changes.map {
                [$0.effect.rawValue, $0.from.text, $0.to.text, $0.portText, $0.verdictText, $0.ruleText]
            })
    }

    private static func table(_ titles: [String], _ rows: [[String]]) -> String {
        var text = "| \(titles.joined(separator: " | ")) |\n|\(titles.map { _ in " --- |" }.joined())\n"
        for row in rows.prefix(rowLimit) { text += "| \(row.map(code).joined(separator: " | ")) |\n" }
        if rows.count > rowLimit { text += "\nand \(rows.count - rowLimit) more\n" }
        return text + "\n"
    }

    private static func pods(_ pods: [String], _ what: String) -> String {
        guard !pods.isEmpty else { return "" }
        let names = Words.some(pods, limit: 10)
        return "\(Words.count(pods.count, "pod")) would \(what), not compared: \(code(names))\n\n"
    }

    /// As code, so that nothing in a name is a link, a mention or markup. Any user who may create objects chooses names.
    static func code(_ text: String) -> String {
        guard !text.isEmpty else { return "" }
        let escaped = VisibleText.line(text).unicodeScalars.reduce(into: "") { result, scalar in
            let isPlain =
                scalar.properties.isAlphabetic || ("0"..."9").contains(scalar)
                || " -./,:()".unicodeScalars.contains(scalar)
            if isPlain { result.unicodeScalars.append(scalar) } else { result += "&#\(scalar.value);" }
        }
        return "<code>\(escaped)</code>"
    }
}
