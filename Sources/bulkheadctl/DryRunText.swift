// SPDX-License-Identifier: Apache-2.0
import ControlProtocol

/// The answer of `apply --dry-run` for people.
enum DryRunText {
    /// Pods that are named for one policy.
    private static let podLimit = 10

    static func text(_ answer: DryRunAnswer, isWide: Bool) -> String {
        var text = answer.added.map { "\($0) would be added\n" }.joined()
        text += answer.changed.map { "\($0) would be changed\n" }.joined()
        text += answer.unchanged.map { "\($0) unchanged\n" }.joined()
        text += answer.refused.map { Terminal.paint("\($0.object ?? "") would be refused: \(reason($0))", .red) + "\n" }
            .joined()
        text += Notices.text(notices: answer.notices, warnings: answer.warnings)
        if !answer.selections.isEmpty {
            text += "\npods of this node:\n"
            text += answer.selections.map { selection(of: $0, isWide: isWide) }.joined()
        }
        for empty in [EmptySelectors.text(answer.selectNothing ?? []), EmptySelectors.text(answer.peers ?? [])] {
            if !empty.isEmpty { text += "\n" + empty }
        }
        let leftOut = (answer.leftOut ?? [:]).values.reduce(0, +)
        if leftOut > 0 { text += "and \(leftOut) more\n" }
        if let preview = answer.preview { text += "\n" + PreviewText.summary(preview) }
        let limits = answer.limits
        text += limits.unprotected.map { Terminal.paint("not protected, the tables are full: \($0)", .red) + "\n" }
            .joined()
        if limits.deniedPrograms > 0 {
            let programs = Words.count(limits.deniedPrograms, "program")
            text += Terminal.paint("\(programs) too large: everything is denied", .red) + "\n"
        }
        let isRefused = !answer.refused.isEmpty
        return text + (isRefused ? "\ndry run: nothing would be applied\n" : "\ndry run: nothing was changed\n")
    }

    private static func selection(of policy: DryRunAnswer.PolicySelection, isWide: Bool) -> String {
        let pods = policy.endpoints
        guard !pods.isEmpty else { return "  \(policy.policy) selects none\n" }
        let names = Words.some(pods, limit: isWide ? .max : podLimit)
        return "  \(policy.policy) selects \(Words.count(pods.count, "pod")): \(names)\n"
    }

    private static func reason(_ problem: Problem) -> String {
        problem.hint.map { "\(problem.reason) (\($0))" } ?? problem.reason
    }
}
