// SPDX-License-Identifier: Apache-2.0
import ClusterInventory
import ControlProtocol
import KubernetesObjects
import PolicyCases

/// Runs files of policy tests, with what the command line adds to the cluster of each of them.
struct PolicyTestSession {
    private static let sizeLimit = 16 << 20

    private let options: InventoryOptions
    private let base: InventoryReading

    init(_ options: InventoryOptions) async throws {
        self.options = options
        let isGiven = options.cluster.isGiven || !options.filename.isEmpty
        base = isGiven ? try await options.read() : InventoryReading()
    }

    /// What becomes of the tests of a file.
    func run(_ path: String) -> TestFileAnswer {
        let name = path == "-" ? "standard input" : path
        let file: PolicyTestFile
        do {
            file = try PolicyTestFile(try InputFile.read(path, limit: Self.sizeLimit), name: name)
        } catch let error as PolicyTestFileError {
            return TestFileAnswer(file: name, problems: error.problems.map(\.description))
        } catch {
            return TestFileAnswer(file: name, problems: ["\(error)"])
        }
        var reading = base
        let manifests = Self.paths(file, of: path)
        if !manifests.isEmpty { reading.apply(InventoryReading(files: manifests, isRecursive: true)) }
        var own = InventoryReading()
        own.input = InventoryInput(objects: file.objects, services: file.services, extracts: file.extracts)
        own.notices = file.notices
        reading.apply(own)
        if !reading.problems.isEmpty, !options.ignoreProblems {
            return TestFileAnswer(file: name, problems: reading.problems.map { "\(Problem($0))" })
        }
        do {
            var addresses = options.addresses()
            let inventory = try reading.inventory(
                settings: options.settings, ignoringProblems: options.ignoreProblems,
                consequence: "an object could be missing from the tests", addresses: &addresses)
            var run = PolicyTestRun(inventory)
            return TestFileAnswer(file: name, tests: file.cases.map { TestCaseAnswer(run.run($0)) })
        } catch {
            return TestFileAnswer(file: name, problems: ["\(error)"])
        }
    }

    /// The manifests that a file names; none if it cannot be read.
    static func manifests(of path: String) -> [String] {
        guard let bytes = try? InputFile.read(path, limit: sizeLimit), let file = try? PolicyTestFile(bytes, name: path)
        else { return [] }
        return paths(file, of: path)
    }

    /// Relative to the folder of the file.
    private static func paths(_ file: PolicyTestFile, of path: String) -> [String] {
        let folder = path.lastIndex(of: "/").map { path[...$0] } ?? ""
        return file.manifests.map { $0.path.hasPrefix("/") || path == "-" ? $0.path : folder + $0.path }
    }
}

extension TestCaseAnswer {
    fileprivate init(_ result: PolicyTestResult) {
        let word =
            switch result.outcome {
            case .passed: Self.passed
            case .failed: Self.failed
            case .error: Self.error
            }
        self.init(
            name: result.test.name, line: result.test.line, claim: result.test.claim, result: word,
            reasons: result.reasons)
    }
}
