// SPDX-License-Identifier: Apache-2.0
import ControlViews

extension FindingReport {
    /// For people: one paragraph per finding, and a line with the counts at the end. No control character of a name
    /// is left.
    ///
    /// - Parameter paint: colors the words of a severity.
    public func text(paint: (String, Severity) -> String = { text, _ in text }) -> String {
        findings.map { Self.text($0, paint) }.joined()
            + notes.map { "note: \(VisibleText.line($0))\n" }.joined() + summary + "\n"
    }

    private static func text(_ finding: Finding, _ paint: (String, Severity) -> String) -> String {
        var head = finding.place.map { VisibleText.line($0.text) + ": " } ?? ""
        head += paint("\(finding.severity.rawValue) \(finding.code)", finding.severity)
        if !finding.object.isEmpty { head += " " + VisibleText.line(finding.object) }
        if !finding.field.isEmpty { head += " " + VisibleText.line(finding.field) }
        var text = "\(head): \(VisibleText.line(finding.message))\n"
        if !finding.fix.isEmpty { text += "    fix: \(VisibleText.line(finding.fix))\n" }
        return text
    }

    /// `2 high, 1 low; 3 suppressed`.
    public var summary: String {
        let counts = Severity.allCases.map { ($0, count($0)) }.filter { $0.1 > 0 }
        let found = counts.map { "\($0.1) \($0.0.rawValue)" }.joined(separator: ", ")
        let all = found.isEmpty ? "no findings" : found
        return suppressed > 0 ? "\(all); \(suppressed) suppressed" : all
    }
}

extension FindingPlace {
    /// `file:line`, or the file alone.
    public var text: String { line > 0 ? "\(file):\(line)" : file }
}
