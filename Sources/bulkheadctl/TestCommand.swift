// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ControlProtocol
import Findings

struct TestCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "test",
        abstract: "Runs unit tests of policies, without a daemon.",
        discussion: """
            FILE is YAML: the manifests that it is about, or pods and policies of its own, and flows that must be \
            allowed or denied (docs/policy-tests.md):

            manifests: [../policies]
            tests:
            - name: web reaches redis
              allow: {from: shop/web, to: shop/redis, ports: 6379}
            - deny: {from: outside, to: shop/redis}

            A test holds only if every flow that it names is as expected, for each address, port and protocol. A test \
            about a pod that does not exist is an error.

            Exits with 0 if all tests pass, with 3 if one fails, and with 1 if a file is refused or a test is an error.
            """)

    @Argument(
        help: ArgumentHelp("Files of tests; - reads standard input.", valueName: "file"), completion: .file())
    var files: [String]

    @Option(
        name: [.customShort("o"), .long],
        help: "text, for people; json; sarif (SARIF 2.1.0); junit.")
    var output = FindingReport.Format.text

    @Flag(help: "Run again whenever a file changes, until interrupted.")
    var watch = false

    @OptionGroup(title: "The cluster, beside the manifests of the files") var source: InventoryOptions

    func validate() throws {
        if watch, files.contains("-") { throw ValidationError("--watch needs files, not standard input") }
        if watch, source.filename.contains("-") { throw ValidationError("--watch needs manifests in files") }
    }

    func run() async throws {
        guard watch else {
            let status = try await runOnce()
            if status != .done { throw status.error }
            return
        }
        while true {
            // Watched before they are read, so that no change is missed.
            let watched = try ChangedFiles(
                files.flatMap { file in [file] + PolicyTestSession.manifests(of: file) }
                    + source.filename)
            do {
                _ = try await runOnce()
            } catch {
                Terminal.complain("error: \(error)")
            }
            try watched.wait()
            if output == .text { Terminal.write("\n") }
        }
    }

    private func runOnce() async throws -> ExitStatus {
        let session = try await PolicyTestSession(source)
        let answer = PolicyTestAnswer(files: files.map(session.run))
        switch output {
        case .text: Terminal.write(Self.text(answer))
        case .json: Terminal.writeJSON(try JSON.pretty(answer) + [UInt8(ascii: "\n")])
        case .sarif: Terminal.write(answer.findings.rendered(.sarif, version: BuildVersion.text))
        case .junit: Terminal.write(answer.junit.xml)
        }
        let isBroken = answer.errors > 0 || answer.files.contains { !$0.problems.isEmpty }
        return isBroken ? .failure : answer.failed > 0 ? .denied : .done
    }

    static func text(_ answer: PolicyTestAnswer) -> String {
        var text = ""
        for file in answer.files {
            for problem in file.problems { text += "\(Terminal.paint("refused", .red))  \(Words.line(problem))\n" }
            for test in file.tests where test.result != TestCaseAnswer.passed {
                let reasons = test.reasons.map(Words.line).joined(separator: "; ")
                let place = Words.line("\(file.file):\(test.line)")
                text += "\(Terminal.paint(test.result, .red))  \(place): \(Words.line(test.name)): \(reasons)\n"
            }
        }
        var counts = ["\(answer.passed) passed"]
        if answer.failed > 0 { counts.append("\(answer.failed) failed") }
        if answer.errors > 0 { counts.append(Words.count(answer.errors, "error")) }
        let refused = answer.files.count { !$0.problems.isEmpty }
        if refused > 0 { counts.append("\(Words.count(refused, "file")) refused") }
        let color: Terminal.Color = counts.count == 1 ? .green : .red
        let sum = answer.passed + answer.failed + answer.errors
        return text + "\(Words.count(sum, "test")): \(Terminal.paint(counts.joined(separator: ", "), color))\n"
    }
}

extension PolicyTestAnswer {
    private static let kinds = [
        FindingKind(
            code: "BHT1", name: "policy-test-failed", title: "A policy test failed", severity: .high,
            why: "Policy allows what a test says is denied, or the other way round."),
        FindingKind(
            code: "BHT2", name: "policy-test-error", title: "A policy test says nothing", severity: .high,
            why: "A test about pods that do not exist, or a file that is refused, proves nothing."),
    ]

    /// What did not pass.
    var findings: FindingReport {
        var findings: [Finding] = []
        for file in files {
            for problem in file.problems {
                findings.append(
                    Finding(
                        Self.kinds[1], message: problem, place: FindingPlace(file: file.file), object: file.file,
                        fix: "Correct the file."))
            }
            for test in file.tests where test.result != TestCaseAnswer.passed {
                let isFailure = test.result == TestCaseAnswer.failed
                findings.append(
                    Finding(
                        Self.kinds[isFailure ? 0 : 1], message: test.reasons.joined(separator: "; "),
                        place: FindingPlace(file: file.file, line: test.line), object: test.name,
                        fix: isFailure ? "Change the policy, or what the test expects." : "Correct the test."))
            }
        }
        return FindingReport(name: "bulkhead test", findings: findings, kinds: Self.kinds)
    }

    var junit: JUnitReport {
        JUnitReport(
            name: "bulkhead test",
            cases: files.flatMap { file in
                file.problems.map {
                    JUnitReport.Case(
                        group: file.file, name: "the file", outcome: .error(message: $0),
                        place: FindingPlace(file: file.file))
                } + file.tests.map { $0.junit(file.file) }
            })
    }
}

extension TestCaseAnswer {
    fileprivate func junit(_ file: String) -> JUnitReport.Case {
        let text = reasons.joined(separator: "\n")
        let outcome: JUnitReport.Case.Outcome =
            switch result {
            case Self.passed: .passed
            case Self.failed: .failed(kind: "BHT1", message: reasons.first ?? claim, text: "\(claim)\n\(text)")
            default: .error(message: text)
            }
        return .init(group: file, name: name, outcome: outcome, place: FindingPlace(file: file, line: line))
    }
}
