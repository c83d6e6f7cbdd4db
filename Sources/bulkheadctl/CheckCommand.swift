// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ControlProtocol
import Findings
import KubernetesObjects
import Manifests
import PolicyLint

struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Validates manifests without a daemon.",
        discussion: """
            Searches directories recursively. Exits with 1 if a document would be refused, or if there is none. A \
            policy of a kind that is not enforced is a warning.
            """)

    @Argument(
        help: ArgumentHelp(
            "Manifests, or directories of manifests (*.yaml, *.yml, *.json); - reads standard input.", valueName: "path"
        ),
        completion: .file())
    var paths: [String]

    @Flag(help: "Also find likely mistakes in policies, as 'lint' does. Exits with 3 if one is of severity high.")
    var lint = false

    @OptionGroup var output: OutputOptions

    /// What `-o json` prints.
    struct Report: Codable {
        var files: Int
        var documents: Int
        /// Objects of each kind.
        var objects: [String: Int]
        var problems: [Problem]
        /// Documents without effect.
        var notices: [String]
        /// The notices about policies.
        var warnings: [String]
        /// What `--lint` finds, besides the problems.
        var findings: [Finding]?
        /// What to know about the findings, such as checks that could not run.
        var notes: [String]?
    }

    func run() throws {
        let inputs = ManifestInput.read(paths, isRecursive: true)
        let check = ManifestCheck.run(inputs)
        let counts = check.counts.map { ($0.key.rawValue, $0.value) }
        var report = Report(
            files: check.fileCount, documents: check.documentCount,
            objects: Dictionary(uniqueKeysWithValues: counts), problems: check.problems.map { Problem($0.error) },
            notices: check.notices.map(\.description),
            warnings: check.notices.filter { $0.reason == .notEnforced }.map(\.description))
        if lint {
            let found = LintInput(inputs).lint().report(ignoring: [.refused])
            report.findings = found.findings
            report.notes = found.notes
        }
        try output.print(report, text: Self.text)
        if !report.problems.isEmpty { throw ExitStatus.failure.error }
        if report.findings?.contains(where: { $0.severity == .high }) ?? false { throw ExitStatus.denied.error }
    }

    static func text(_ report: Report) -> String {
        var text = report.problems.map { Terminal.paint("\($0)", .red) + "\n" }.joined()
        text += Notices.text(notices: report.notices, warnings: report.warnings)
        let objects = report.objects.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }
        if let findings = report.findings {
            let all = FindingReport(name: "lint", findings: findings, kinds: [], notes: report.notes ?? [])
            text += all.text(paint: LintOptions.paint)
        }
        text += "\(Words.count(report.files, "file")), \(Words.count(report.documents, "document")): "
        text += objects.isEmpty ? "no objects" : objects.joined(separator: ", ")
        if !report.warnings.isEmpty { text += ", \(Words.count(report.warnings.count, "warning"))" }
        let problems = report.problems.isEmpty ? "no problems" : Words.count(report.problems.count, "problem")
        return text + ", \(problems)\n"
    }
}

/// Documents without effect, one per line.
enum Notices {
    static func text(notices: [String], warnings: [String]) -> String {
        let isWarning = Set(warnings)
        return notices.map { isWarning.contains($0) ? Terminal.paint("warning: \($0)", .yellow) + "\n" : "\($0)\n" }
            .joined()
    }
}
