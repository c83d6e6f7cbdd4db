// SPDX-License-Identifier: Apache-2.0

/// Findings in their order, and the kinds that were looked for.
public struct FindingReport: Sendable, Hashable, Codable {
    /// The name of the check in renderings: `bulkhead lint`.
    public var name: String
    public var findings: [Finding]
    /// Every kind that was looked for, by code, whether it was found or not.
    public var kinds: [FindingKind]
    /// Findings that annotations or options suppressed.
    public var suppressed: Int
    /// What the reader must know about the report as a whole, such as checks that could not run.
    public var notes: [String]

    /// Findings are sorted by place, then code.
    public init(
        name: String, findings: [Finding], kinds: [FindingKind], suppressed: Int = 0, notes: [String] = []
    ) {
        self.name = name
        self.findings = findings.sorted { Self.order($0) < Self.order($1) }
        self.kinds = kinds.sorted { $0.code < $1.code }
        self.suppressed = suppressed
        self.notes = notes
    }

    private static func order(_ finding: Finding) -> (String, Int, String, String, String) {
        (
            finding.place?.file ?? "", finding.place?.line ?? 0, finding.code, finding.object,
            finding.field + finding.message
        )
    }

    /// The number of findings of a severity.
    public func count(_ severity: Severity) -> Int { findings.count { $0.severity == severity } }

    /// Whether there is a finding at least as grave as this.
    public func has(atLeast severity: Severity) -> Bool { findings.contains { $0.severity >= severity } }

    /// The forms of a report.
    public enum Format: String, Sendable, CaseIterable {
        /// For people.
        case text
        /// The report itself.
        case json
        /// SARIF 2.1.0, which code hosts show beside the lines.
        case sarif
        /// The XML that CI systems show as tests.
        case junit
    }

    /// The report in a form.
    ///
    /// - Parameters:
    ///   - version: of the program that found them.
    ///   - limit: the severity from which a finding is a failed test, for JUnit. Nil: every finding is one.
    public func rendered(_ format: Format, version: String = "", failingFrom limit: Severity? = nil) -> String {
        switch format {
        case .text: text()
        case .json: json
        case .sarif: sarif(version: version)
        case .junit: JUnitReport(self, failingFrom: limit ?? .info).xml
        }
    }
}
