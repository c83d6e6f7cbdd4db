// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ControlProtocol
import Findings
import PostureReport

struct ReportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract:
            "Reports the posture of a whole cluster: who reaches what, what an attacker gains, and what closes it.",
        usage: """
            bulkheadctl report -f DIR -o report.html
            bulkheadctl report --kubeconfig FILE --format sarif --fail-on high
            """,
        discussion: """
            Finds pods without isolation, workloads that reach the metadata service, etcd, kubelets, the API server or \
            NodePorts, data ports that are open to other namespaces or to the outside, pods with the network of their \
            node, and policies without effect (docs/report.md). A suggested policy has been applied to a copy of the \
            cluster: it closes just the finding, and changes nothing else about the workload.

            The HTML file needs no network and loads nothing.

            Exits with 3 if a finding is at least as grave as --fail-on.
            """)

    @OptionGroup var inventory: InventoryOptions

    @Option(
        name: [.customShort("o"), .long],
        help: ArgumentHelp("Write to this file instead of standard output.", valueName: "file"), completion: .file())
    var output: String?

    @Option(help: "html; text, for people; json; sarif (SARIF 2.1.0); junit. Default: by the file's name, else text.")
    var format: ReportFormat?

    @Option(help: ArgumentHelp("Exit with 3 if a finding is at least this grave.", valueName: "high|medium|low|info"))
    var failOn: Severity?

    func run() async throws {
        let posture = try Posture(try await inventory.inventoryWithPods())
        let bytes = try rendered(posture)
        if let output {
            try OutputFile.replace(output, with: bytes)
            Terminal.complain("\(output): \(posture.report.summary)")
        } else if chosen == .text {
            Terminal.write(posture.report.text(paint: LintOptions.paint))
        } else {
            Terminal.writeJSON(bytes)
        }
        if let failOn, posture.report.has(atLeast: failOn) { throw ExitStatus.denied.error }
    }

    private var chosen: ReportFormat { format ?? ReportFormat(fileName: output ?? "") ?? .text }

    private func rendered(_ posture: Posture) throws -> [UInt8] {
        let version = BuildVersion.text
        return switch chosen {
        case .html: Array(ReportPage(posture, version: version).html.utf8)
        case .json: try JSON.pretty(PostureAnswer(posture)) + [UInt8(ascii: "\n")]
        case .text: Array(posture.report.text().utf8)
        case .sarif: Array(posture.report.rendered(.sarif, version: version).utf8)
        case .junit: Array(posture.report.rendered(.junit, version: version, failingFrom: failOn ?? .high).utf8)
        }
    }
}

/// How `report` prints.
enum ReportFormat: String, ExpressibleByArgument, CaseIterable {
    case html
    case text
    case json
    case sarif
    case junit

    /// What the end of a file's name says; nil: nothing.
    init?(fileName: String) {
        let endings: [(String, ReportFormat)] = [
            (".html", .html), (".htm", .html), (".json", .json), (".sarif", .sarif), (".xml", .junit), (".txt", .text),
        ]
        guard let found = endings.first(where: { fileName.lowercased().hasSuffix($0.0) }) else { return nil }
        self = found.1
    }
}

extension PostureAnswer {
    init(_ posture: Posture) {
        let report = posture.report
        self.init(
            workloads: posture.workloads.map { workload in
                WorkloadPostureAnswer(
                    namespace: workload.key.namespace, controller: workload.key.kind, name: workload.key.name,
                    pods: workload.podCount, score: workload.score,
                    gains: workload.gains.map { .init(text: $0.text, points: $0.points) })
            },
            findings: posture.findings.map { finding in
                PostureFindingAnswer(
                    code: finding.code.rawValue, severity: finding.code.severity.rawValue,
                    title: finding.code.kind.title, object: finding.object, message: finding.message,
                    file: finding.place?.file, line: finding.place?.line, fix: finding.fix,
                    policy: finding.policyText)
            },
            counts: Dictionary(uniqueKeysWithValues: Severity.allCases.map { ($0.rawValue, report.count($0)) }),
            notes: posture.notes)
    }
}
