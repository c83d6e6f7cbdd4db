// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import CommandOptions
import ControlProtocol
import Findings
import KubernetesObjects
import Manifests
import PolicyLint
import PolicyResolver

struct LintCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lint",
        abstract: "Finds likely mistakes in policies, without a daemon.",
        discussion: """
            Reads policies, and pods, namespaces and workloads beside them, from all paths; directories are searched \
            recursively. Each finding has a code (docs/lint), a place, a reason and a fix.

            The annotation bulkhead.dev/lint-ignore: BH004,BH010 of a policy suppresses findings about it; --ignore \
            suppresses codes everywhere.

            Exits with 0 if there is no finding at or above --fail-on, and with 3 if there is one. A document that is \
            refused is a finding (BH000, high); 1 means that a path cannot be read, or
            that there is no document.
            """)

    @Argument(
        help: ArgumentHelp(
            "Manifests, or directories of manifests (*.yaml, *.yml, *.json); - reads standard input.", valueName: "path"
        ),
        completion: .file())
    var paths: [String]

    @OptionGroup var lint: LintOptions
    @OptionGroup(title: "Settings of the daemons") var mesh: MeshOptions

    func run() throws {
        let inputs = ManifestInput.read(paths, isRecursive: true)
        try lint.run(inputs, settings: PolicySettings(mesh: mesh.settings))
    }
}

/// What `lint` and `check --lint` share.
struct LintOptions: ParsableArguments {
    @Option(
        name: [.customShort("o"), .long],
        help: "text, for people; json; sarif (SARIF 2.1.0); junit.")
    var output = FindingReport.Format.text

    @Option(help: ArgumentHelp("Exit with 3 if a finding is at least this grave.", valueName: "high|medium|low|info"))
    var failOn = Severity.high

    @Option(help: ArgumentHelp("Report no findings with these codes: BH004,BH010.", valueName: "codes"))
    var ignore: String?

    @Flag(help: "The paths hold all pods and namespaces of the cluster: report every selector that selects nothing.")
    var wholeCluster = false

    func validate() throws { _ = try ignored() }

    private func ignored() throws -> Set<LintCode> {
        let words = (ignore ?? "").split { $0 == "," || $0 == " " }
        return Set(
            try words.map { word in
                guard let code = LintCode(word) else { throw ValidationError("--ignore: there is no code '\(word)'") }
                return code
            })
    }

    /// Prints the findings of what was read.
    ///
    /// - Throws: an exit code.
    func run(_ inputs: [ManifestInput], settings: PolicySettings) throws {
        let read = LintInput(inputs)
        for problem in read.unreadable { Terminal.complain("error: \(problem)") }
        let lint = read.lint(isWholeCluster: wholeCluster, settings: settings)
        let report = lint.report(ignoring: try ignored())
        print(report)
        if !read.unreadable.isEmpty { throw ExitStatus.failure.error }
        if report.has(atLeast: failOn) { throw ExitStatus.denied.error }
    }

    private func print(_ report: FindingReport) {
        guard output == .text else {
            return Terminal.write(report.rendered(output, version: BuildVersion.text, failingFrom: failOn))
        }
        Terminal.write(report.text(paint: Self.paint))
    }

    static func paint(_ text: String, _ severity: Severity) -> String {
        switch severity {
        case .high: Terminal.paint(text, .red)
        case .medium: Terminal.paint(text, .yellow)
        case .low, .info: text
        }
    }
}

/// The documents of what was read.
struct LintInput {
    var documents: [LintDocument] = []
    /// Of text that cannot be read as documents.
    var problems: [ManifestError] = []
    /// Paths that cannot be read, with the reason.
    var unreadable: [String] = []

    init(_ inputs: [ManifestInput]) {
        for input in inputs {
            switch input.file {
            case .content(let bytes):
                let (roots, unread) = ManifestReader().roots(bytes, file: input.name)
                documents += roots.map { LintDocument(file: input.name, index: $0.index, line: $0.line, root: $0.node) }
                problems += unread
            case .unreadable(let reason, _): unreadable.append("\(input.name): \(reason)")
            case .removed: unreadable.append("\(input.name): no such file or folder")
            }
        }
        // A pipe that broke must not look like clean manifests.
        if documents.isEmpty, problems.isEmpty, unreadable.isEmpty {
            unreadable.append("\(inputs.map(\.name).joined(separator: ", ")): there is no document")
        }
    }

    func lint(isWholeCluster: Bool = false, settings: PolicySettings = PolicySettings()) -> PolicyLint {
        PolicyLint(documents, problems: problems, cluster: .init(isComplete: isWholeCluster), settings: settings)
    }
}

extension FindingReport.Format: ExpressibleByArgument {}
extension Severity: ExpressibleByArgument {}
