// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// Each alert leads to a section that says what to look at first, with commands that exist.
@Suite struct RunbookTests {
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    private func text(_ path: String) throws -> String {
        try String(contentsOf: Self.root.appendingPathComponent(path), encoding: .utf8)
    }

    /// The text of each alert's rule.
    private func alerts() throws -> [String: Substring] {
        let rules = try text("deploy/monitoring/prometheus-rule.yaml").components(separatedBy: "- alert: ").dropFirst()
        return Dictionary(uniqueKeysWithValues: rules.map { rule in (String(rule.prefix { $0.isLetter }), rule[...]) })
    }

    /// The text of each section.
    private func sections() throws -> [String: String] {
        let parts = try text("docs/runbooks.md").components(separatedBy: "\n## ").dropFirst()
        return Dictionary(uniqueKeysWithValues: parts.map { part in (String(part.prefix { $0 != "\n" }), part) })
    }

    @Test func eachAlertHasItsSection() throws {
        let (alerts, sections) = (try alerts(), try sections())
        #expect(alerts.count > 20)
        #expect(Set(alerts.keys) == Set(sections.keys).filter { $0.hasPrefix("Bulkhead") })
        for (name, rule) in alerts {
            let link = "runbook_url: https://bulkhead.dev/docs/runbooks.md#\(name.lowercased())\n"
            #expect(rule.contains(link), "\(name) does not lead to its section")
        }
    }

    @Test func eachSectionHasACommand() throws {
        for (name, section) in try sections() where name.hasPrefix("Bulkhead") {
            #expect(section.contains("```console\n$ "), "\(name) names no command")
        }
    }

    /// promtool tries each alert with the series of this file (scripts/alerts).
    @Test func eachAlertIsTried() throws {
        let tests = try text("deploy/monitoring/prometheus-rule-test.yaml")
        for name in try alerts().keys {
            #expect(tests.contains("  - name: \(name)\n"), "\(name) is not tried")
            #expect(tests.contains(#"alertname="\#(name)""#), "the test of \(name) expects no alert")
        }
    }

    /// Commands of the runbooks and of the page about operations, as the programs' own help knows them.
    @Test(arguments: ["docs/runbooks.md", "docs/operations.md", "README.md"])
    func commandsExist(file: String) throws {
        var help: [String: String] = [:]
        var count = 0
        for match in try text(file).matches(of: /(?:bulkheadctl|kubectl bulkhead) ([^\n`|]*)/) {
            // Options of the plugin come first and are kubectl's.
            var words = match.1.prefix { $0 != "#" }.split(separator: " ").map(String.init)[...]
            while let word = words.first, word.hasPrefix("-") {
                words = words.dropFirst(["--all"].contains(word) ? 1 : 2)
            }
            guard let command = words.popFirst(), command.allSatisfy({ $0.isLetter }) else { continue }
            let inner = command == "describe" || command == "resolved" ? [words.first ?? ""] : []
            let name = ([command] + inner).joined(separator: " ")
            if help[name] == nil {
                let told = try CommandLine.run("bulkheadctl", ["help", command] + inner)
                #expect(told.output.contains("USAGE: bulkheadctl \(name) "), "\(file) names '\(name)'")
                help[name] = told.output
            }
            for option in words where option.hasPrefix("-") && option != "-n" {
                let long = String(option.prefix { $0 != "=" })
                let isKnown = help[name]?.firstMatch(of: try Regex("\\Q\(long)\\E(?![\\w-])")) != nil
                #expect(isKnown, "\(file): '\(name)' has no option \(long)")
            }
            count += 1
        }
        #expect(count > 3)
    }
}
