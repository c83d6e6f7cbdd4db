// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import Datapath
import Journal

extension JournalAbsence {
    /// What is known about it, as a sentence without its end.
    var words: String {
        let before = RFC3339.text(wallMilliseconds: from)
        let after = started.map { RFC3339.text(wallMilliseconds: $0) }
        var words: String
        if isStarting, let after {
            words = "the daemon had started at \(after) and did not know all objects yet"
        } else if isOrderly {
            words = "the daemon was not running from \(before) to \(after ?? "later")"
        } else {
            words = "the daemon ended at some time after \(before) and started again at \(after ?? "a later time")"
        }
        if isBoot { words += "; the node booted in between" }
        return words + "; \(foundWords)"
    }

    private var foundWords: String {
        guard found != nil else { return "what the kernel enforced meanwhile was not recorded" }
        return isStarting ? missing : "at its start \(missing)"
    }

    /// Whether what was in force stayed so, unless others wrote into the tables, which the words admit.
    var isKept: Bool { found == .whole }
}

extension JournalEvent {
    /// What the daemon found in the kernel.
    init(_ takeover: Takeover) {
        let (found, text): (Found, String) =
            switch takeover {
            case .whole:
                (
                    .whole,
                    "hooks and tables of the run before were in place; "
                        + "what others wrote into them meanwhile is not known"
                )
            case .part(let missing): (.part, "this was missing and was put back: \(missing.joined(separator: ", "))")
            case .nothing: (.nothing, "nothing of a run before was in place")
            case .other: (.other, "tables were in place that this daemon does not read")
            }
        self.init(.adopted, text, found: found)
    }
}
