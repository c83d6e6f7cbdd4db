// SPDX-License-Identifier: Apache-2.0
import Documents
import Findings
import Testing

/// The forms of a report, and that names which others chose do no harm in any of them.
@Suite struct RenderingTests {
    private static let kinds = [
        FindingKind(code: "T001", name: "one", title: "One", severity: .high, why: "It is open.", help: "docs/T001.md"),
        FindingKind(code: "T002", name: "two", title: "Two", severity: .low, why: "It may be."),
    ]
    private static let report = FindingReport(
        name: "test",
        findings: [
            Finding(kinds[1], message: "Late.", place: .init(file: "b c.yaml", line: 3), object: "Pod shop/b", fix: ""),
            Finding(
                kinds[0], message: "Early.", place: .init(file: "a.yaml", line: 7, column: 5), object: "Pod shop/a",
                field: "spec.x", fix: "Close it."),
        ], kinds: kinds, suppressed: 2)

    /// Escape sequences, markup, line ends, characters that XML forbids, a changed direction of text, and length.
    private static let hostile =
        "\u{1b}[31m<script>alert(1)</script>&\"'\n::error::\r\u{9b}2J\u{202e}\u{0}\u{fffe}]]>"
        + String(repeating: "x", count: 253)
    private static let hostileReport = FindingReport(
        name: hostile,
        findings: [
            Finding(
                FindingKind(code: "T001", name: "one", title: hostile, severity: .high, why: hostile),
                message: hostile, place: .init(file: hostile, line: 1), object: hostile, field: hostile, fix: hostile)
        ], kinds: [FindingKind(code: "T001", name: hostile, title: hostile, severity: .high, why: hostile)],
        notes: [hostile])

    @Test func text() {
        #expect(
            Self.report.text() == """
                a.yaml:7: high T001 Pod shop/a spec.x: Early.
                    fix: Close it.
                b c.yaml:3: low T002 Pod shop/b: Late.
                1 high, 1 low; 2 suppressed

                """)
        #expect(FindingReport(name: "test", findings: [], kinds: []).text() == "no findings\n")
        #expect(Self.report.text { "<\($1.rawValue)>\($0)" }.hasPrefix("a.yaml:7: <high>high T001 "))
    }

    @Test func json() throws {
        let root = try JSONReader.read(Array(Self.report.json.utf8))
        #expect(root["counts"]?["high"]?.value == .integer(1) && root["suppressed"]?.value == .integer(2))
        guard case .sequence(let findings)? = root["findings"]?.value else { throw Unexpected() }
        #expect(findings.map { $0["code"]?.string } == ["T001", "T002"])
        #expect(findings[0]["line"]?.value == .integer(7) && findings[0]["file"]?.string == "a.yaml")
        #expect(findings[0]["field"]?.string == "spec.x" && findings[1]["field"] == nil)
    }

    private struct Unexpected: Error {}

    @Test func sarif() throws {
        let log = try JSONReader.read(Array(Self.report.sarif(version: "1.2").utf8))
        #expect(log["version"]?.string == "2.1.0" && log["$schema"]?.string?.hasSuffix("sarif-2.1.0.json") == true)
        guard case .sequence(let runs)? = log["runs"]?.value, let run = runs.first,
            case .sequence(let results)? = run["results"]?.value,
            case .sequence(let rules)? = run["tool"]?["driver"]?["rules"]?.value
        else { throw Unexpected() }
        #expect(rules.map { $0["id"]?.string } == ["T001", "T002"])
        #expect(results.map { $0["level"]?.string } == ["error", "note"])
        #expect(results.map { $0["ruleIndex"]?.value } == [.integer(0), .integer(1)])
        #expect(results[0]["partialFingerprints"]?["bulkheadFinding/v1"]?.string == "T001|Pod shop/a|spec.x")
        guard case .sequence(let locations)? = results[1]["locations"]?.value else { throw Unexpected() }
        let physical = locations[0]["physicalLocation"]
        #expect(physical?["artifactLocation"]?["uri"]?.string == "b%20c.yaml")
        #expect(physical?["region"]?["startLine"]?.value == .integer(3))
    }

    @Test func junit() {
        #expect(
            Self.report.rendered(.junit, failingFrom: .medium) == """
                <?xml version="1.0" encoding="UTF-8"?>
                <testsuites name="test" tests="2" failures="1" errors="0" skipped="0">
                <testsuite name="test" tests="2" failures="1" errors="0" skipped="0">
                <testcase classname="a.yaml" name="T001 Pod shop/a spec.x" file="a.yaml" line="7">\
                <failure type="T001" message="One">a.yaml:7: Early.
                fix: Close it.</failure></testcase>
                <testcase classname="b c.yaml" name="T002 Pod shop/b" file="b c.yaml" line="3">\
                <system-out>low: b c.yaml:3: Late.</system-out></testcase>
                </testsuite>
                </testsuites>

                """)
        let none = FindingReport(name: "test", findings: [], kinds: [])
        #expect(none.rendered(.junit).contains(#"tests="1" failures="0""#))
    }

    @Test func otherOutcomesOfJUnit() {
        let report = JUnitReport(
            name: "x",
            cases: [
                .init(group: "g", name: "passed"), .init(group: "g", name: "odd", outcome: .error(message: "no file")),
                .init(group: "g", name: "later", outcome: .skipped(message: "not here")),
            ])
        #expect(report.xml.contains(#"tests="3" failures="0" errors="1" skipped="1""#))
        #expect(report.xml.contains(#"<testcase classname="g" name="passed"/>"#))
        #expect(report.xml.contains(#"<error message="no file"/>"#))
        #expect(report.xml.contains(#"<skipped message="not here"/>"#))
    }

    @Test(arguments: FindingReport.Format.allCases)
    func hostileNames(format: FindingReport.Format) throws {
        let output = Self.hostileReport.rendered(format, version: "1", failingFrom: .low)
        let controls = output.unicodeScalars.filter {
            ($0.value < 0x20 && $0 != "\n") || (0x7f...0x9f).contains($0.value) || $0 == "\u{202e}"
        }
        #expect(controls.isEmpty, "\(controls)")
        switch format {
        case .text:
            // A line end in a name must not begin a line, which CI systems may read as a command.
            #expect(!output.contains("\n::error"))
        case .json, .sarif:
            let root = try JSONReader.read(Array(output.utf8))
            #expect(root.json.contains(JSONString.quoted(Self.hostile)), "the name itself is kept")
        case .junit:
            #expect(!output.contains("<script>") && !output.contains("]]>") && !output.contains("\u{fffe}"))
            #expect(output.components("<").count == output.components(">").count)
        }
    }
}

extension String {
    fileprivate func components(_ separator: Character) -> [Substring] {
        split(separator: separator, omittingEmptySubsequences: false)
    }
}
