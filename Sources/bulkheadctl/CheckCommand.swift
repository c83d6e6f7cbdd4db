// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ControlProtocol
import KubernetesObjects
import PolicySources

struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Validates manifests without a daemon.",
        discussion: "Exits with 1 if a document would be refused.")

    @Argument(
        help: ArgumentHelp("Manifests, or directories of them (*.yaml, *.yml, *.json).", valueName: "path"),
        completion: .file())
    var paths: [String]

    @OptionGroup var output: OutputOptions

    /// What `-o json` prints.
    struct Report: Codable {
        var files: Int
        var documents: Int
        /// Objects of each kind.
        var objects: [String: Int]
        var problems: [Problem]
        var notices: [String]
    }

    func run() throws {
        let check = ManifestCheck.run(paths: paths)
        let counts = check.counts.map { ($0.key.rawValue, $0.value) }
        let report = Report(
            files: check.fileCount, documents: check.documentCount,
            objects: Dictionary(uniqueKeysWithValues: counts), problems: check.problems.map { Problem($0.error) },
            notices: check.notices.map(\.description))
        try output.print(report, text: Self.text)
        if !report.problems.isEmpty { throw ExitStatus.failure.error }
    }

    static func text(_ report: Report) -> String {
        var text = report.problems.map { Terminal.paint("\($0)", .red) + "\n" }.joined()
        text += report.notices.map { Terminal.paint($0, .yellow) + "\n" }.joined()
        let objects = report.objects.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }
        text += "\(report.files) files, \(report.documents) documents: "
        text += objects.isEmpty ? "no objects" : objects.joined(separator: ", ")
        return text + (report.problems.isEmpty ? ", no problems\n" : ", \(report.problems.count) problems\n")
    }
}
