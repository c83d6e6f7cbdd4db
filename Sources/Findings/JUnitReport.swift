// SPDX-License-Identifier: Apache-2.0
import ControlViews

/// Results as the XML that CI systems read as tests.
public struct JUnitReport: Sendable, Hashable {
    /// One test.
    public struct Case: Sendable, Hashable {
        public enum Outcome: Sendable, Hashable {
            case passed
            /// - Parameter kind: a word, such as a code.
            case failed(kind: String, message: String, text: String)
            /// It could not be tried.
            case error(message: String)
            case skipped(message: String)
        }
        /// Groups the tests; often the file.
        public var group: String
        public var name: String
        public var outcome: Outcome
        public var place: FindingPlace?
        /// What a person may read beside a test that passed. Empty: nothing.
        public var output: String

        public init(
            group: String, name: String, outcome: Outcome = .passed, place: FindingPlace? = nil, output: String = ""
        ) {
            self.group = group
            self.name = name
            self.outcome = outcome
            self.place = place
            self.output = output
        }
    }

    public var name: String
    public var cases: [Case]

    public init(name: String, cases: [Case]) {
        self.name = name
        self.cases = cases
    }

    /// Each finding is a test: failed at or above `limit`, otherwise passed with its text as output. Without findings
    /// there is one test that passes, because CI systems take an empty file for an error.
    public init(_ report: FindingReport, failingFrom limit: Severity) {
        name = report.name
        cases = report.findings.map { finding in
            let fix = finding.fix.isEmpty ? "" : "\nfix: \(finding.fix)"
            let text = "\(finding.place.map { "\($0.text): " } ?? "")\(finding.message)\(fix)"
            let isFailure = finding.severity >= limit
            return Case(
                group: finding.place?.file ?? report.name,
                name: ["\(finding.code) \(finding.object)", finding.field].filter { !$0.isEmpty }.joined(
                    separator: " "),
                outcome: isFailure ? .failed(kind: finding.code, message: finding.title, text: text) : .passed,
                place: finding.place, output: isFailure ? "" : "\(finding.severity.rawValue): \(text)")
        }
        if cases.isEmpty { cases = [Case(group: report.name, name: "no findings")] }
    }

    /// The document.
    public var xml: String {
        let failures = cases.count { if case .failed = $0.outcome { true } else { false } }
        let errors = cases.count { if case .error = $0.outcome { true } else { false } }
        let skipped = cases.count { if case .skipped = $0.outcome { true } else { false } }
        let counts = "tests=\"\(cases.count)\" failures=\"\(failures)\" errors=\"\(errors)\" skipped=\"\(skipped)\""
        return """
            <?xml version="1.0" encoding="UTF-8"?>
            <testsuites name="\(XMLText.attribute(name))" \(counts)>
            <testsuite name="\(XMLText.attribute(name))" \(counts)>
            \(cases.map(Self.xml).joined())</testsuite>
            </testsuites>

            """
    }

    private static func xml(_ test: Case) -> String {
        var head = "<testcase classname=\"\(XMLText.attribute(test.group))\" name=\"\(XMLText.attribute(test.name))\""
        if let place = test.place {
            head += " file=\"\(XMLText.attribute(place.file))\""
            if place.line > 0 { head += " line=\"\(place.line)\"" }
        }
        var body = ""
        switch test.outcome {
        case .passed: break
        case .failed(let kind, let message, let text):
            body += "<failure type=\"\(XMLText.attribute(kind))\" message=\"\(XMLText.attribute(message))\">"
            body += "\(XMLText.content(text))</failure>"
        case .error(let message): body += "<error message=\"\(XMLText.attribute(message))\"/>"
        case .skipped(let message): body += "<skipped message=\"\(XMLText.attribute(message))\"/>"
        }
        if !test.output.isEmpty { body += "<system-out>\(XMLText.content(test.output))</system-out>" }
        return body.isEmpty ? "\(head)/>\n" : "\(head)>\(body)</testcase>\n"
    }
}
