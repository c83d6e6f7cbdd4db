// SPDX-License-Identifier: Apache-2.0
import ControlViews
import Documents

extension FindingReport {
    /// The report as JSON: `findings`, `counts` by severity, and `suppressed`.
    public var json: String { Self.printable(document.json) + "\n" }

    /// JSON escapes only the controls below a space; the others act on a terminal as well.
    static func printable(_ json: String) -> String { VisibleText.escaped(json) }

    private var document: DocumentNode {
        .object([
            ("findings", .array(findings.map(Self.document))),
            ("counts", .object(Severity.allCases.map { ($0.rawValue, .integer(Int64(count($0)))) })),
            ("suppressed", .integer(Int64(suppressed))),
            ("notes", .array(notes.map { .string($0) })),
        ])
    }

    private static func document(_ finding: Finding) -> DocumentNode {
        var fields: [(String, DocumentNode)] = [
            ("code", .string(finding.code)), ("severity", .string(finding.severity.rawValue)),
            ("title", .string(finding.title)), ("message", .string(finding.message)),
        ]
        if let place = finding.place {
            fields.append(("file", .string(place.file)))
            if place.line > 0 { fields.append(("line", .integer(Int64(place.line)))) }
            if place.column > 0 { fields.append(("column", .integer(Int64(place.column)))) }
        }
        fields.append(("object", .string(finding.object)))
        if !finding.field.isEmpty { fields.append(("field", .string(finding.field))) }
        fields.append(("fix", .string(finding.fix)))
        return .object(fields)
    }
}
