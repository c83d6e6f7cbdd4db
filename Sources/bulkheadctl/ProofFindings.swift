// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ControlProtocol
import Findings

/// How `prove` prints.
enum ProofFormat: String, ExpressibleByArgument, CaseIterable {
    case text
    case wide
    case json
    case yaml
    case sarif
    case junit

    /// The format of an answer; nil: one of findings.
    var answer: OutputFormat? { OutputFormat(rawValue: rawValue) }
}

/// Claims as the findings and tests that CI systems show.
struct ProofFindings {
    private static let kinds = [
        FindingKind(
            code: "BHP1", name: "claim-wrong", title: "A claim about policy is wrong", severity: .high,
            why: "Policy allows a flow that must be denied, or denies one that must be allowed."),
        FindingKind(
            code: "BHP2", name: "claim-empty", title: "A claim about policy says nothing", severity: .high,
            why: "No flow that policy judges is between the two ends, so that the claim proves nothing."),
    ]

    private let claims: [ClaimAnswer]
    /// Of the invariants; nil: the claim is on the command line.
    private let file: String?

    init(_ answer: ProofAnswer, file: String?) {
        claims = answer.claims
        self.file = file
    }

    /// What is not proven.
    var report: FindingReport {
        let findings = claims.filter { $0.result != ClaimAnswer.proven }.map { claim in
            let isWrong = claim.result == ClaimAnswer.wrong
            return Finding(
                Self.kinds[isWrong ? 0 : 1], message: Self.message(claim), place: place(claim),
                object: claim.name,
                fix: isWrong ? "Change the policy, or the claim." : "Name ends between which flows are judged.")
        }
        return FindingReport(name: "bulkhead prove", findings: findings, kinds: Self.kinds)
    }

    /// Each claim is a test.
    var junit: JUnitReport {
        JUnitReport(
            name: "bulkhead prove",
            cases: claims.map { claim in
                let text = claim.lines.joined(separator: "\n")
                let outcome: JUnitReport.Case.Outcome =
                    switch claim.result {
                    case ClaimAnswer.proven: .passed
                    case ClaimAnswer.wrong:
                        .failed(kind: "BHP1", message: claim.counterexample?.text ?? claim.claim, text: text)
                    default: .failed(kind: "BHP2", message: ClaimAnswer.emptyText, text: text)
                    }
                return .init(group: file ?? "command line", name: claim.name, outcome: outcome, place: place(claim))
            })
    }

    /// A claim of the command line has itself as its name, and a finding begins with that.
    private static func message(_ claim: ClaimAnswer) -> String {
        claim.lines.dropFirst(claim.name == claim.claim ? 1 : 0).joined(separator: "; ")
    }

    private func place(_ claim: ClaimAnswer) -> FindingPlace? {
        file.map { FindingPlace(file: $0, line: claim.line ?? 0) }
    }
}

extension ClaimAnswer {
    static let emptyText = "no flow that policy judges is between the two ends"

    /// The claim, and why it is not proven.
    fileprivate var lines: [String] {
        let example = counterexample.map { [$0.text] + $0.reasons } ?? []
        return [claim] + (result == ClaimAnswer.empty ? [Self.emptyText] : example)
    }
}
