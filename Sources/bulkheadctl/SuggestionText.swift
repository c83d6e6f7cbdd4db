// SPDX-License-Identifier: Apache-2.0
import LeastPrivilege

/// Suggested policies as YAML, with comments. The same flows and cluster give the same text.
struct SuggestionText {
    private static let listed = 20

    private let suggestion: Suggestion
    private let seen: SeenFlows
    private let isEnforced: Bool

    init(_ suggestion: Suggestion, _ seen: SeenFlows, isEnforced: Bool) {
        self.suggestion = suggestion
        self.seen = seen
        self.isEnforced = isEnforced
    }

    var yaml: String {
        var text = head
        for policy in suggestion.policies {
            text += "---\n"
            text += comment("\(policy.workload), from \(Words.count(policy.flows, "distinct flow"))")
            if let closed = suggestion.effect.closed.first(where: { $0.workload == policy.workload }) {
                text += comment("who can reach it: \(Self.text(closed.sources))")
                text += comment("whom it can reach: \(Self.text(closed.destinations))")
            }
            for note in policy.notes { text += comment("note: \(note)") }
            text += policy.document.yaml
        }
        return text
    }

    private var head: String {
        let nodes = seen.nodes.sorted().joined(separator: ", ")
        let span = seen.times.map { " from \($0.lowerBound) to \($0.upperBound)" } ?? ""
        var text = comment("Suggested by bulkheadctl from \(Words.count(seen.lines, "recorded flow"))\(span)")
        if !seen.nodes.isEmpty { text += comment("of \(Words.count(seen.nodes.count, "node")): \(nodes)") }
        text += comment(
            isEnforced
                ? "These policies deny what they do not allow."
                : "In audit: they deny nothing, and 'bulkheadctl events --kind audit' shows what they would deny.")
        text += comment(
            "Verified: of \(Words.count(suggestion.effect.asked, "distinct flow")) between pods and addresses that are "
                + "there now, the policies would deny none that the cluster allows.")
        if seen.dropped > 0 {
            let gives = seen.dropped == 1 ? "was denied and gives" : "were denied and give"
            text += comment("\(Words.count(seen.dropped, "recorded flow")) \(gives) no rule.")
        }
        if seen.lost > 0 {
            text += comment(
                "Some flows were not recorded (\(Words.count(seen.lost, "gap"))): the policies may lack rules.")
        }
        text += list(
            "no rule, because the cluster denies it", suggestion.effect.deniedAlready.map { "\($0.flow): \($0.reason)" }
        )
        text += list(
            "no rule, because the engine has no answer", suggestion.effect.unanswered.map { "\($0.flow): \($0.reason)" }
        )
        text += list("left out", suggestion.leftOut.map { "\($0.flow): \($0.reason)" })
        text += list("nothing suggested, because no flow was seen", suggestion.unseen.map(\.description))
        return text
    }

    private func list(_ title: String, _ rows: [String]) -> String {
        guard !rows.isEmpty else { return "" }
        var text = comment("\(title):")
        for row in rows.prefix(Self.listed) { text += comment("  \(row)") }
        if rows.count > Self.listed { text += comment("  and \(rows.count - Self.listed) more") }
        return text
    }

    private static func text(_ change: SuggestionEffect.Change) -> String {
        func side(_ count: Int, _ outside: Bool) -> String {
            Words.count(count, "workload") + (outside ? " and addresses outside" : "")
        }
        return "\(side(change.before, change.outsideBefore)) before, \(side(change.after, change.outsideAfter)) after"
    }

    /// One line of a comment. YAML 1.1 also ends lines at characters that no terminal takes for line ends.
    private func comment(_ text: String) -> String {
        let line = Words.line(text).unicodeScalars.map { scalar -> Character in
            ["\u{85}", "\u{2028}", "\u{2029}", "\u{feff}"].contains(scalar) ? "?" : Character(scalar)
        }
        return "# \(String(line))\n"
    }
}
