// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing
import Yams

/// The workflows do nothing but call scripts of this repository, so that each check also runs elsewhere.
@Suite struct WorkflowTests {
    /// Each command of each workflow, one program with its arguments, with a matrix's values in place.
    private static func commands() throws -> [String] {
        let folder = Kustomization.repository.appending(path: ".github/workflows")
        let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
        return try files.flatMap { file in
            let workflow = try #require(try Yams.compose(yaml: String(contentsOf: file, encoding: .utf8)))
            let jobs = try #require(workflow["jobs"]?.mapping, "\(file.path)")
            return jobs.values.flatMap(commands)
        }
    }

    private static func commands(of job: Node) -> [String] {
        let matrix = job["strategy"]?["matrix"]?["command"]?.sequence.map { $0.compactMap(\.string) } ?? []
        let runs = (job["steps"]?.sequence ?? []).compactMap { $0["run"]?.string }
        return runs.flatMap { $0 == "${{ matrix.command }}" ? matrix : [$0] }
            .flatMap { $0.components(separatedBy: "&&") }
            .map { $0.trimmingCharacters(in: .whitespacesAndNewlines) }
    }

    @Test func scriptsExist() throws {
        let called = try Self.commands().compactMap { $0.split(separator: " ").first.map(String.init) }
        let scripts = called.filter { $0.contains("/") }
        for script in scripts {
            let path = Kustomization.repository.appending(path: script).path
            #expect(FileManager.default.isExecutableFile(atPath: path), "\(script)")
        }
        let others = Set(called).subtracting(scripts)
        #expect(others.isSubset(of: ["apt-get", "git", "grep", "cd", "sha256sum", "gh"]), "\(others)")
    }

    /// What the documents promise of them.
    @Test(arguments: [
        ".ci/run", "scripts/compare \"origin/$GITHUB_BASE_REF\"", "Tests/Fuzz/run 60", "scripts/sanitize address",
        "scripts/sanitize thread",
    ])
    func isCalled(command: String) throws {
        #expect(try Self.commands().contains(command))
    }
}
