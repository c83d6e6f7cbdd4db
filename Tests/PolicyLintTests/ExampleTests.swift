// SPDX-License-Identifier: Apache-2.0
import Findings
import Foundation
import PolicyLint
import Testing

/// Each code has a page whose first example has a finding with this code, and whose second one has none at all.
@Suite struct ExampleTests {
    private static let folder = URL(filePath: #filePath).resolvingSymlinksInPath()
        .deletingLastPathComponent().appending(path: "../../docs/lint")

    @Test(arguments: LintCode.allCases)
    func thePagesExamples(code: LintCode) throws {
        let page = try String(contentsOf: Self.folder.appending(path: "\(code.rawValue).md"), encoding: .utf8)
        let examples = page.components(separatedBy: "```yaml\n").dropFirst().map {
            $0.components(separatedBy: "\n```")[0] + "\n"
        }
        try #require(examples.count == 2)
        let fires = lint(examples[0])
        #expect(Set(fires.codes) == [code.rawValue])
        for finding in fires.findings {
            #expect(finding.severity == code.severity && finding.place?.line ?? 0 > 0 && !finding.fix.isEmpty)
        }
        #expect(lint(examples[1]).codes == [])
        #expect(page.contains("\n# \(code.rawValue): ") && page.contains("Severity: \(code.severity.rawValue)."))
    }

    @Test func everyPageIsListed() throws {
        let index = try String(contentsOf: Self.folder.appending(path: "README.md"), encoding: .utf8)
        for code in LintCode.allCases {
            #expect(index.contains("| [\(code.rawValue)](\(code.rawValue).md) | \(code.severity.rawValue) |"))
        }
        let pages = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path)
        #expect(Set(pages) == Set(LintCode.allCases.map { "\($0.rawValue).md" } + ["README.md"]))
    }

    @Test func codesHaveNames() {
        for code in LintCode.allCases { #expect(LintCode(code.kind.name) == code && LintCode(code.rawValue) == code) }
        #expect(Set(LintCode.allCases.map(\.kind.name)).count == LintCode.allCases.count)
        #expect(LintCode("BH999") == nil && LintCode("") == nil)
    }
}
